/**
 * The part of `model-t bench stack` that looks for things: filters against libpcap's own interpreter on the same program and
 * packets, and literal patterns over texts. Both interleave what they compare, natively and in this process.
 */
import { compilePatterns, filterBytecode, ModelTError } from '../../stack/index.js';
import type { Context } from '../context.js';
import { type Bar, barOf } from './bars.js';
import { matchPatterns, matchTexts } from './match-texts.js';
import { generatedPackets } from './queue-packets.js';

const FILTERS: readonly string[] = [
  'udp port 53',
  'tcp port 80 or udp port 443',
  'src net 10.0.0.0/17 and udp dst port 5060',
  'host 10.0.0.1 and not port 22',
  'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
];
/** How many patterns, and GB/s that are asked of them on one core. */
const PATTERNS: readonly (readonly [number, number])[] = [
  [1, 10],
  [10, 4],
  [100, 2],
  [1000, 1],
];
/** 128 texts of 1400 B: a second cache holds them. */
const TEXTS = 128;
const LIBPCAP_BAR = 3;
const GIGA = 1e9;

export interface Searches {
  readonly filters: readonly {
    readonly expression: string;
    readonly libpcap: number;
    readonly interpreter: number;
    readonly native: number;
  }[];
  readonly patterns: readonly {
    readonly patterns: number;
    readonly variant: string;
    readonly bytesPerSecond: number;
    readonly occurrences: number;
  }[];
}

/** Each filter and each set for `seconds`, `rounds` times. */
export async function measureSearches(seconds: number, rounds: number, context: Context, step: (what: string) => Promise<void>) {
  const packets = generatedPackets(60);
  const texts = matchTexts(TEXTS);
  const results: Searches[] = [];
  for (let round = 0; round < rounds; round++) {
    const filters: Searches['filters'][number][] = [];
    for (const expression of FILTERS) {
      await step(`filter ${expression}`);
      const { bytes, offsets, lengths } = packets;
      filters.push({ expression, ...context.native.bpfCompare(filterBytecode(expression), bytes, offsets, lengths, seconds) });
    }
    const patterns: Searches['patterns'][number][] = [];
    for (const [count] of PATTERNS) {
      await step(`${count} patterns`);
      const strings = matchPatterns(count).map((pattern) => Buffer.from(pattern).toString('latin1'));
      const blob = compilePatterns(strings, (problem, remedy) => {
        throw new ModelTError('PATTERNS_INVALID', problem, 2, remedy);
      });
      for (const { variant, bytesPerSecond, occurrences } of context.native.matchCompare(blob, texts, seconds)) {
        patterns.push({ patterns: count, variant, bytesPerSecond, occurrences });
      }
    }
    results.push({ filters, patterns });
  }
  return results;
}

/** Filters without libpcap have no bar here. */
export function searchBars(rounds: readonly Searches[], isa: string): Bar[] {
  const filters = FILTERS.map((expression, index) => {
    const ratios = rounds.map(({ filters: list }) => (list[index]?.native ?? 0) / (list[index]?.libpcap ?? 0));
    return barOf(`filter '${expression}' against libpcap's bpf_filter`, 'x', LIBPCAP_BAR, ratios);
  });
  const patterns = PATTERNS.map(([count, bound]) => {
    const rates = rounds.map(
      ({ patterns: list }) => (list.find((one) => one.patterns === count && one.variant === isa)?.bytesPerSecond ?? 0) / GIGA,
    );
    return barOf(`match, ${count} ${count === 1 ? 'pattern' : 'patterns'} over texts of 1400 B, one core`, 'GB/s', bound, rates);
  });
  return [...filters.filter(({ value }) => Number.isFinite(value.median)), ...patterns];
}
