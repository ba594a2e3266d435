/**
 * One native run: its configuration from a plan, its statistics page, and the outcome at its end. Both engines run through here:
 * the native one with nothing else, the WebGPU one with the device's staging memory. Called by run.ts and webgpu/gpu-run.ts.
 */
import { type Machine, ModelTError } from '../stack/index.js';
import type { TraceInfo } from './captures/native-trace.js';
import { parsePrefix } from './mutation.js';
import { type NativeGpuConfig, type NativeRun, type NativeRunConfig, type NativeRunResult, replayNative } from './native-run.js';
import { outcomeOf } from './outcome.js';
import { openPcapFile, type PcapFile } from './pcap-file.js';
import type { ReplayPlan, RunOutcome, RunSnapshot } from './plan-types.js';
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

/** The ring the run will have: an `auto` size grows to four of the largest slots, because bursts are quarters. */
function regionBytes(plan: ReplayPlan, trace: Trace, info: TraceInfo): number {
  if (plan.ringSizing === 'fixed') return plan.ringBytes;
  if (trace.live) return Math.max(plan.ringBytes, LIVE_RING_BYTES);
  return Math.max(plan.ringBytes, Math.ceil((4 * slotBytes(info.largest)) / 4096) * 4096);
}

/** The part of a configuration that says how packets change. */
export function mutationConfig(plan: ReplayPlan): Pick<NativeRunConfig, 'unique' | 'seed' | 'rewrites'> {
  const rewrites = plan.rewrites.map(({ cidr }) => parsePrefix(cidr));
  return { unique: plan.unique, seed: BigInt(plan.seed), rewrites };
}

function nativeConfig(plan: ReplayPlan, region: number, file: PcapFile | null): NativeRunConfig {
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
    cpus: plan.cores,
    resident: plan.payload === 'resident',
    regionBytes: BigInt(region),
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
  /** Once: resolves when everything has ended. Rejects with ModelTError when the run broke or was aborted. */
  finish(engine: DescribeEngine): Promise<RunOutcome>;
}

/** Starts the native threads at once. Throws ModelTError when they cannot start. */
export function launch(trace: Trace, plan: ReplayPlan, machine: Machine, gpu?: NativeGpuConfig): Launched {
  const info = trace.info();
  const file = plan.target.kind === 'pcap' ? openPcapFile(plan.target.path, info) : null;
  let native: NativeRun;
  try {
    const config = nativeConfig(plan, regionBytes(plan, trace, info), file);
    native = new (replayNative().Run)(nativeOf(trace), gpu ? { ...config, gpu } : config);
  } catch (error) {
    file?.discard();
    throw new ModelTError('RUN_IMPOSSIBLE', error instanceof Error ? error.message : String(error), 2);
  }
  const statistics = new Statistics(native.statistics());
  const snapshot = (): RunSnapshot => takeSnapshot(plan, statistics, trace.info());
  const samples = new Sampler(snapshot);
  let aborted = false;
  const finish = async (engine: DescribeEngine): Promise<RunOutcome> => {
    let keep = false; /* a file known to be wrong gets no name */
    try {
      const result = await native.wait();
      if (aborted) throw new ModelTError('ABORTED', 'Aborted before everything was drained; there is no result', 130);
      const outcome = outcomeOf({
        trace,
        plan,
        machine,
        engine: await engine(result),
        statistics,
        samples: samples.taken,
        result,
      });
      keep = outcome.conserved && outcome.verified.ok;
      return outcome;
    } finally {
      samples.end();
      if (keep) file?.commit();
      else file?.discard();
    }
  };
  const abort = (): void => {
    aborted = true;
    native.abort();
  };
  return { native, snapshot, abort, finish };
}
