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
}

/** The native object behind each trace; programs outside have no business with it. */
const natives = new WeakMap<Trace, NativeTrace>();

/** For runs: the native object of a trace that openTrace() made. */
export function nativeOf(trace: Trace): NativeTrace {
  const native = natives.get(trace);
  if (native === undefined) throw new TypeError('this trace was not made by openTrace()');
  return native;
}

/** Bytes that this process may still take, now: a machine's description may be older than the trace. */
export function memoryLeft(): number {
  const { Trace: NativeTraceConstructor } = nativeModule() as unknown as { Trace: NativeTraceClass };
  return NativeTraceConstructor.memoryHeadroom('');
}

/** Opens files, directories (walked in name order) and `-`. Rejects with ModelTError; a live trace resolves at once. */
export async function openTrace(inputs: readonly string[]): Promise<Trace> {
  const { Trace: NativeTraceConstructor } = nativeModule() as unknown as { Trace: NativeTraceClass };
  const native = new NativeTraceConstructor();
  try {
    const loading = loadInputs(native, inputs);
    /* A run that outlives the trace still reports on it. */
    let atClose: TraceInfo | null = null;
    const close = (): void => {
      atClose ??= native.info();
      loading.stop();
      native.close();
    };
    const info = (): TraceInfo => atClose ?? native.info();
    const trace = { inputs: [...inputs], live: loading.live, loaded: loading.loaded, info, close };
    natives.set(trace, native);
    return trace;
  } catch (error) {
    native.close();
    throw error;
  }
}
