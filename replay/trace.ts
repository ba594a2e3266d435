/**
 * A trace: the captures of a replay, loaded into one native image. Opened here, loaded by `captures/`, read by runs.
 */
import { nativeModule } from '../stack/index.js';
import { loadInputs } from './captures/load.js';
import type { NativeTrace, NativeTraceClass, TraceInfo } from './captures/native-trace.js';

export interface Trace {
  readonly inputs: readonly string[];
  /** An input is a stream: a replay may run while loading goes on. */
  readonly live: boolean;
  /** Resolves when all is loaded; rejects with ModelTError. */
  readonly loaded: Promise<void>;
  /** Grows while live. */
  info(): TraceInfo;
  /** Frees the memory once no run uses it. */
  close(): void;
  /** For runs: the native object. */
  readonly native: NativeTrace;
}

/** Opens files, directories (walked in name order) and `-`. Rejects with ModelTError; a live trace resolves at once. */
export async function openTrace(inputs: readonly string[]): Promise<Trace> {
  const { Trace: NativeTraceConstructor } = nativeModule() as unknown as { Trace: NativeTraceClass };
  const native = new NativeTraceConstructor();
  try {
    const loading = loadInputs(native, inputs);
    const close = (): void => {
      loading.stop();
      native.close();
    };
    return { inputs: [...inputs], live: loading.live, loaded: loading.loaded, info: () => native.info(), close, native };
  } catch (error) {
    native.close();
    throw error;
  }
}
