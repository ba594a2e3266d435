/** What a figure is held to, and whether it holds: of benchmarks that judge themselves. Pure. */
import { type Spread, spread } from './comparison.js';

export interface Bar {
  readonly what: string;
  readonly unit: string;
  readonly bound: number;
  readonly atMost: boolean;
  readonly value: Spread;
  readonly isMet: boolean;
}

/** Judged by the median. No value is no figure, and meets nothing. */
export function barOf(what: string, unit: string, bound: number, values: readonly number[], atMost = false): Bar {
  const value = spread(values);
  return { what, unit, bound, atMost, value, isMet: atMost ? value.median <= bound : value.median >= bound };
}

export function barLines(bars: readonly Bar[]): string[] {
  return bars.map(({ what, unit, bound, atMost, value, isMet }) => {
    const range = `${value.minimum.toFixed(2)}–${value.maximum.toFixed(2)}`;
    const bar = `bar: ${atMost ? 'at most' : 'at least'} ${bound}`;
    return `${isMet ? 'met   ' : 'MISSED'} ${what}: ${value.median.toFixed(2)}${unit === '' ? '' : ` ${unit}`} (${range}); ${bar}`;
  });
}
