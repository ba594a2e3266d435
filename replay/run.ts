/**
 * Runs a plan: starts the engine it names and turns what the run says into an outcome.
 *
 * JavaScript touches no packet: a native run is four native calls whatever the packet count (new, statistics, wait, perhaps
 * stop); the WebGPU engine adds a few calls per batch (webgpu/stream.ts). Called by the CLI and by programs.
 */
import { type ActionRecord, type Machine, ModelTError, type Placement } from '../stack/index.js';
import type { TraceInfo } from './captures/native-trace.js';
import { launch } from './launch.js';
import { replayNative } from './native-run.js';
import type { ReplayPlan, RunOutcome, RunSnapshot } from './plan-types.js';
import { nativeOf, type Trace } from './trace.js';
import { startGpuReplay } from './webgpu/gpu-run.js';

export interface ReplayRun {
  snapshot(): RunSnapshot;
  /** What is under way is drained; the outcome says `interrupted`. */
  stop(): void;
  /** Ends at once; readers see an aborted stream, and `outcome` rejects with ModelTError ABORTED (130). */
  abort(): void;
  /** Switches a path to another placement while packets flow. Empty, or a sentence why not: not now, or never, because the policy moves elements. */
  place?(placement: Placement, path?: number): string;
  /**
   * Pauses, resumes or kills a container (`containers` of the result, from 0). A run of which a container was killed ends, and
   * `outcome` rejects with ModelTError RUN_FAILED (4), which says how far it had come.
   */
  control?(container: number, command: 'pause' | 'resume' | 'stop'): void;
  readonly outcome: Promise<RunOutcome>;
}

/** Who is told what while a run goes on. */
export interface Watch {
  /** Of what the scheduler does, as it does it. */
  readonly onAction?: (record: ActionRecord) => void;
}

function refuseImpossible(plan: ReplayPlan, trace: Trace, info: TraceInfo): void {
  const what = plan.inputs.map((input) => (input === '-' ? 'standard input' : input)).join(', ');
  if (!trace.live && info.packets === 0) {
    throw new ModelTError('TRACE_EMPTY', `${what}: no packet to replay`, 2, 'Give a capture that holds packets');
  }
  if (!trace.live) return;
  const refuse = (code: string, flag: string, remedy: string): never => {
    throw new ModelTError(code, `${flag} needs the whole capture first`, 2, remedy);
  };
  if (plan.payload === 'resident') refuse('LIVE_RESIDENT', '--payload resident', 'Save the stream to a file');
  if (plan.engine === 'webgpu') refuse('GPU_LIVE', '--engine webgpu', 'Save the stream to a file');
  if (plan.threads > 1) refuse('LIVE_THREADS', `--threads ${plan.threads}`, 'Use one thread on a stream');
}

/**
 * Starts the run. Throws ModelTError when it cannot start; `outcome` rejects with ModelTError when it breaks, or when a
 * device for the WebGPU engine, which is set up meanwhile, cannot be had.
 */
export function startReplay(trace: Trace, plan: ReplayPlan, machine: Machine, watch: Watch = {}): ReplayRun {
  const info = trace.info();
  refuseImpossible(plan, trace, info);
  if (plan.engine === 'webgpu') return startGpuReplay(trace, plan, machine, watch);
  const launched = launch(trace, info, plan, machine, watch);
  /* A stream that breaks is not waited for: what came before it broke is the run. */
  trace.loaded.catch(() => launched.native.stop());
  const outcome = launched.finish(() => ({ name: 'native', isa: plan.isa, threads: plan.threads }));
  outcome.catch(() => {}); /* a caller that aborts and looks no further is not an unhandled rejection */
  const place = (placement: Placement, path = 0): string => launched.place(placement, path);
  const control: ReplayRun['control'] = (container, command) => launched.native.control(container, command);
  return { snapshot: launched.snapshot, stop: () => launched.native.stop(), abort: launched.abort, place, control, outcome };
}

/**
 * The yardstick of the copying engine: memcpy of the trace's slots into a ring-sized region, burst by burst, on the same
 * kind of pages. Captured bytes per second. Blocks for `seconds`.
 */
export function measureTraceCopy(trace: Trace, ringBytes: number, seconds: number): number {
  return replayNative().measureTraceCopy(nativeOf(trace), ringBytes, seconds);
}

/**
 * The yardstick of the WebGPU engine beside the bus: memcpy of the trace's slots into `buffers` host buffers of `batchBytes` in
 * turn, as its batches go. Captured bytes per second. Blocks for `seconds`.
 */
export function measureStagedCopy(trace: Trace, batchBytes: number, buffers: number, seconds: number): number {
  return replayNative().measureStagedCopy(nativeOf(trace), batchBytes, buffers, seconds);
}
