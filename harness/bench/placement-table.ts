/** Samples of `model-t bench placement` as medians, ratios to the best placement, and bars. Pure. */
import type { PlacementMode } from '../../stack/index.js';
import { decimal, oneLine } from '../format.js';
import { type Bar, barOf } from './bars.js';
import { alignedColumns, ratios, type Spread, spread } from './comparison.js';
import { type PlacementCell, type PlacementSample, placementName, type Work } from './placement-cells.js';

/** Auto may be so much slower than the best of the others. */
const AUTO_BAR = 0.95;
/** Median error of predictions, in percent. */
const PREDICTION_BAR = 15;

export interface MeasuredPlacement extends PlacementCell {
  readonly command: readonly string[];
  /** One for each round; of a refused placement one alone. */
  readonly samples: readonly PlacementSample[];
}

export interface PlacementSummary {
  readonly work: string;
  readonly mode: PlacementMode;
  readonly place?: readonly number[];
  /** Null: refused, or not one sample that can be believed. */
  readonly packetsPerSecond: Spread | null;
  readonly bitsPerSecond: number | null;
  /** Of the best placement of this pipeline, round by round. */
  readonly ofBest: Spread | null;
  /** What ran in the last round, or why nothing did. */
  readonly told: string;
}

/** By round; a round without a rate has none. */
const ratesOf = ({ samples }: MeasuredPlacement): number[] =>
  samples.map((sample) => (sample.kind === 'measured' ? sample.packetsPerSecond : Number.NaN));

const measuredRates = (cell: MeasuredPlacement): number[] => ratesOf(cell).filter((rate) => !Number.isNaN(rate));

/** By median rate; null = no placement of it was measured. */
function bestOf(cells: readonly MeasuredPlacement[]): MeasuredPlacement | null {
  const median = (cell: MeasuredPlacement): number => spread(measuredRates(cell)).median;
  const ranked = cells.filter((cell) => measuredRates(cell).length > 0).sort((a, b) => median(b) - median(a));
  return ranked[0] ?? null;
}

/** Of rounds in which both were measured. */
function ratiosTo(cell: MeasuredPlacement, best: MeasuredPlacement): Spread | null {
  const theirs = ratesOf(best);
  const pairs = ratesOf(cell).flatMap((rate, round) => {
    const other = theirs[round] ?? Number.NaN;
    return Number.isNaN(rate) || Number.isNaN(other) ? [] : [[rate, other] as const];
  });
  if (pairs.length === 0) return null;
  return ratios(
    pairs.map(([rate]) => rate),
    pairs.map(([, other]) => other),
  );
}

export function summarizePlacements(cells: readonly MeasuredPlacement[]): PlacementSummary[] {
  return cells.map((cell) => {
    const best = bestOf(cells.filter(({ work }) => work === cell.work));
    const rates = measuredRates(cell);
    const bits = cell.samples.flatMap((sample) => (sample.kind === 'measured' ? [sample.bitsPerSecond] : []));
    return {
      work: cell.work.name,
      mode: cell.mode,
      ...(cell.place && { place: cell.place }),
      packetsPerSecond: rates.length > 0 ? spread(rates) : null,
      bitsPerSecond: bits.length > 0 ? spread(bits).median : null,
      ofBest: best ? ratiosTo(cell, best) : null,
      told: toldOf(cell.samples),
    };
  });
}

/** A sample that cannot be believed is said, whatever the others were. */
function toldOf(samples: readonly PlacementSample[]): string {
  const unsound = samples.find((sample) => sample.kind === 'unsound');
  if (unsound) return `UNSOUND: ${oneLine(unsound.why)}`;
  const last = samples.at(-1);
  if (last === undefined) return '';
  return last.kind === 'measured' ? last.ran : `refused: ${oneLine(last.why)}`;
}

export function placementTable(cells: readonly MeasuredPlacement[]): string[] {
  const rows = summarizePlacements(cells).map((row, index, all) => {
    const { work, packetsPerSecond, bitsPerSecond, ofBest, told } = row;
    return [
      all[index - 1]?.work === work ? '' : work,
      placementName(row),
      packetsPerSecond === null ? '-' : decimal(packetsPerSecond.median, 'pps'),
      bitsPerSecond === null ? '-' : decimal(bitsPerSecond, 'bit/s'),
      ofBest === null ? '-' : `${ofBest.median.toFixed(2)} (${ofBest.minimum.toFixed(2)}–${ofBest.maximum.toFixed(2)})`,
      told,
    ];
  });
  return alignedColumns([['pipeline', 'placement', 'median', 'L2 median', 'of the best', 'what ran'], ...rows]);
}

/** Of each pipeline: auto against the best of the other modes. Auto without a rate meets nothing. */
export function placementBars(cells: readonly MeasuredPlacement[]): Bar[] {
  const works: Work[] = [...new Set(cells.map(({ work }) => work))];
  return works.flatMap((work) => {
    const own = cells.filter((cell) => cell.work === work && cell.place === undefined);
    const auto = own.find(({ mode }) => mode === 'auto');
    const best = bestOf(own.filter(({ mode }) => mode !== 'auto'));
    if (!auto || !best) return [];
    const theirs = ratesOf(best);
    const values = ratesOf(auto)
      .map((rate, round) => rate / (theirs[round] ?? Number.NaN))
      .filter((value) => !Number.isNaN(value));
    return [barOf(`${work.name}: auto against ${best.mode}`, 'x', AUTO_BAR, values)];
  });
}

/** Packets per second that somebody foretells for a placement of a pipeline; null = nothing is. */
export type Predict = (cell: MeasuredPlacement, cells: readonly MeasuredPlacement[]) => number | null;

/**
 * What the runs themselves expected, by costs measured before their first packet: the median over the rounds. A mode that takes
 * no such costs (fused) is foretold by the runs of the same pipeline that do.
 */
export const predictFromCosts: Predict = (cell, cells) => {
  const own = cell.samples.flatMap((sample) => (sample.kind === 'measured' ? [sample.expectedPacketsPerSecond] : []));
  const known = own.filter((rate) => rate !== null);
  if (known.length > 0) return spread(known).median;
  const others = cells.filter(({ work }) => work === cell.work).flatMap(({ samples }) => samples);
  const ofMode = others
    .flatMap((sample) => (sample.kind === 'measured' ? sample.expected : []))
    .filter(({ mode, packetsPerSecond }) => mode === cell.mode && packetsPerSecond > 0)
    .map(({ packetsPerSecond }) => packetsPerSecond);
  return ofMode.length > 0 ? spread(ofMode).median : null;
};

export interface Prediction {
  readonly work: string;
  readonly mode: PlacementMode;
  readonly place?: readonly number[];
  readonly predicted: number;
  readonly measured: number;
  /** Of what was measured: 0.1 = foretold a tenth too much, -0.1 = too little. */
  readonly error: number;
}

/** Of all placements that were measured and foretold. */
export function predictionsOf(cells: readonly MeasuredPlacement[], predict: Predict): Prediction[] {
  return cells.flatMap((cell) => {
    const { work, mode, place } = cell;
    const rates = measuredRates(cell);
    const predicted = predict(cell, cells);
    if (rates.length === 0 || predicted === null) return [];
    const measured = spread(rates).median;
    return [{ work: work.name, mode, ...(place && { place }), predicted, measured, error: predicted / measured - 1 }];
  });
}

export function predictionLines(predictions: readonly Prediction[]): string[] {
  if (predictions.length === 0) return [];
  const rows = predictions.map((row) => [
    row.work,
    placementName(row),
    decimal(row.predicted, 'pps'),
    decimal(row.measured, 'pps'),
    `${row.error < 0 ? '-' : '+'}${(100 * Math.abs(row.error)).toFixed(0)} %`,
  ]);
  return alignedColumns([['pipeline', 'placement', 'predicted', 'measured', 'error'], ...rows]);
}

/** By the median of what they are off by, whichever way. */
export function predictionBars(predictions: readonly Prediction[]): Bar[] {
  if (predictions.length === 0) return [];
  const errors = predictions.map(({ error }) => 100 * Math.abs(error));
  return [barOf(`predicted against measured, error of ${predictions.length} placements`, '%', PREDICTION_BAR, errors, true)];
}
