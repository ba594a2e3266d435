/**
 * Makes things on a device and throws what went wrong with them, one ModelTError instead of text on standard output: WebGPU
 * reports a failed call later, to the error scope around it. Used by everything in this folder that creates things on a device.
 */
import { ModelTError } from '../../stack/index.js';
import { deviceError } from './device-errors.js';

const SCOPES = ['validation', 'out-of-memory', 'internal'] as const;

/**
 * `make` must not wait for anything: scopes are a stack per device, and calls of others in between would be taken for its own.
 * `what` is made, for the error.
 */
export async function guarded<Made>(device: GPUDevice, what: string, make: () => Made): Promise<Made> {
  for (const scope of SCOPES) device.pushErrorScope(scope);
  const made = attempt(make);
  const errors = await Promise.all(SCOPES.map(() => device.popErrorScope().catch(lostError)));
  if ('thrown' in made) throw made.thrown instanceof ModelTError ? made.thrown : deviceError(made.thrown, what);
  /* No room first: validation errors follow from it. */
  const found = errors.filter((one) => one !== null);
  const error = found.find((one) => one.constructor?.name === 'GPUOutOfMemoryError') ?? found[0];
  if (error) throw deviceError(error, what);
  return made.value;
}

/** True for the error that says a device has no room; a smaller request may succeed. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof ModelTError && error.code === 'GPU_OUT_OF_MEMORY';
}

function attempt<Made>(make: () => Made): { value: Made } | { thrown: unknown } {
  try {
    return { value: make() };
  } catch (thrown) {
    return { thrown };
  }
}

/** Scopes of a lost device are not answered. */
function lostError(error: unknown): GPUError {
  return { message: error instanceof Error ? error.message : String(error) } as GPUError;
}
