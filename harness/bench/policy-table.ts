/** What `model-t bench policy` measures, and what it makes of the runs. Pure. Called by policy.ts. */
import type { RunOutcome } from '../../replay/index.js';
import type { ActionRecord } from '../../stack/index.js';
import { decimal } from '../format.js';
import { actionLine, placementText } from '../scheduler-report.js';
import { type Bar, barOf } from './bars.js';
import { alignedColumns, spread } from './comparison.js';
import type { PlacementSample } from './placement-cells.js';

/** What the scheduler reaches, of the best placement that is held, and by when it must have made its last move. */
const RATE_BAR = 0.95;
const MOVES_BAR_SECONDS = 2;

/** Scalar bodies are not joined to one pass, so that each can have a container of its own. */
const HEADERS = ['eth@scalar', 'ip4@scalar', 'udp@scalar'] as const;
const FILLERS = ['count', 'null', 'burn 10'] as const;

/** So many operations, the slow one in the middle, each a unit of its own. */
export function slowPipeline(operations: number, cycles: number): string {
  const middle = Math.max(HEADERS.length, operations >> 1);
  const names = Array.from({ length: operations }, (_, at) => {
    if (at === middle) return `burn ${cycles}`;
    return HEADERS[at] ?? (FILLERS[(at - HEADERS.length) % FILLERS.length] as string);
  });
  return names.join(' | ');
}

/** Everything in one container, then each cut into two. */
export function cutsOf(elements: number): number[][] {
  const cut = (at: number): number[] => Array.from({ length: elements }, (_, element) => (element < at ? 0 : 1));
  return [cut(elements), ...Array.from({ length: elements - 1 }, (_, at) => cut(at + 1))];
}

export interface FixedPlacement {
  readonly containers: readonly number[];
  readonly samples: PlacementSample[];
}

function medianRate({ samples }: FixedPlacement): number {
  return spread(samples.flatMap((sample) => (sample.kind === 'measured' ? [sample.packetsPerSecond] : []))).median;
}

/** Those that were measured, best first. */
export function withRates(fixed: readonly FixedPlacement[]): FixedPlacement[] {
  return fixed.filter((one) => !Number.isNaN(medianRate(one))).sort((a, b) => medianRate(b) - medianRate(a));
}

export interface PolicySample {
  /** In the last half of the run. */
  readonly packetsPerSecond: number;
  readonly final: readonly number[];
  /** Every action, moves or not. */
  readonly actions: readonly ActionRecord[];
  /** Seconds since the start of the run, 0 = nothing was moved. */
  readonly lastMove: number;
  readonly moves: number;
}

export function policySampleOf({ placement, samples, totals }: RunOutcome, from: readonly number[]): PolicySample {
  const moves = movesOf(placement.actions, from);
  return {
    packetsPerSecond: lateRate(samples) ?? totals.packetsPerSecond,
    final: placement.final.containers,
    actions: placement.actions,
    lastMove: moves.at(-1)?.seconds ?? 0,
    moves: moves.length,
  };
}

/** Actions after which elements lie elsewhere. Others change slices only; those at 0 chose a first placement that was not taken. */
function movesOf(actions: readonly ActionRecord[], from: readonly number[]): ActionRecord[] {
  let present = from.join();
  return actions.filter(({ placement, seconds }) => {
    if (seconds === 0 || !placement || placement.containers.join() === present) return false;
    present = placement.containers.join();
    return true;
  });
}

/** From the first sample in the last half to the last; null for a run that has no two. */
function lateRate(samples: RunOutcome['samples']): number | null {
  const last = samples.at(-1);
  const first = samples.find(({ seconds }) => last && seconds >= last.seconds / 2);
  if (!first || !last || !(last.seconds > first.seconds)) return null;
  return (last.packets - first.packets) / (last.seconds - first.seconds);
}

export interface PolicyMeasured {
  readonly elements: readonly string[];
  readonly fixed: readonly FixedPlacement[];
  readonly best: FixedPlacement;
  readonly worst: FixedPlacement;
  readonly rounds: readonly { readonly held: PolicySample; readonly scheduled: PolicySample }[];
}

export function policyBars({ rounds }: PolicyMeasured): Bar[] {
  const reached = rounds.map(({ held, scheduled }) => scheduled.packetsPerSecond / held.packetsPerSecond);
  const last = rounds.map(({ scheduled }) => scheduled.lastMove);
  return [
    barOf('rate in the last half, of the best placement that is held', 'x', RATE_BAR, reached),
    barOf('last move after', 's', MOVES_BAR_SECONDS, last, true),
  ];
}

function asPlacement(containers: readonly number[], elements: readonly string[]): string {
  return placementText({ containers, window: 1, sliceBursts: 1, fillPackets: 0, slices: 'horizontal' }, elements);
}

export function policyLines({ elements, fixed, best, worst, rounds }: PolicyMeasured): string[] {
  const rows = fixed.map((one) => {
    const { containers, samples } = one;
    const problem = samples.find((sample) => sample.kind !== 'measured');
    const rate = medianRate(one);
    return [
      one === best ? 'best' : one === worst ? 'worst' : '',
      Number.isNaN(rate) ? '-' : decimal(rate, 'pps'),
      (rate / medianRate(best)).toFixed(2),
      problem ? `${problem.kind}: ${problem.why}` : asPlacement(containers, elements),
    ];
  });
  const scheduled = rounds.flatMap(({ held, scheduled: { packetsPerSecond, final, actions, lastMove, moves } }, round) => [
    `round ${round + 1}, from the worst: ${moves} moves, the last after ${lastMove.toFixed(2)} s`,
    ...actions.map((action) => `  ${actionLine(action)}`),
    `  at the end ${asPlacement(final, elements)}: ${decimal(packetsPerSecond, 'pps')}, the best held ${decimal(held.packetsPerSecond, 'pps')}`,
  ]);
  return [...alignedColumns([['', 'median', 'of the best', 'held'], ...rows]), '', ...scheduled];
}
