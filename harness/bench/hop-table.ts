/** Samples of `model-t bench hop` as medians, a table, and bars. Pure. */
import type { NativeHopResult } from '../../stack/index.js';
import { type Bar, barOf } from './bars.js';
import { alignedColumns, type Spread, spread } from './comparison.js';
import type { PeerFigure } from './hop-peer.js';

export const RINGS = ['descriptors', 'stages'] as const;
export type HopRing = (typeof RINGS)[number];

/** Packets that are handed over at once; those of DPDK's measurement, as far as it has them. */
export const BURSTS = [8, 32, 64, 128, 256] as const;

/** A hop that costs more is not worth a second core. */
const BARS: readonly (readonly [number, number])[] = [
  [256, 6],
  [32, 14],
];

export interface HopCell {
  readonly ring: HopRing;
  readonly burst: number;
  /** One for each round. */
  readonly samples: readonly NativeHopResult[];
}

export interface HopMeasured {
  readonly cells: readonly HopCell[];
  /** One run of the peer for each round; empty without it. */
  readonly peer: readonly (readonly PeerFigure[])[];
}

export const cyclesOf = ({ samples }: HopCell): number[] => samples.map(({ cycles }) => cycles);

/** Those that every round has, in the order of the first; the same figure of all rounds together. */
export function peerFigures(rounds: HopMeasured['peer']): (Omit<PeerFigure, 'cycles'> & { readonly cycles: number[] })[] {
  const same = (one: PeerFigure, other: PeerFigure): boolean =>
    one.api === other.api && one.between === other.between && one.burst === other.burst;
  return (rounds[0] ?? []).flatMap(({ cycles: _cycles, ...what }) => {
    const all = rounds.flatMap((round) => round.filter((one) => same(one, { ...what, cycles: 0 })).slice(0, 1));
    return all.length === rounds.length ? [{ ...what, cycles: all.map(({ cycles }) => cycles) }] : [];
  });
}

export function hopTable({ cells, peer }: HopMeasured): string[] {
  const figures = peerFigures(peer);
  const columns = [...new Set(figures.map(({ api, between }) => `DPDK ${api}, ${between}`))];
  const headings = ['burst', ...RINGS.map((ring) => `Model-T ${ring}`), ...columns];
  const bursts = [...new Set([...cells.map(({ burst }) => burst), ...figures.map(({ burst }) => burst)])].sort((a, b) => a - b);
  const rows = bursts.map((burst) => [
    `${burst}`,
    ...RINGS.map((ring) => shown(cells.filter((cell) => cell.ring === ring && cell.burst === burst).flatMap(cyclesOf))),
    ...columns.map((column) =>
      shown(
        figures
          .filter((figure) => `DPDK ${figure.api}, ${figure.between}` === column && figure.burst === burst)
          .flatMap(({ cycles }) => cycles),
      ),
    ),
  ]);
  return alignedColumns([headings, ...rows]);
}

function shown(values: readonly number[]): string {
  if (values.length === 0) return '-';
  const { median, minimum, maximum }: Spread = spread(values);
  return `${median.toFixed(2)} (${minimum.toFixed(2)}–${maximum.toFixed(2)})`;
}

export function hopBars(cells: readonly HopCell[]): Bar[] {
  return RINGS.flatMap((ring) =>
    BARS.flatMap(([burst, bound]) => {
      const cell = cells.find((one) => one.ring === ring && one.burst === burst);
      return cell ? [barOf(`${ring}, bursts of ${burst}, cycles per packet`, '', bound, cyclesOf(cell), true)] : [];
    }),
  );
}
