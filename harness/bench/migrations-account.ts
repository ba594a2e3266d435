/** What `model-t bench migrations` makes of its two replays, and where it moves to. Pure. Called by migrations.ts. */
import type { RunOutcome } from '../../replay/index.js';
import { decimal, grouped } from '../format.js';
import { shuffled } from './replay-cells.js';

export interface MigrationAccount {
  readonly packetsPerSecond: number;
  readonly digest: string | null;
  /** Of those asked for. */
  readonly lost: number;
  /** Packets that `order` could say something about, and those that came too late. */
  readonly judged: number;
  readonly outOfOrder: number;
  /** Bursts that came to the end out of turn. */
  readonly disordered: number;
  readonly conserved: boolean;
  readonly verified: boolean;
}

export interface MigrationResult {
  readonly elements: readonly string[];
  readonly packets: number;
  readonly switches: number;
  /** Time during which intake stood still for a switch. */
  readonly blocked: { readonly averageSeconds: number; readonly longestSeconds: number };
  /** Without any switch. */
  readonly still: MigrationAccount;
  readonly moved: MigrationAccount;
}

export function migrationResult(still: RunOutcome, moved: RunOutcome, packets: number): MigrationResult {
  const { elements, switches, blockedSeconds, longestBlockedSeconds } = moved.placement;
  const averageSeconds = switches > 0 ? blockedSeconds / switches : 0;
  return {
    elements,
    packets,
    switches,
    blocked: { averageSeconds, longestSeconds: longestBlockedSeconds },
    still: accountOf(still, packets),
    moved: accountOf(moved, packets),
  };
}

function accountOf(
  { totals, digest, operations, placement, conserved, verified }: RunOutcome,
  packets: number,
): MigrationAccount {
  const orders = operations.filter(({ name }) => name.split(/[\s@]/, 1)[0] === 'order');
  const all = (verdict: string): number => orders.reduce((sum, { verdicts }) => sum + (verdicts[verdict] ?? 0), 0);
  return {
    packetsPerSecond: totals.packetsPerSecond,
    digest,
    lost: packets - totals.delivered,
    judged: all('in-order') + all('out-of-order'),
    outOfOrder: all('out-of-order'),
    disordered: placement.disordered,
    conserved,
    verified: verified.ok,
  };
}

/** In the order of the report; a run that shows nothing, because nothing moved or was judged, is not whole either. */
function findings({ moved, still, switches }: MigrationResult): readonly (readonly [boolean, string])[] {
  const { lost, judged, outOfOrder, disordered, conserved, verified, digest } = moved;
  const equal = digest !== null && digest === still.digest;
  return [
    [switches > 0, `switches: ${grouped(switches)}`],
    [lost === 0, `lost: ${grouped(lost)}`],
    [outOfOrder === 0 && judged > 0, `out of order: ${grouped(outOfOrder)} of ${grouped(judged)} that order has judged`],
    [disordered === 0, `disordered bursts: ${grouped(disordered)}`],
    [conserved, `conserved: ${conserved ? 'yes' : 'no'}`],
    [verified, `verified: ${verified ? 'yes' : 'no'}`],
    [judged === still.judged, `judged without any switch: ${grouped(still.judged)}`],
    [equal, `digest: ${digest ?? 'none'}, without any switch ${still.digest ?? 'none'}`],
  ];
}

export function isWhole(result: MigrationResult): boolean {
  return findings(result).every(([isRight]) => isRight);
}

const microseconds = (seconds: number): string => `${(1e6 * seconds).toFixed(0)} us`;

export function migrationLines(result: MigrationResult): string[] {
  const { elements, packets, blocked, moved, still } = result;
  return [
    `${grouped(packets)} packets through ${elements.join(', ')}`,
    `rate: ${decimal(moved.packetsPerSecond, 'pps')}, without any switch ${decimal(still.packetsPerSecond, 'pps')}`,
    `blocked: ${microseconds(blocked.averageSeconds)} each on average, ${microseconds(blocked.longestSeconds)} at most`,
    ...findings(result).map(([isRight, text]) => `${isRight ? 'right ' : 'WRONG '} ${text}`),
  ];
}

/** Ranges of elements by lot, in containers by lot; a range may be empty, so that everything may come to lie in one container. */
function randomContainers(elements: number, containers: number, random: () => number): number[] {
  const cuts = Array.from({ length: containers - 1 }, () => random() % elements);
  const order = shuffled(
    Array.from({ length: containers }, (_, container) => container),
    random,
  );
  return Array.from({ length: elements }, (_, element) => order[cuts.filter((cut) => cut <= element).length] as number);
}

/** Another placement than the present one: a switch to the same would show nothing. Of two containers or more. */
export function otherContainers(present: readonly number[], containers: number, random: () => number): number[] {
  for (;;) {
    const next = randomContainers(present.length, containers, random);
    if (next.some((container, element) => container !== present[element])) return next;
  }
}
