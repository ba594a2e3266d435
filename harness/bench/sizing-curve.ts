/**
 * What `model-t bench sizing` makes of runs: throughput over time, when a ring that sizes itself came near the best fixed size,
 * and whether it stayed. Pure. Called by sizing.ts.
 */
import type { RunOutcome } from '../../replay/index.js';
import { binary, decimal } from '../format.js';
import { type Bar, barOf } from './bars.js';
import { alignedColumns, type Spread, spread } from './comparison.js';

/** A ring that sizes itself must have found its size by then; what fixed sizes reach is taken from then on as well. */
export const SETTLED_SECONDS = 1;
/** Of the best fixed size. */
const NEAR = 0.95;
/** Samples come every 100 ms; the last one of a run may lie closer, and says little. */
const SHORTEST_INTERVAL = 0.05;

/** Packets per second in the time up to `seconds` since the start, from the sample before. */
export interface CurvePoint {
  readonly seconds: number;
  readonly packetsPerSecond: number;
}

export interface SizingSample {
  readonly curve: readonly CurvePoint[];
  /** Bytes in use at the end. */
  readonly ringBytes: number;
  /** What the ring did about its size; as the result has them. */
  readonly events: RunOutcome['rings'][number]['events'];
}

export interface SizingCell {
  /** Who reads. */
  readonly scenario: string;
  /** As `--ring-size` takes it. */
  readonly ring: string;
  readonly samples: readonly SizingSample[];
}

export const isSelfSizing = ({ ring }: Pick<SizingCell, 'ring'>): boolean => ring.startsWith('auto');

export function curveOf(samples: RunOutcome['samples']): CurvePoint[] {
  const curve: CurvePoint[] = [];
  let before = { seconds: 0, packets: 0 };
  for (const { seconds, packets } of samples) {
    const interval = seconds - before.seconds;
    if (interval < SHORTEST_INTERVAL) continue;
    curve.push({ seconds, packetsPerSecond: (packets - before.packets) / interval });
    before = { seconds, packets };
  }
  return curve;
}

/** The ring that was written first is the one that readers saw. */
export function sizingSampleOf({ samples, rings }: Pick<RunOutcome, 'samples' | 'rings'>): SizingSample {
  const [ring] = rings;
  return { curve: curveOf(samples), ringBytes: ring?.finalBytes ?? Number.NaN, events: ring?.events ?? [] };
}

/** The median from SETTLED_SECONDS on; NaN for a run that was not so long. */
export function settledRate({ curve }: SizingSample): number {
  return spread(curve.filter(({ seconds }) => seconds > SETTLED_SECONDS).map((point) => point.packetsPerSecond)).median;
}

/** Seconds until the first interval at this rate or more was over; infinite = it never was. */
export function secondsTo(rate: number, { curve }: SizingSample): number {
  return curve.find(({ packetsPerSecond }) => packetsPerSecond >= rate)?.seconds ?? Number.POSITIVE_INFINITY;
}

/** Of the fixed sizes of a scenario the one with the highest median; null = there is none. */
export function bestFixed(cells: readonly SizingCell[]): { readonly ring: string; readonly packetsPerSecond: number } | null {
  const ranked = cells
    .filter((cell) => !isSelfSizing(cell) && cell.samples.length > 0)
    .map(({ ring, samples }) => ({ ring, packetsPerSecond: spread(samples.map(settledRate)).median }))
    .filter(({ packetsPerSecond }) => !Number.isNaN(packetsPerSecond))
    .sort((a, b) => b.packetsPerSecond - a.packetsPerSecond);
  return ranked[0] ?? null;
}

/** Some events hold a size. */
function changesOf({ events }: SizingSample): number {
  return events.filter(({ bytes }, index) => index > 0 && bytes !== events[index - 1]?.bytes).length;
}

export interface SizingSummary {
  readonly scenario: string;
  readonly ring: string;
  readonly packetsPerSecond: Spread;
  /** Of the best fixed size. */
  readonly ofBest: Spread;
  /** Until 95 % of the best fixed size's rate. */
  readonly seconds: Spread;
  readonly ringBytes: number;
  readonly changes: number;
}

export function summarizeSizing(cells: readonly SizingCell[]): SizingSummary[] {
  return cells.map(({ scenario, ring, samples }) => {
    const best = bestFixed(cells.filter((cell) => cell.scenario === scenario))?.packetsPerSecond ?? Number.NaN;
    const rates = samples.map(settledRate);
    return {
      scenario,
      ring,
      packetsPerSecond: spread(rates),
      ofBest: spread(rates.map((rate) => rate / best)),
      seconds: spread(samples.map((sample) => secondsTo(NEAR * best, sample))),
      ringBytes: spread(samples.map(({ ringBytes }) => ringBytes)).median,
      changes: spread(samples.map(changesOf)).median,
    };
  });
}

export function sizingTable(cells: readonly SizingCell[]): string[] {
  const rows = summarizeSizing(cells).map((row, index, all) => [
    all[index - 1]?.scenario === row.scenario ? '' : row.scenario,
    row.ring,
    decimal(row.packetsPerSecond.median, 'pps'),
    `${row.ofBest.median.toFixed(2)} (${row.ofBest.minimum.toFixed(2)}–${row.ofBest.maximum.toFixed(2)})`,
    Number.isFinite(row.seconds.median) ? `${row.seconds.median.toFixed(1)} s` : 'never',
    binary(row.ringBytes),
    `${row.changes}`,
  ]);
  const rate = `rate from ${SETTLED_SECONDS} s on`;
  return alignedColumns([['readers', 'ring', rate, 'of the best fixed', '95 % of it after', 'at the end', 'changes'], ...rows]);
}

/** A ring that sizes itself against the best fixed size: soon there, and there to stay. */
export function sizingBars(cells: readonly SizingCell[]): Bar[] {
  return cells.filter(isSelfSizing).flatMap(({ scenario, ring, samples }) => {
    const best = bestFixed(cells.filter((cell) => cell.scenario === scenario));
    if (best === null) return [];
    const named = `${scenario}, ${ring} against ${best.ring}`;
    const soon = samples.map((sample) => secondsTo(NEAR * best.packetsPerSecond, sample));
    const later = samples.map((sample) => settledRate(sample) / best.packetsPerSecond);
    return [barOf(`${named}: 95 % after`, 's', SETTLED_SECONDS, soon, true), barOf(`${named}: then`, 'x', NEAR, later)];
  });
}
