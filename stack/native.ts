/**
 * The only importer of the addon `build/Release/model_t.node`. Loaded on first use, so that `--help` and `doctor` work
 * without it; every failure becomes a ModelTError that says what to do.
 *
 * The stack's own native functions are typed here; `replay/` types its classes itself and takes them from
 * `nativeModule()` through the door of `stack/`.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelTError } from './errors.js';

export interface StackNative {
  /** Instruction sets this CPU and build run: `scalar` first, the best last. */
  cpuIsas(): string[];
  /** Bytes per second of memcpy between two buffers of `bytes` bytes, measured for `seconds`. Blocks. */
  measureCopy(bytes: number, seconds: number): number;
  /** Hash of one frame; the digest of many is the sum modulo 2^64. `lineLimit` 0 = all bytes. */
  digest(frame: Uint8Array, lineLimit: number): bigint;
}

/** Folder of the package: the first one up from here that holds binding.gyp (sources run from ./, built files from dist/). */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'binding.gyp'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new ModelTError('PACKAGE_BROKEN', 'binding.gyp is missing from the package', 3, 'Install it again');
    folder = parent;
  }
  return folder;
}

let loaded: StackNative | undefined;

/** The addon's exports. Throws ModelTError (exit code 3) when it cannot be loaded. */
export function nativeModule(): StackNative {
  if (loaded) return loaded;
  const path = join(packageRoot(), 'build/Release/model_t.node');
  if (!existsSync(path)) {
    throw new ModelTError('ADDON_MISSING', `${path} has not been built`, 3, 'Run `npm run build` (needs make, g++ and python3)');
  }
  try {
    loaded = createRequire(import.meta.url)(path) as StackNative;
    return loaded;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new ModelTError(
      'ADDON_BROKEN',
      `${path} cannot be loaded: ${reason}`,
      3,
      'Remove the folder build/ and run `npm run build`',
    );
  }
}

/** The stack's native functions; each loads the addon on first use. */
export const native: StackNative = {
  cpuIsas: () => nativeModule().cpuIsas(),
  measureCopy: (bytes, seconds) => nativeModule().measureCopy(bytes, seconds),
  digest: (frame, lineLimit) => nativeModule().digest(frame, lineLimit),
};
