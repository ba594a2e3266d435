/**
 * Numbers as users read them. Every rate names its layer: L2 is captured bytes, wire adds 24 B per packet (FCS 4, preamble 8,
 * gap 12). Pure.
 */
import { WIRE_OVERHEAD_BYTES } from '../replay/index.js';

const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1234567` as `1,234,567`. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `432.1 Mpps`, `96.3 Gbit/s`: three to four digits that mean something. */
export function decimal(value: number, unit: string): string {
  let power = 0;
  while (power < DECIMAL.length - 1 && value / 1000 ** power >= 999.95) power++;
  return `${(value / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${DECIMAL[power]}${unit}`;
}

/** `48 KiB`, `1.5 MiB`. */
export function binary(bytes: number): string {
  let power = 0;
  while (power < BINARY.length - 1 && bytes / 1024 ** power >= 1024) power++;
  const value = bytes / 1024 ** power;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${BINARY[power]}`;
}

/** `1 packet`, `2 packets`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `{arp: 2, fragment: 1}` as `arp 2, fragment 1`; empty text for an empty record. */
export function reasons(record: Readonly<Record<string, number>>): string {
  return Object.entries(record)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${grouped(count)}`)
    .join(', ');
}

export function sum(record: Readonly<Record<string, number>>): number {
  return Object.values(record).reduce((total, count) => total + count, 0);
}

/** Packets and bytes in some seconds as both rates, L2 first: `5.0 Mpps, 2.4 Gbit/s L2, 3.4 Gbit/s wire`. */
export function rates(packets: number, bytes: number, seconds: number): string {
  const wire = bytes + packets * WIRE_OVERHEAD_BYTES;
  return `${decimal(packets / seconds, 'pps')}, ${decimal((8 * bytes) / seconds, 'bit/s')} L2, ${decimal((8 * wire) / seconds, 'bit/s')} wire`;
}

/** What a user or a file name could hold, as one printable line: control characters (terminal escapes too) become `\xNN`. */
export function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s*\n\s*/g, '; ')
    .replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Rows of name and value, values aligned. */
export function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}`);
}
