/**
 * The door of `replay/`: captures in, packets of a ring out. Imports the door of `stack/` only.
 *
 *   captures (files, folders, stdin) -> trace image -> mutation -> engine (native) -> ring -> stack | reader | pcap | null
 *        captures/, native/capture_*      native/mutation     native/engine      stack/
 */

export type { SourceInfo, TraceInfo } from './captures/native-trace.js';
export { formatPrefix, type Prefix, parsePrefix } from './mutation.js';
export { MAX_RING_BYTES, MIN_RING_BYTES, planReplay } from './plan.js';
export type * from './plan-types.js';
export { measureTraceCopy, type ReplayRun, startReplay, WIRE_OVERHEAD_BYTES } from './run.js';
export { openTrace, type Trace } from './trace.js';
