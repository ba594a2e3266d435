/**
 * What the planner believes before anything was observed: cycles of hops, cache lines, source and intake. One home, so that a
 * calibration replaces all of it at once. Plain data; used by machine models and costs.
 */

/** Cycles per packet that a hand-over between two cores costs, by packets per burst; bursts descend. */
export type HopCurve = readonly (readonly [burst: number, cycles: number])[];

/** The nearest thing that two cores share. */
export const SHARING = ['core', 'l2', 'l3', 'none'] as const;
export type Sharing = (typeof SHARING)[number];

export interface Measurements {
  readonly hops: Readonly<Record<Sharing, HopCurve>>;
  /** Time of a step on a core whose other hardware thread is busy, over its time on a core of its own. */
  readonly smtFactor: number;
  /** Cycles for one 64-byte line of a packet out of the level where the core before left it, prefetched. */
  readonly lineCycles: Readonly<Record<Sharing, number>>;
  /** `perByte`: of captured bytes beyond 60. */
  readonly source: { readonly perPacket: number; readonly perByte: number };
  /** `perByte`: of the bytes that the digest covers. */
  readonly intake: { readonly perPacket: number; readonly perByte: number };
  /** Cycles per byte of rows that an expanding operation hands to another container. */
  readonly copyPerByte: number;
  /** Cycles of a header pass over those of its steps one by one: no column is written in between. */
  readonly passShare: number;
  /** Time during which intake stands still for a switch of placement. */
  readonly switchSeconds: number;
}

/** Private L2, shared L3, 2.4 to 2.6 GHz; 6, 14 and 70 cycles are a hop between two cores there. */
const HOP: HopCurve = [
  [256, 6],
  [32, 14],
  [8, 70],
];

export const DEFAULT_MEASUREMENTS: Measurements = {
  hops: { core: scaled(HOP, 0.3), l2: scaled(HOP, 0.5), l3: HOP, none: scaled(HOP, 2.5) },
  smtFactor: 1.6,
  lineCycles: { core: 0.5, l2: 1, l3: 3, none: 10 },
  source: { perPacket: 9.4, perByte: 0.055 },
  intake: { perPacket: 4, perByte: 0.075 },
  copyPerByte: 0.06,
  passShare: 0.6,
  switchSeconds: 100e-6,
};

function scaled(curve: HopCurve, factor: number): HopCurve {
  return curve.map(([burst, cycles]) => [burst, cycles * factor]);
}

/** Linear in 1/burst between the points: a hand-over has a part per burst. Level beyond the largest, one per burst below the smallest. */
export function hopCycles(curve: HopCurve, burst: number): number {
  const above = curve.findLast(([size]) => size >= burst);
  const below = curve.find(([size]) => size < burst);
  if (!above) return curve[0]?.[1] ?? 0;
  if (!below) return (above[1] * above[0]) / burst;
  const share = (1 / burst - 1 / above[0]) / (1 / below[0] - 1 / above[0]);
  return above[1] + share * (below[1] - above[1]);
}
