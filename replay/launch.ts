/**
 * One native run: its configuration from a plan, its statistics page, and the outcome at its end. Both engines run through here:
 * the native one with nothing else, the WebGPU one with the device's staging memory. Called by run.ts and webgpu/gpu-run.ts.
 */
import { type Machine, ModelTError, type Placement } from '../stack/index.js';
import { ByHand } from './by-hand.js';
import type { TraceInfo } from './captures/native-trace.js';
import { type Layout, layOut, NO_HELPER, placedBy, scheduled } from './layout.js';
import { parsePrefix } from './mutation.js';
import { type NativeGpuConfig, type NativeRun, type NativeRunConfig, type NativeRunResult, replayNative } from './native-run.js';
import { outcomeOf } from './outcome.js';
import { openPcapFile, type PcapFile } from './pcap-file.js';
import type { ReplayPlan, RunOutcome, RunSnapshot } from './plan-types.js';
import type { Watch } from './run.js';
import { nativePlacement } from './scheduling.js';
import { stackProgram } from './stack-plan.js';
import { Sampler, Statistics, takeSnapshot } from './statistics.js';
import { nativeOf, type Trace } from './trace.js';

const UNLIMITED = 2n ** 64n - 1n;
/** Lines per packet that `--digest headers` covers: Ethernet, 8 VLAN tags or IPv6, and the transport header. */
const HEADER_LINES = 2;
/** A live trace may bring any frame; this ring takes frames of 512 KiB. */
const LIVE_RING_BYTES = 2 ** 20;

function slotBytes(length: number): number {
  return Math.ceil((2 + length) / 64) * 64 + 64;
}

/** The ring the run will have at most: an `auto` size grows to four of the largest slots, because bursts are quarters. */
function regionBytes(plan: ReplayPlan, trace: Trace, info: TraceInfo): number {
  if (plan.ringSizing === 'fixed') return plan.ringBytes;
  if (trace.live) return Math.max(plan.ringStartBytes, LIVE_RING_BYTES);
  return Math.max(plan.ringBytes, Math.ceil((4 * slotBytes(info.largest)) / 4096) * 4096);
}

/** The part of a configuration that says how packets change. */
export function mutationConfig(plan: ReplayPlan): Pick<NativeRunConfig, 'unique' | 'seed' | 'rewrites'> {
  const rewrites = plan.rewrites.map(({ cidr }) => parsePrefix(cidr));
  return { unique: plan.unique, seed: BigInt(plan.seed), rewrites };
}

function nativeConfig(plan: ReplayPlan, region: number, file: PcapFile | null, layout: Layout): NativeRunConfig {
  return {
    target: plan.target.kind,
    ringName: plan.target.kind === 'ring' ? plan.target.name : '',
    file: file?.descriptor ?? -1,
    linkType: file?.linkType ?? 1,
    isa: plan.isa,
    laps: plan.loop === 0 ? UNLIMITED : BigInt(plan.loop),
    limit: plan.limit === null ? UNLIMITED : BigInt(plan.limit),
    durationNs: plan.durationSeconds === null ? 0n : BigInt(Math.max(1, Math.round(plan.durationSeconds * 1e9))),
    threads: plan.threads,
    containers: layout.containers,
    idle: plan.placement.idle,
    lanes: layout.lanes,
    placement: nativePlacement(layout.placement, plan.placement.latencySeconds),
    helperCpu: layout.helperCpu ?? NO_HELPER,
    resident: plan.payload === 'resident',
    regionBytes: BigInt(region),
    selfSizing: plan.ringSizing === 'self',
    startBytes: BigInt(plan.ringStartBytes),
    policy: plan.readerPolicy,
    waitReaders: plan.readers,
    digestLines: plan.digest === 'full' ? 0 : HEADER_LINES,
    verify: !plan.gpu?.kernel,
    ...mutationConfig(plan),
    program: stackProgram(plan),
  };
}

/** What the engine says of itself once the native run has ended; it may still refuse the run by throwing. */
type DescribeEngine = (result: NativeRunResult) => RunOutcome['engine'] | Promise<RunOutcome['engine']>;

export interface Launched {
  readonly native: NativeRun;
  snapshot(): RunSnapshot;
  abort(): void;
  /** Empty, or a sentence why not: see ReplayRun. */
  place(placement: Placement, path: number): string;
  /** Once: resolves when everything has ended. Rejects with ModelTError when the run broke or was aborted. */
  finish(engine: DescribeEngine): Promise<RunOutcome>;
}

export interface LaunchOptions extends Watch {
  readonly gpu?: NativeGpuConfig;
}

function startNative(
  trace: Trace,
  info: TraceInfo,
  plan: ReplayPlan,
  layout: Layout,
  file: PcapFile | null,
  gpu?: NativeGpuConfig,
): NativeRun {
  try {
    const config = nativeConfig(plan, regionBytes(plan, trace, info), file, layout);
    return new (replayNative().Run)(nativeOf(trace), gpu ? { ...config, gpu } : config);
  } catch (error) {
    file?.discard();
    throw new ModelTError('RUN_IMPOSSIBLE', error instanceof Error ? error.message : String(error), 2);
  }
}

/** Starts the native threads at once. Throws ModelTError when they cannot start. */
export function launch(trace: Trace, info: TraceInfo, plan: ReplayPlan, machine: Machine, options: LaunchOptions = {}): Launched {
  const layout = layOut(trace, info, plan, machine);
  const file = plan.target.kind === 'pcap' ? openPcapFile(plan.target.path, info) : null;
  const native = startNative(trace, info, plan, layout, file, options.gpu);
  const statistics = new Statistics(native.statistics(), native.shape());
  const scheduling = scheduled(plan, machine, layout, native, statistics, options);
  const byHand = new ByHand(native, statistics, layout.placement, plan.placement.latencySeconds);
  const snapshot = (): RunSnapshot => takeSnapshot(plan, statistics, trace.info());
  const samples = new Sampler(snapshot);
  scheduling?.start();
  let aborted = false;
  const finish = async (engine: DescribeEngine): Promise<RunOutcome> => {
    let keep = false; /* a file known to be wrong gets no name */
    try {
      const result = await native.wait();
      scheduling?.end();
      if (aborted) throw new ModelTError('ABORTED', 'Aborted before everything was drained; there is no result', 130);
      const outcome = outcomeOf({
        trace,
        plan,
        machine,
        engine: await engine(result),
        statistics,
        samples: samples.taken,
        placed: placedBy(layout, scheduling ?? byHand, scheduling?.actions ?? []),
        result,
      });
      keep = outcome.conserved && outcome.verified.ok;
      return outcome;
    } finally {
      scheduling?.end();
      samples.end();
      if (keep) file?.commit();
      else file?.discard();
    }
  };
  const abort = (): void => {
    aborted = true;
    native.abort();
  };
  const place = (placement: Placement, path: number): string =>
    scheduling
      ? 'the scheduler moves the elements of this run: hold them with --place, or use --placement fused'
      : byHand.place(placement, path);
  return { native, snapshot, abort, place, finish };
}
