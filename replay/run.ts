/**
 * Runs a plan: starts the native run, watches its statistics page, and turns what it says into an outcome.
 *
 * JavaScript touches no packet: a run is four native calls whatever the packet count (new, statistics, wait, perhaps stop). Called by the CLI and by programs.
 */
import type { Machine } from '../stack/index.js';
import {
  CONTAINER_BLOCK,
  CURSOR_BYTES,
  fieldOffsets,
  MAX_VERDICTS,
  ModelTError,
  OPERATION_BLOCK,
  PRODUCER_BLOCK,
  parsePipeline,
  type Step,
} from '../stack/index.js';
import type { TraceInfo } from './captures/native-trace.js';
import { parsePrefix } from './mutation.js';
import { type NativeRun, type NativeRunConfig, type NativeRunResult, replayNative } from './native-run.js';
import { openPcapFile, type PcapFile } from './pcap-file.js';
import type { OperationResult, ReplayPlan, RunOutcome, RunSnapshot } from './plan-types.js';
import { nativeOf, type Trace } from './trace.js';

export interface ReplayRun {
  snapshot(): RunSnapshot;
  /** What is under way is drained; the outcome says `interrupted`. */
  stop(): void;
  /** Ends at once; readers see an aborted stream, and `outcome` rejects with ModelTError ABORTED (130). */
  abort(): void;
  readonly outcome: Promise<RunOutcome>;
}

export const RUN_SCHEMA_VERSION = '1.0.0';
/** Captured bytes plus FCS 4, preamble 8 and inter-packet gap 12 are what a wire would carry. */
export const WIRE_OVERHEAD_BYTES = 24;
const UNLIMITED = 2n ** 64n - 1n;
const SAMPLE_MS = 100;
/** At most this many samples are kept; then every second one is dropped and the interval doubles. */
const MAX_SAMPLES = 600;
/** Lines per packet that `--digest headers` covers: Ethernet, 8 VLAN tags or IPv6, and the transport header. */
const HEADER_LINES = 2;
/** A live trace may bring any frame; this ring takes frames of 512 KiB. */
const LIVE_RING_BYTES = 2 ** 20;

const PHASES = ['waiting', 'running', 'draining', 'done'] as const;

/** Reads of the statistics page by field name. */
class Statistics {
  readonly #words: BigUint64Array;
  constructor(page: ArrayBuffer) {
    this.#words = new BigUint64Array(page);
  }
  producer(field: string): number {
    return this.#at(0, PRODUCER_OFFSETS, field);
  }
  container(field: string): number {
    return this.#at(1, CONTAINER_OFFSETS, field);
  }
  operation(index: number, field: string, element = 0): number {
    return this.#at(2 + index, OPERATION_OFFSETS, field, element);
  }
  #at(block: number, offsets: Readonly<Record<string, number>>, field: string, element = 0): number {
    const offset = offsets[field];
    if (offset === undefined) throw new RangeError(`no statistics field ${field}`);
    return Number(this.#words[(block * CURSOR_BYTES + offset) / 8 + element]);
  }
}
const PRODUCER_OFFSETS = fieldOffsets(PRODUCER_BLOCK);
const CONTAINER_OFFSETS = fieldOffsets(CONTAINER_BLOCK);
const OPERATION_OFFSETS = fieldOffsets(OPERATION_BLOCK);

function slotBytes(length: number): number {
  return Math.ceil((2 + length) / 64) * 64 + 64;
}

/** The ring the run will have: an `auto` size grows to four of the largest slots, because bursts are quarters. */
function regionBytes(plan: ReplayPlan, trace: Trace, info: TraceInfo): number {
  if (plan.ringSizing === 'fixed') return plan.ringBytes;
  if (trace.live) return Math.max(plan.ringBytes, LIVE_RING_BYTES);
  return Math.max(plan.ringBytes, Math.ceil((4 * slotBytes(info.largest)) / 4096) * 4096);
}

function nativeConfig(plan: ReplayPlan, steps: readonly Step[], region: number, file: PcapFile | null): NativeRunConfig {
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
    unique: plan.unique,
    seed: BigInt(plan.seed),
    rewrites: plan.rewrites.map((rewrite) => parsePrefix(rewrite.cidr)),
    operations: steps.map((step) => ({ name: step.operation.name, parameter: step.parameter })),
  };
}

function refuseImpossible(plan: ReplayPlan, trace: Trace, info: TraceInfo): void {
  const what = plan.inputs.map((input) => (input === '-' ? 'standard input' : input)).join(', ');
  if (!trace.live && info.packets === 0) {
    throw new ModelTError('TRACE_EMPTY', `${what}: no packet to replay`, 2, 'Give a capture that holds packets');
  }
  if (!trace.live) return;
  if (plan.payload === 'resident') {
    throw new ModelTError('LIVE_RESIDENT', '--payload resident needs the whole capture first', 2, 'Save the stream to a file');
  }
  if (plan.threads > 1) {
    throw new ModelTError(
      'LIVE_THREADS',
      `--threads ${plan.threads} needs the whole capture first`,
      2,
      'Use one thread on a stream',
    );
  }
}

/** Starts the run. Throws ModelTError when it cannot start; `outcome` rejects with ModelTError when it breaks. */
export function startReplay(trace: Trace, plan: ReplayPlan, machine: Machine): ReplayRun {
  const info = trace.info();
  refuseImpossible(plan, trace, info);
  const steps = plan.target.kind === 'stack' ? parsePipeline(plan.pipeline).steps : [];
  const file = plan.target.kind === 'pcap' ? openPcapFile(plan.target.path, info) : null;
  let run: NativeRun;
  try {
    run = new (replayNative().Run)(nativeOf(trace), nativeConfig(plan, steps, regionBytes(plan, trace, info), file));
  } catch (error) {
    file?.discard();
    throw new ModelTError('RUN_IMPOSSIBLE', error instanceof Error ? error.message : String(error), 2);
  }
  /* A stream that breaks is not waited for: what came before it broke is the run. */
  trace.loaded.catch(() => run.stop());
  const statistics = new Statistics(run.statistics());
  const snapshot = (): RunSnapshot => takeSnapshot(plan, statistics, trace.info());
  const samples = new Sampler(snapshot);
  let aborted = false;
  const outcome = run.wait().then(
    (result) => {
      samples.end();
      if (aborted) {
        file?.discard();
        throw new ModelTError('ABORTED', 'Aborted before everything was drained; there is no result', 130);
      }
      return finish(trace, plan, machine, steps, statistics, samples, file, result);
    },
    (error: unknown) => {
      samples.end();
      file?.discard();
      throw error;
    },
  );
  outcome.catch(() => {}); /* a caller that aborts and looks no further is not an unhandled rejection */
  const abort = (): void => {
    aborted = true;
    run.abort();
  };
  return { snapshot, stop: () => run.stop(), abort, outcome };
}

function takeSnapshot(plan: ReplayPlan, statistics: Statistics, info: TraceInfo): RunSnapshot {
  const ours = plan.target.kind === 'stack' || plan.target.kind === 'pcap';
  const offered = statistics.producer('offered');
  const dropped = statistics.producer('dropped');
  const distance = statistics.producer('ring_distance');
  const started = statistics.producer('started_ns');
  const waiting = plan.target.kind === 'null' ? 0 : distance;
  const delivered = ours ? statistics.container('delivered') : Math.max(0, offered - dropped - waiting);
  const mean = info.packets > 0 ? info.bytes / info.packets : 0;
  return {
    phase: PHASES[statistics.producer('phase')] ?? 'done',
    offered,
    delivered,
    dropped: dropped + (ours ? statistics.container('lost') : 0),
    bytes: ours ? statistics.container('bytes') : Math.round(delivered * mean),
    laps: statistics.producer('laps'),
    failedReaders: statistics.producer('failed_readers'),
    seconds: started === 0 ? 0 : Math.max(0, statistics.producer('updated_ns') - started) / 1e9,
    ringDistance: ours ? Math.max(0, offered - dropped - delivered) : waiting,
  };
}

/** Keeps a bounded history of the run. */
class Sampler {
  readonly taken: RunSnapshot[] = [];
  #every = 1;
  #ticks = 0;
  readonly #timer: NodeJS.Timeout;
  constructor(snapshot: () => RunSnapshot) {
    this.#timer = setInterval(() => {
      if (this.#ticks++ % this.#every !== 0) return;
      this.taken.push(snapshot());
      if (this.taken.length < MAX_SAMPLES) return;
      this.taken.splice(0, this.taken.length, ...this.taken.filter((_, i) => i % 2 === 1));
      this.#every *= 2;
    }, SAMPLE_MS);
    this.#timer.unref();
  }
  end(): void {
    clearInterval(this.#timer);
  }
}

/** What the readers of the target saw, counted at the consumer. */
interface Account {
  readonly delivered: number;
  readonly lost: number;
  readonly bytes: number;
  readonly conserved: boolean;
  readonly digest: string | null;
}

function accountOf(plan: ReplayPlan, result: NativeRunResult): Account {
  const { offered, dropped, container } = result;
  const published = offered - dropped;
  const publishedBytes = result.offeredBytes - result.droppedBytes;
  if (container) {
    const conserved = container.delivered + container.lost === published;
    return { ...container, conserved };
  }
  if (plan.target.kind === 'null') return { delivered: published, lost: 0, bytes: publishedBytes, conserved: true, digest: null };
  /* The run is judged by the readers that were there from the first packet; one that came later answers for its share only. */
  const whole = result.readers.filter((reader) => reader.offered === published);
  const delivered = Math.min(...whole.map((reader) => reader.delivered), published);
  const lost = Math.max(...whole.map((reader) => reader.lost), 0);
  const conserved =
    whole.length > 0
      ? result.readers.every((reader) => reader.state === 'drained' && reader.delivered + reader.lost === reader.offered)
      : offered === 0;
  /* External readers report packets only; with a lag reader's losses the bytes are the delivered share. */
  const bytes = published > 0 ? Math.round((publishedBytes * delivered) / published) : 0;
  return { delivered, lost, bytes, conserved, digest: null };
}

function droppedOf(result: NativeRunResult, account: Account): Record<string, number> {
  return {
    ...(result.dropped > 0 && { 'ring full (reader policy drop)': result.dropped }),
    ...(account.lost > 0 && { 'overwritten before it was read (reader policy lag)': account.lost }),
  };
}

function operationResults(plan: ReplayPlan, steps: readonly Step[], statistics: Statistics): OperationResult[] {
  return steps.map((step, index) => {
    const packets = statistics.operation(index, 'packets');
    const verdicts = step.operation.verdicts.slice(0, MAX_VERDICTS).map((name, verdict) => {
      return [name, statistics.operation(index, 'verdicts', verdict)] as const;
    });
    return {
      name: [step.operation.name, step.argument].filter(Boolean).join(' '),
      container: 0,
      core: plan.cores[plan.threads] ?? -1,
      variant: plan.isa,
      packets,
      calls: statistics.operation(index, 'calls'),
      cyclesPerPacket: packets > 0 ? statistics.operation(index, 'cycles') / packets : 0,
      verdicts: Object.fromEntries(verdicts.filter(([, value]) => value > 0)),
    };
  });
}

function stoppedBy(plan: ReplayPlan, result: NativeRunResult): RunOutcome['stopped'] {
  return result.stopped === 'end' && result.offered === plan.limit ? 'limit' : result.stopped;
}

function finish(
  trace: Trace,
  plan: ReplayPlan,
  machine: Machine,
  steps: readonly Step[],
  statistics: Statistics,
  samples: Sampler,
  file: PcapFile | null,
  result: NativeRunResult,
): RunOutcome {
  if (result.error !== '') {
    file?.discard();
    throw new ModelTError('RUN_FAILED', result.error, 4, 'What was delivered before is not complete; run it again');
  }
  const info = trace.info();
  const account = accountOf(plan, result);
  if (account.conserved && result.verifiedOk) file?.commit();
  else file?.discard(); /* a file known to be wrong gets no name */
  const { seconds } = result;
  const rate = (amount: number): number => (seconds > 0 ? amount / seconds : 0);
  return {
    schema: 'model-t/run',
    schemaVersion: RUN_SCHEMA_VERSION,
    plan,
    machine: { ...machine },
    engine: { name: 'native', isa: plan.isa, threads: plan.threads },
    trace: {
      packets: info.packets,
      bytes: info.bytes,
      unchanged: result.mutation.unchanged,
      periodLaps: result.mutation.periodLaps,
    },
    totals: {
      offered: result.offered,
      delivered: account.delivered,
      dropped: droppedOf(result, account),
      bytes: account.bytes,
      seconds,
      packetsPerSecond: rate(account.delivered),
      bitsPerSecond: rate(account.bytes * 8),
      wireBitsPerSecond: rate((account.bytes + WIRE_OVERHEAD_BYTES * account.delivered) * 8),
    },
    conserved: account.conserved,
    digest: account.digest,
    digestScope: plan.digest,
    verified: {
      laps: info.packets > 0 ? Math.floor(result.verifiedPackets / info.packets) : 0,
      packets: result.verifiedPackets,
      ok: result.verifiedOk,
    },
    stopped: stoppedBy(plan, result),
    operations: operationResults(plan, steps, statistics),
    rings: [
      {
        name: plan.target.kind === 'ring' ? plan.target.name : '',
        ...result.ring,
        readers: result.readers.map(({ pid, policy, delivered, lost, state }) => ({ pid, policy, delivered, lost, state })),
      },
    ],
    samples: samples.taken.map(({ seconds, delivered, bytes, ringDistance }) => ({
      seconds,
      packets: delivered,
      bytes,
      ringDistance,
    })),
  };
}

/**
 * The yardstick of the copying engine: memcpy of the trace's slots into a ring-sized region, burst by burst, on the same
 * kind of pages. Captured bytes per second. Blocks for `seconds`.
 */
export function measureTraceCopy(trace: Trace, ringBytes: number, seconds: number): number {
  return replayNative().measureTraceCopy(nativeOf(trace), ringBytes, seconds);
}
