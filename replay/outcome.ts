/** From what a native run says at its end to the outcome of a replay: the account of packets, rates, operations. For run.ts. */
import { MAX_VERDICTS, type Machine, ModelTError } from '../stack/index.js';
import type { NativeRunResult } from './native-run.js';
import type { OperationResult, PlacementOutcome, ReplayPlan, RunOutcome, RunSnapshot } from './plan-types.js';
import { stackOf } from './stack-plan.js';
import type { Statistics } from './statistics.js';
import type { Trace } from './trace.js';

export const RUN_SCHEMA_VERSION = '1.3.0';
/** Captured bytes plus FCS 4, preamble 8 and inter-packet gap 12 are what a wire would carry. */
export const WIRE_OVERHEAD_BYTES = 24;

/** What the readers of the target saw, counted at the consumer. */
interface Account {
  readonly delivered: number;
  readonly lost: number;
  readonly bytes: number;
  readonly conserved: boolean;
  readonly digest: string | null;
}

function accountOf(plan: ReplayPlan, result: NativeRunResult): Account {
  const { offered, dropped, path } = result;
  const published = offered - dropped;
  const publishedBytes = result.offeredBytes - result.droppedBytes;
  if (path) {
    const conserved = path.delivered + path.lost === published;
    return { ...path, conserved };
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

/** One per operation and path: where it ran at the end, and what it did all along. */
function operationResults(plan: ReplayPlan, statistics: Statistics, placed: Placed): OperationResult[] {
  const stack = stackOf(plan);
  const paths = Array.from({ length: statistics.shape.paths }, (_, path) => path);
  return paths.flatMap((path) =>
    (stack?.steps ?? []).map((step, index) => {
      const { variant = plan.isa, pass = -1 } = stack?.planned.choices[index] ?? {};
      const verdicts = step.operation.verdicts.slice(0, MAX_VERDICTS).map((name, verdict) => {
        return [name, statistics.operation(path, index, 'verdicts', verdict)] as const;
      });
      const timed = statistics.operation(path, index, 'timed_packets');
      const container = placed.containerOf(path, index);
      return {
        name: step.text,
        container,
        core: placed.containers[container]?.cpu ?? -1,
        variant,
        ...(pass >= 0 && { pass }),
        packets: statistics.operation(path, index, 'packets'),
        calls: statistics.operation(path, index, 'calls'),
        cyclesPerPacket: timed > 0 ? statistics.operation(path, index, 'cycles') / timed : 0,
        verdicts: Object.fromEntries(verdicts.filter(([, value]) => value > 0)),
      };
    }),
  );
}

function containerResults(statistics: Statistics, { containers }: Placed): RunOutcome['containers'] {
  return containers.slice(0, statistics.shape.containers).map(({ name, cpu }, index) => {
    const busy = statistics.container(index, 'busy_cycles');
    const all = busy + statistics.container(index, 'idle_cycles');
    return {
      name,
      core: cpu,
      turns: statistics.container(index, 'turns'),
      idleTurns: statistics.container(index, 'idle_turns'),
      busy: all > 0 ? busy / all : 0,
    };
  });
}

function placementOutcome(statistics: Statistics, { outcome }: Placed): RunOutcome['placement'] {
  const longest = Array.from({ length: statistics.shape.paths }, (_, path) => statistics.path(path, 'longest_blocked_ns'));
  return {
    ...outcome,
    paths: statistics.shape.paths,
    switches: statistics.sumOfPaths('switches'),
    blockedSeconds: statistics.sumOfPaths('blocked_ns') / 1e9,
    longestBlockedSeconds: Math.max(0, ...longest) / 1e9,
    disordered: statistics.sumOfPaths('disordered'),
  };
}

function stoppedBy(plan: ReplayPlan, result: NativeRunResult): RunOutcome['stopped'] {
  return result.stopped === 'end' && result.offered === plan.limit ? 'limit' : result.stopped;
}

/** Where the parts of a run were. */
export interface Placed {
  readonly containers: readonly { readonly name: string; readonly cpu: number }[];
  /** Of an operation of a path, at the end. */
  containerOf(path: number, operation: number): number;
  readonly outcome: Pick<
    PlacementOutcome,
    'chosen' | 'why' | 'expected' | 'expectedPacketsPerSecond' | 'elements' | 'final' | 'actions'
  >;
}

/** A native run that has ended, and what it was. */
export interface Finished {
  readonly trace: Trace;
  readonly plan: ReplayPlan;
  readonly machine: Machine;
  readonly engine: RunOutcome['engine'];
  readonly statistics: Statistics;
  readonly samples: readonly RunSnapshot[];
  readonly placed: Placed;
  readonly result: NativeRunResult;
}

function totalsOf(result: NativeRunResult, account: Account): RunOutcome['totals'] {
  const { seconds } = result;
  const rate = (amount: number): number => (seconds > 0 ? amount / seconds : 0);
  return {
    offered: result.offered,
    delivered: account.delivered,
    dropped: droppedOf(result, account),
    bytes: account.bytes,
    seconds,
    packetsPerSecond: rate(account.delivered),
    bitsPerSecond: rate(account.bytes * 8),
    wireBitsPerSecond: rate((account.bytes + WIRE_OVERHEAD_BYTES * account.delivered) * 8),
  };
}

/**
 * One per lane; readers of a named ring are those of the one that there is. Readers do not say whose lane they were of: where one
 * was never let in, nobody knows which, and no ring is given another's.
 */
export function ringResults(
  plan: ReplayPlan,
  { rings, readers }: Pick<NativeRunResult, 'rings' | 'readers'>,
): RunOutcome['rings'] {
  const name = plan.target.kind === 'ring' ? plan.target.name : '';
  const readersOf = (index: number): NativeRunResult['readers'] => {
    if (rings.length === 1) return readers;
    return readers.length === rings.length ? readers.slice(index, index + 1) : [];
  };
  return rings.map((ring, index) => ({
    name,
    ...ring,
    readers: readersOf(index).map(({ pid, policy, delivered, lost, state }) => ({
      pid,
      policy,
      delivered,
      lost,
      state,
    })),
  }));
}

/** Throws ModelTError (exit code 4) for a run that failed. */
export function outcomeOf({ trace, plan, machine, engine, statistics, samples, placed, result }: Finished): RunOutcome {
  if (result.error !== '') {
    throw new ModelTError('RUN_FAILED', result.error, 4, 'What was delivered before is not complete; run it again');
  }
  const info = trace.info();
  const account = accountOf(plan, result);
  const placement = placementOutcome(statistics, placed);
  return {
    schema: 'model-t/run',
    schemaVersion: RUN_SCHEMA_VERSION,
    plan,
    machine: { ...machine },
    /* Each lane has producers of its own. */
    engine: { ...engine, threads: engine.threads * statistics.shape.paths },
    trace: { packets: info.packets, bytes: info.bytes, ...result.mutation },
    totals: totalsOf(result, account),
    conserved: account.conserved && placement.disordered === 0,
    digest: account.digest,
    digestScope: plan.digest,
    verified: {
      laps: info.packets > 0 ? Math.floor(result.verifiedPackets / info.packets) : 0,
      packets: result.verifiedPackets,
      ok: result.verifiedOk,
    },
    stopped: stoppedBy(plan, result),
    operations: operationResults(plan, statistics, placed),
    placement,
    containers: containerResults(statistics, placed),
    rings: ringResults(plan, result),
    samples: samples.map(({ seconds, delivered, bytes, ringDistance }) => ({ seconds, packets: delivered, bytes, ringDistance })),
  };
}
