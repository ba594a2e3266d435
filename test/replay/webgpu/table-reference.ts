/**
 * What patch-ip4 and patch-ip6 must do, written down a second time from the layout of the tables and RFC 1624, with plain numbers
 * and no tricks; and random tables to hold the kernels to it.
 */
const LOW = (1n << 64n) - 1n;

export interface Bijection {
  readonly bits: number;
  readonly multiply1: bigint;
  readonly add1: bigint;
  readonly multiply2: bigint;
  readonly add2: bigint;
}

export interface Mutation {
  readonly four: Bijection;
  readonly prefix4: number;
  readonly six: Bijection;
  readonly prefix6: readonly [high: bigint, low: bigint];
  readonly seed: bigint;
}

export function permute({ bits, multiply1, add1, multiply2, add2 }: Bijection, number: bigint): bigint {
  const mask = (1n << BigInt(bits)) - 1n;
  let x = (number * multiply1 + add1) & mask;
  x ^= x >> BigInt(bits < 2 ? 1 : Math.ceil(bits / 2));
  return (x * multiply2 + add2) & mask;
}

/** The 32 words of `parameters`. */
export function parameterWords({ four, prefix4, six, prefix6, seed }: Mutation): Uint32Array {
  const words = new Uint32Array(32);
  const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
  const shift = (bits: number): number => (bits < 2 ? 1 : Math.ceil(bits / 2));
  const put64 = (at: number, value: bigint): void => words.set([Number(value & 0xffffffffn), Number(value >> 32n)], at);
  words.set([four.multiply1, four.add1, four.multiply2, four.add2, mask(four.bits)].map(Number));
  words.set([shift(four.bits), prefix4], 5);
  for (const [at, value] of [six.multiply1, six.add1, six.multiply2, six.add2, mask(six.bits)].entries())
    put64(8 + 2 * at, value);
  words[18] = shift(six.bits);
  words.set([swap32(Number(prefix6[0] >> 32n)), swap32(Number(prefix6[0] & 0xffffffffn))], 20);
  put64(22, prefix6[1]);
  put64(24, seed);
  return words;
}

export function swap32(x: number): number {
  return ((x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}

const halves = (word: number): number => (word & 0xffff) + (word >>> 16);

/** `known` is the checksum's half of the sums column; under the UDP rule it is stored as known mod 65535 + 1. */
function transport(stored: number, sum: number, isUdp: boolean): number {
  const checksum = fold((isUdp ? stored - 1 : stored) + sum) ^ 0xffff;
  return isUdp && checksum === 0 ? 0xffff : checksum;
}

function putHalf(image: Uint32Array, at: number, word: number, inUpper: boolean, half: number): void {
  image[at] = (inUpper ? (word & 0xffff) | (half << 16) : (word & 0xffff0000) | half) >>> 0;
}

export interface Row4 {
  readonly host: number;
  readonly fixed: number;
  readonly place: number;
  readonly kind: number;
  readonly sums: number;
  readonly extra: number;
}

/** Columns of rows; word 1 of a `place` of 0 is word 1 of the image. */
export function columns4(rows: readonly Row4[]): Record<'host4' | 'fixed4' | 'sums4' | 'place4' | 'extra4', Uint32Array> {
  const column = (of: (row: Row4) => number): Uint32Array => Uint32Array.from(rows, of);
  return {
    host4: column((row) => row.host),
    fixed4: column((row) => row.fixed),
    sums4: column((row) => row.sums),
    place4: column((row) => (row.place | (row.kind << 29)) >>> 0),
    extra4: column((row) => row.extra),
  };
}

export function patch4(image: Uint32Array, rows: readonly Row4[], mutation: Mutation, base: number): void {
  for (const { host, fixed, place, kind, sums, extra } of rows) {
    const number = BigInt((base + host) >>> 0);
    const address = swap32((mutation.prefix4 | Number(permute(mutation.four, number))) >>> 0);
    image[place] = ((fixed & 0xffff) | ((fold((fixed >>> 16) + halves(address)) ^ 0xffff) << 16)) >>> 0;
    image[place + 1] = address;
    if (kind === 0) continue;
    const distance = [0, 7, 4, extra & 0xff][kind] ?? 0;
    const inUpper = kind === 2 || (kind === 3 && (extra & 0x100) !== 0);
    const isUdp = kind === 2 || (kind === 3 && (extra & 0x200) !== 0);
    const stored = inUpper ? sums >>> 16 : sums & 0xffff;
    putHalf(image, place + distance, sums, inUpper, transport(stored, halves(address), isUdp));
  }
}

export interface Row6 {
  readonly host: number;
  readonly place: number;
  readonly follows: boolean;
  readonly sums: number;
  readonly distance: number;
  readonly inUpper: boolean;
  readonly isUdp: boolean;
}

export function table6(rows: readonly Row6[]): Uint32Array {
  return Uint32Array.from(
    rows.flatMap(({ host, place, follows, sums, distance, inUpper, isUdp }) => [
      host,
      (place | (follows ? 0x80000000 : 0)) >>> 0,
      sums,
      (distance | (inUpper ? 0x40000000 : 0) | (isUdp ? 0x80000000 : 0)) >>> 0,
    ]),
  );
}

export function patch6(image: Uint32Array, rows: readonly Row6[], mutation: Mutation, base: bigint): void {
  for (const { host, place, follows, sums, distance, inUpper, isUdp } of rows) {
    const low = mutation.prefix6[1] | permute(mutation.six, (base + BigInt(host)) & LOW);
    const parts = [mutation.prefix6[0] >> 32n, mutation.prefix6[0] & 0xffffffffn, low >> 32n, low & 0xffffffffn];
    const words = parts.map((part) => swap32(Number(part)));
    image.set(words, place);
    if (!follows) continue;
    const sum = halves(words[2] ?? 0) + halves(words[3] ?? 0);
    putHalf(image, place + distance, sums, inUpper, transport(inUpper ? sums >>> 16 : sums & 0xffff, sum, isUdp));
  }
}
