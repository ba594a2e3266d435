/**
 * Failures that reach the device itself, because no error scope was around the call, as errors of ours. Pure; called by dawn.ts
 * and by whoever waits for a map.
 */
import { ModelTError } from '../../stack/index.js';

/** An error of WebGPU, whatever its class, with what we were doing. */
export function deviceError(error: unknown, what: string): ModelTError {
  const text = firstLine((error as { message?: unknown }).message);
  // A map that was pending when the device or its buffer went.
  if ((error as { name?: unknown }).name === 'AbortError')
    return new ModelTError('GPU_CLOSED', `${what}: the GPU was closed meanwhile`, 3);
  switch ((error as object).constructor?.name) {
    case 'GPUOutOfMemoryError':
      return new ModelTError(
        'GPU_OUT_OF_MEMORY',
        `${what}: the GPU has no room left: ${text}`,
        3,
        'Give a smaller --gpu-memory or --batch',
      );
    case 'GPUInternalError':
      return new ModelTError(
        'GPU_INTERNAL',
        `${what}: the GPU driver failed: ${text}`,
        3,
        'Use --gpu software or --engine native',
      );
    default:
      return new ModelTError('GPU_REFUSED', `${what}: WebGPU refuses: ${text}`, 3, 'Use --engine native, and report this');
  }
}

/** What was in flight when a device was lost is lost too. */
export function lossError(adapter: string, reason: string): ModelTError {
  return new ModelTError(
    'GPU_LOST',
    `The GPU "${adapter}" was lost: ${firstLine(reason)}`,
    4,
    'Look into dmesg for its driver; try smaller batches, or --engine native',
  );
}

/** Dawn's messages go on with the call stack of its own objects. */
function firstLine(message: unknown): string {
  return (
    String(message ?? 'no reason given')
      .trim()
      .split('\n')[0] || 'no reason given'
  );
}
