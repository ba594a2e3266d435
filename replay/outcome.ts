/** From what a native run says at its end to the outcome of a replay: the account of packets, rates, operations. For run.ts. */
import { MAX_VERDICTS, type Machine, ModelTError } from '../stack/index.js';
import type { NativeRunResult } from './native-run.js';
import type { OperationResult, ReplayPlan, RunOutcome, RunSnapshot } from './plan-types.js';
import { stackOf } from './stack-plan.js';
import type { Statistics } from './statistics.js';
import type { Trace } from './trace.js';

export const RUN_SCHEMA_VERSION = '1.2.0';
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

function operationResults(plan: ReplayPlan, statistics: Statistics): OperationResult[] {
  const stack = stackOf(plan);
  return (stack?.steps ?? []).map((step, index) => {
    const { variant = plan.isa, pass = -1 } = stack?.planned.choices[index] ?? {};
    const packets = statistics.operation(index, 'packets');
    const verdicts = step.operation.verdicts.slice(0, MAX_VERDICTS).map((name, verdict) => {
      return [name, statistics.operation(index, 'verdicts', verdict)] as const;
    });
    const timed = statistics.operation(index, 'timed_packets');
    return {
      name: step.text,
      container: 0,
      core: plan.cores[plan.threads] ?? -1,
      variant,
      ...(pass >= 0 && { pass }),
      packets,
      calls: statistics.operation(index, 'calls'),
      cyclesPerPacket: timed > 0 ? statistics.operation(index, 'cycles') / timed : 0,
      verdicts: Object.fromEntries(verdicts.filter(([, value]) => value > 0)),
    };
  });
}

function stoppedBy(plan: ReplayPlan, result: NativeRunResult): RunOutcome['stopped'] {
  return result.stopped === 'end' && result.offered === plan.limit ? 'limit' : result.stopped;
}

/** A native run that has ended, and what it was. */
export interface Finished {
  readonly trace: Trace;
  readonly plan: ReplayPlan;
  readonly machine: Machine;
  readonly engine: RunOutcome['engine'];
  readonly statistics: Statistics;
  readonly samples: readonly RunSnapshot[];
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

/** Throws ModelTError (exit code 4) for a run that failed. */
export function outcomeOf({ trace, plan, machine, engine, statistics, samples, result }: Finished): RunOutcome {
  if (result.error !== '') {
    throw new ModelTError('RUN_FAILED', result.error, 4, 'What was delivered before is not complete; run it again');
  }
  const info = trace.info();
  const account = accountOf(plan, result);
  return {
    schema: 'model-t/run',
    schemaVersion: RUN_SCHEMA_VERSION,
    plan,
    machine: { ...machine },
    engine,
    trace: { packets: info.packets, bytes: info.bytes, ...result.mutation },
    totals: totalsOf(result, account),
    conserved: account.conserved,
    digest: account.digest,
    digestScope: plan.digest,
    verified: {
      laps: info.packets > 0 ? Math.floor(result.verifiedPackets / info.packets) : 0,
      packets: result.verifiedPackets,
      ok: result.verifiedOk,
    },
    stopped: stoppedBy(plan, result),
    operations: operationResults(plan, statistics),
    rings: [
      {
        name: plan.target.kind === 'ring' ? plan.target.name : '',
        ...result.ring,
        readers: result.readers.map(({ pid, policy, delivered, lost, state }) => ({ pid, policy, delivered, lost, state })),
      },
    ],
    samples: samples.map(({ seconds, delivered, bytes, ringDistance }) => ({ seconds, packets: delivered, bytes, ringDistance })),
  };
}
