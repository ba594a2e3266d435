/** Samples of `model-t bench replay` as medians, a table, and a verdict per bar. Pure. */
import { decimal, oneLine } from '../format.js';
import { alignedColumns, ratios, type Spread, spread } from './comparison.js';
import { geometryLabel, type ReplayCell, sizeLabel } from './replay-cells.js';
import type { ReplaySample } from './replay-sample.js';

export interface MeasuredCell extends ReplayCell {
  readonly capture: string;
  /** Words after `model-t`. */
  readonly command: readonly string[];
  /** One per round, in that order. */
  readonly samples: readonly ReplaySample[];
}

export interface CellSummary {
  readonly packetsPerSecond: Spread;
  readonly bitsPerSecond: Spread;
  /** Captured bytes against those of a memcpy, round by round. */
  readonly partOfCopy: Spread;
  /** Bytes of slots against the plain copy loop's, round by round; null for the native engine, which uses no bus. */
  readonly partOfReadBack: Spread | null;
  readonly kernelShare: Spread | null;
  readonly threadShare: Spread | null;
}

export interface Bar {
  readonly adapter: string;
  readonly cell: string;
  readonly what: 'part of read-back' | 'kernel share';
  readonly bound: number;
  /** A median; null where the device does not say. */
  readonly value: number | null;
  readonly isMet: boolean;
}

/** The bars of a hardware GPU: frames of 512 bytes and up at nine tenths of what a plain copy loop reaches. */
const LEAST_BAR_FRAME = 512;
const LEAST_READ_BACK = 0.9;
const MOST_KERNEL = 0.1;

export function summarizeCell({ samples }: MeasuredCell): CellSummary {
  const gpu = samples.flatMap((sample) => (sample.gpu ? [sample.gpu] : []));
  const known = (values: readonly (number | null)[]): Spread | null => {
    const numbers = values.filter((value) => value !== null);
    return numbers.length > 0 ? spread(numbers) : null;
  };
  const copied = samples.map(({ slotBytesPerSecond }) => slotBytesPerSecond);
  const limits = gpu.map(({ readBackBytesPerSecond }) => readBackBytesPerSecond);
  return {
    packetsPerSecond: spread(samples.map(({ packetsPerSecond }) => packetsPerSecond)),
    bitsPerSecond: spread(samples.map(({ bitsPerSecond }) => bitsPerSecond)),
    partOfCopy: ratios(
      samples.map(({ bitsPerSecond }) => bitsPerSecond / 8),
      samples.map(({ copyBytesPerSecond }) => copyBytesPerSecond),
    ),
    partOfReadBack: gpu.length > 0 ? ratios(copied, limits) : null,
    kernelShare: known(gpu.map((sample) => sample.kernelShare)),
    threadShare: known(gpu.map((sample) => sample.threadShare)),
  };
}

const HEADINGS = [
  'frames',
  'engine',
  'batch × K',
  'median',
  'min–max',
  'L2 median',
  'of read-back',
  'of memcpy',
  'kernels',
  'JS',
];

export function replayTable(cells: readonly MeasuredCell[]): string[] {
  const rows = cells.map((cell, index) => {
    const { packetsPerSecond, bitsPerSecond, partOfCopy, partOfReadBack, kernelShare, threadShare } = summarizeCell(cell);
    return [
      cell.size === cells[index - 1]?.size ? '' : sizeLabel(cell.size),
      cell.adapter === null ? cell.engine : `${cell.engine}: ${oneLine(cell.adapter.name)}`,
      cell.geometry === null ? '' : geometryLabel(cell.geometry),
      decimal(packetsPerSecond.median, 'pps'),
      `${decimal(packetsPerSecond.minimum, 'pps')}–${decimal(packetsPerSecond.maximum, 'pps')}`,
      decimal(bitsPerSecond.median, 'bit/s'),
      percent(partOfReadBack, true),
      percent(partOfCopy, true),
      percent(kernelShare),
      percent(threadShare),
    ];
  });
  return alignedColumns([HEADINGS, ...rows]);
}

function percent(part: Spread | null, withRange = false): string {
  if (part === null) return '';
  const text = (value: number): string => (100 * value).toFixed(0);
  return `${text(part.median)} %${withRange ? ` (${text(part.minimum)}–${text(part.maximum)})` : ''}`;
}

/** For each hardware adapter and frame size that has a bar: the fastest of its geometries is held to it. */
export function barsOf(cells: readonly MeasuredCell[]): Bar[] {
  const judged = cells.filter(
    ({ size, adapter }) => adapter !== null && adapter.kind !== 'software' && size !== 'imix' && size >= LEAST_BAR_FRAME,
  );
  const rival = (one: MeasuredCell) => (other: MeasuredCell) =>
    other.size === one.size && other.adapter?.name === one.adapter?.name;
  const groups = judged.filter((cell) => judged.find(rival(cell)) === cell).map((first) => judged.filter(rival(first)));
  return groups.flatMap((group): Bar[] => {
    const rate = (cell: MeasuredCell): number => summarizeCell(cell).packetsPerSecond.median;
    const best = group.reduce((one, other) => (rate(other) > rate(one) ? other : one));
    const { partOfReadBack, kernelShare } = summarizeCell(best);
    const part = partOfReadBack?.median ?? null;
    const kernel = kernelShare?.median ?? null;
    const of = { adapter: best.adapter?.name ?? '', cell: best.name };
    return [
      { ...of, what: 'part of read-back', bound: LEAST_READ_BACK, value: part, isMet: part !== null && part >= LEAST_READ_BACK },
      { ...of, what: 'kernel share', bound: MOST_KERNEL, value: kernel, isMet: kernel !== null && kernel < MOST_KERNEL },
    ];
  });
}

export function barLines(bars: readonly Bar[]): string[] {
  return bars.map(({ cell, what, bound, value, isMet }) => {
    const bar = what === 'kernel share' ? `kernels below ${100 * bound} %` : `at least ${100 * bound} % of read-back`;
    const verdict = value === null ? 'unknown, the device has no timestamps' : `${isMet ? 'met' : 'MISSED'}`;
    return `bar: ${oneLine(cell)}: ${bar}: ${verdict}${value === null ? '' : ` with ${(100 * value).toFixed(1)} %`}`;
  });
}
