/** Samples of interleaved rounds as medians and ratios, and as a table. Pure. */
import { decimal } from '../format.js';
import type { Cell, Sample } from './contender.js';

export interface Spread {
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
}

export interface CellResult {
  readonly cell: string;
  readonly capture: string;
  /** First ourselves, then the peers; each sample of one contender has the same round as that of another. */
  readonly contenders: readonly {
    readonly name: string;
    readonly command: readonly string[];
    readonly samples: readonly Sample[];
  }[];
  readonly bar?: Cell['bar'];
  /** Bytes per second of a plain copy of as many bytes, in the same rounds; empty where bytes are not what is moved. */
  readonly copyBytesPerSecond: readonly number[];
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { median, minimum: at(0), maximum: at(sorted.length - 1) };
}

/** Round by round, so that what slows the machine for a while slows both sides of a quotient. */
export function ratios(ours: readonly number[], theirs: readonly number[]): Spread {
  return spread(ours.slice(0, theirs.length).map((value, round) => value / (theirs[round] ?? Number.NaN)));
}

const packetRates = (samples: readonly Sample[]): number[] => samples.map(({ packetsPerSecond }) => packetsPerSecond);
const byteRates = (samples: readonly Sample[]): number[] => samples.map(({ bitsPerSecond }) => bitsPerSecond / 8);

export function summarize({ contenders, copyBytesPerSecond }: CellResult) {
  const [ours, ...peers] = contenders;
  const ourSamples = ours?.samples ?? [];
  return {
    packetsPerSecond: contenders.map(({ name, samples }) => ({ name, ...spread(packetRates(samples)) })),
    timesPeer: peers.map(({ name, samples }) => ({ name, ...ratios(packetRates(ourSamples), packetRates(samples)) })),
    partOfCopy: copyBytesPerSecond.length > 0 ? ratios(byteRates(ourSamples), copyBytesPerSecond) : null,
  };
}

/** Rows under a heading; the first contender of a cell is the one the others are compared with. */
export function table(results: readonly CellResult[]): string[] {
  const rows = [['job', 'contender', 'median', 'min–max', 'L2 median', 'Model-T is']];
  for (const result of results) {
    const { timesPeer, partOfCopy } = summarize(result);
    result.contenders.forEach(({ name, samples }, index) => {
      const rate = spread(packetRates(samples));
      const times = timesPeer[index - 1];
      rows.push([
        index === 0 ? `${result.cell} (${result.capture})` : '',
        name,
        decimal(rate.median, 'pps'),
        `${decimal(rate.minimum, 'pps')}–${decimal(rate.maximum, 'pps')}`,
        decimal(spread(byteRates(samples)).median * 8, 'bit/s'),
        times === undefined ? '' : `${times.median.toFixed(2)}× (${times.minimum.toFixed(2)}–${times.maximum.toFixed(2)})`,
      ]);
    });
    if (partOfCopy === null) continue;
    const percent = (value: number): string => `${(value * 100).toFixed(0)}`;
    rows.push([
      '',
      'memcpy of as many bytes',
      '',
      '',
      decimal(spread(result.copyBytesPerSecond).median * 8, 'bit/s'),
      `${percent(partOfCopy.median)} % (${percent(partOfCopy.minimum)}–${percent(partOfCopy.maximum)})`,
    ]);
  }
  return alignedColumns(rows);
}

/** The first row gives the columns. */
export function alignedColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
