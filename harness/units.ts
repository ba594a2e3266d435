/**
 * Numbers with units as users write them: counts, rates (decimal), sizes (binary), durations, CPU lists, weights.
 * All are free of case. Pure; each function throws a ModelTError that names the value and what would be right.
 */
import { ModelTError } from '../stack/index.js';

const RATE_PREFIX: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const SIZE_UNIT: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const SECONDS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  '': 1,
  m: 60,
  min: 60,
  h: 3600,
};

/** A quantity of packets or of bits per second. */
export interface Rate {
  readonly value: number;
  readonly unit: 'pps' | 'bps';
}

export function usageError(message: string, remedy: string): ModelTError {
  return new ModelTError('USAGE', message, 2, remedy);
}

/** Runs a parser and puts what the value belongs to, a flag for example, before its refusal. */
export function labelled<Value>(label: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ModelTError)
      throw new ModelTError(error.code, `${label}: ${error.message}`, error.exitCode, error.remedy);
    throw error;
  }
}

/** `10Gbps`, `5mpps`, `1.5 kbps`; prefixes are decimal. */
export function parseRate(text: string): Rate {
  const match = text.trim().match(/^(\d+(?:\.\d+)?)\s*([kmgt]?)(pps|bps)$/i);
  if (!match) throw usageError(`"${text}" is not a rate`, 'Write for example 10Gbps or 5Mpps');
  const prefix = RATE_PREFIX[(match[2] ?? '').toLowerCase()] ?? 1;
  return { value: Number(match[1]) * prefix, unit: (match[3] ?? '').toLowerCase() as Rate['unit'] };
}

/** Whole bytes: `4MiB`, `64k`, `1.5 GB`, `4096`; prefixes are binary with or without the i. */
export function parseSize(text: string): number {
  const match = text.trim().match(/^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i);
  const bytes = match ? Number(match[1]) * (SIZE_UNIT[(match[2] ?? '').toLowerCase()] ?? 1) : Number.NaN;
  if (!Number.isSafeInteger(bytes))
    throw usageError(`"${text}" is not a size in whole bytes`, 'Write for example 4MiB or 512KiB');
  return bytes;
}

/** Seconds: `10s`, `500ms`, `2m`, `1h`, `1us`; a bare number is seconds. Zero is refused. */
export function parseDuration(text: string): number {
  const match = text.trim().match(/^(\d+(?:\.\d+)?)\s*([a-zµ]*)$/i);
  const unit = match ? SECONDS[(match[2] ?? '').toLowerCase()] : undefined;
  const seconds = Number(match?.[1]) * (unit ?? Number.NaN);
  if (!(seconds > 0 && Number.isFinite(seconds))) {
    throw usageError(`"${text}" is not a duration`, 'Write for example 10s, 500ms, 2m or 1h');
  }
  return seconds;
}

/** A whole number within bounds, digits only (`1e3`, `0x10` and `1.0` are refused). */
export function parseCount(text: string, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
    throw usageError(`"${text}" is not a whole number ${range}`, 'Write digits only');
  }
  return value;
}

/** Seeds are 32 bits in plans. */
export function parseSeed(text: string): number {
  return parseCount(text, 0, 2 ** 32 - 1);
}

/** A part of the whole, `0.25` or `25%`. */
export function parseShare(text: string): number {
  const match = text.trim().match(/^(\d+(?:\.\d+)?)(%?)$/);
  const share = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (!(share >= 0 && share <= 1)) throw usageError(`"${text}" is not a share`, 'Write a number from 0 to 1, or a percentage');
  return share;
}

/** `0,2-3`: CPUs in the order given; none twice. */
export function parseCores(text: string): number[] {
  const cores: number[] = [];
  for (const part of text.split(',')) {
    const range = part.trim().match(/^(\d{1,5})(?:-(\d{1,5}))?$/);
    const first = Number(range?.[1]);
    const last = Number(range?.[2] ?? first);
    if (!range || last < first) throw usageError(`"${text}" is not a list of CPUs`, 'Write for example 0,2-3');
    for (let core = first; core <= last; core++) cores.push(core);
  }
  const twice = cores.find((core, index) => cores.indexOf(core) !== index);
  if (twice !== undefined) throw usageError(`CPU ${twice} is in "${text}" twice`, 'Name each CPU once');
  return cores;
}

/** `60:7,590:4,1514` as pairs; a weight left out is 1. */
export function parseWeights(text: string): [string, number][] {
  return text.split(',').map((part) => {
    const match = part.trim().match(/^([a-z0-9]+)(?::(\d{1,6}))?$/i);
    const weight = Number(match?.[2] ?? 1);
    if (!match || weight < 1)
      throw usageError(`"${part}" in "${text}" is not VALUE or VALUE:WEIGHT`, 'Write for example 60:7,590:4,1514:1');
    return [(match[1] ?? '').toLowerCase(), weight];
  });
}
