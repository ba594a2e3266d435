/**
 * The door of `replay/`: captures in, packets of a ring out. Imports the door of `stack/` only.
 *
 *   captures (files, folders, stdin) -> trace image -> mutation -> engine -> ring -> stack | reader | pcap | null
 *        captures/, native/capture_*      native/mutation   |  native: native/engine        stack/
 *                                                           |  webgpu: webgpu/gpu-run, kernels/
 */

export type { SourceInfo, TraceInfo } from './captures/native-trace.js';
export { chooseEngine, type EngineChoice } from './engine-choice.js';
export { formatPrefix, type Prefix, parsePrefix } from './mutation.js';
export { WIRE_OVERHEAD_BYTES } from './outcome.js';
export { tracePackets } from './packets.js';
export { fixedBecause, MAX_RING_BYTES, MIN_RING_BYTES, MOST_CONTAINERS, planReplay } from './plan.js';
export type * from './plan-types.js';
export { measureStagedCopy, measureTraceCopy, type ReplayRun, startReplay } from './run.js';
export { openTrace, type Trace } from './trace.js';
export { type AcceleratorOptions, openAccelerator } from './webgpu/accelerator.js';
export type { AdapterDescription } from './webgpu/adapters.js';
export { type AdapterReadBack, measureAdapterReadBack } from './webgpu/read-back-command.js';
export { type GpuSurvey, surveyGpu } from './webgpu/survey.js';
