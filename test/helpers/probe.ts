/**
 * Bursts for probes of operations (stack/native/binding_probe.cc): what a declaration says is read is as an operation in front
 * would leave it, all else is garbage, twice. Only tests may import this.
 */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Column, type NativePlaces, type NativeProbe, native, type Operation } from '../../stack/index.js';
import { judgedPackets } from './packets.js';

export const ROWS = 256;

/** Bytes of an element. */
export const WIDTHS: Readonly<Record<string, number>> = {
  ...{ lengths: 4, ends: 4, types: 2, transports: 2, classes: 2, networks: 1, protocols: 1, marks: 1, leaves: 1, slots: 1 },
  ...{ times: 8, payload_lengths: 4, streams: 8, stream_marks: 1, encodings: 1 },
};

/** Columns of the burst that a declared column stands for; of `frames` and `payloads` also the pointers. */
export function columnsOf(column: Column): string[] {
  if (column === 'frames') return [];
  if (column === 'payloads') return ['payload_lengths'];
  return column === 'streams' ? ['streams', 'stream_marks'] : [column];
}

const judged = judgedPackets().map(({ frame }) => frame);

/** Packets of test/helpers/packets.ts, most of them with a few bytes changed, some of them cut. */
export const anyPackets = fc.record({
  packets: fc.array(
    fc.record({
      base: fc.nat(judged.length - 1),
      edits: fc.array(fc.tuple(fc.nat(90), fc.oneof(fc.constantFrom(0, 1, 6, 8, 17, 0x45, 0x4f, 0x60, 0x81, 255), fc.nat(255))), {
        maxLength: 3,
      }),
      cut: fc.option(fc.nat(120), { freq: 5 }),
    }),
    { minLength: 1, maxLength: ROWS, size: 'max' },
  ),
  seed: fc.nat(),
});
export type Packets = typeof anyPackets extends fc.Arbitrary<infer Value> ? Value : never;

function frameOf({ base, edits, cut }: Packets['packets'][number]): Buffer {
  const frame = Buffer.from(judged[base] ?? []);
  for (const [at, value] of edits) if (at < frame.length) frame[at] = value;
  return cut === null ? frame : frame.subarray(0, cut);
}

/** xorshift32. */
export function randomOf(seed: number): (limit: number) => number {
  let state = (seed ^ 0x9e3779b9) | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
type Draw = ReturnType<typeof randomOf>;

const noise = (draw: Draw, bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, () => draw(256)));

/** Values that an operation which reads what it should not would stumble over; no offset so large that it leaves the place. */
function garbage(column: string, draw: Draw): Buffer {
  const width = WIDTHS[column] ?? 1;
  const bytes = Buffer.alloc(ROWS * width);
  for (let row = 0; row < ROWS; row++) {
    if (column === 'types') bytes.writeUInt16LE([0x0800, 0x86dd, draw(65536)][draw(3)] ?? 0, row * 2);
    else if (column === 'protocols') bytes[row] = [6, 17, 1, 58, 255, draw(256)][draw(6)] ?? 0;
    else if (column === 'networks' || column === 'marks' || column === 'stream_marks' || column === 'encodings')
      bytes[row] = draw(64);
    else if (width === 8) bytes.writeBigUInt64LE(BigInt(draw(2 ** 31)) * 1000n + 1n, row * 8);
    else if (width === 4) bytes.writeUInt32LE(draw(2048), row * 4);
    else if (width === 2) bytes.writeUInt16LE(draw(2048), row * 2);
    else bytes[row] = draw(256);
  }
  return bytes;
}

const identity = Buffer.from(Array.from({ length: ROWS }, (_, row) => row));

/** Frames as slots hold them: at least 62 readable bytes, to the end of a line. */
function slotOf(frame: Buffer, draw: Draw): Buffer {
  return Buffer.concat([frame, noise(draw, Math.ceil((frame.length + 2) / 64 || 1) * 64 - 2 - frame.length)]);
}

export function placesOf(places: readonly Uint8Array[]): NativePlaces {
  const sizes = new Uint32Array(ROWS);
  for (const [row, bytes] of places.entries()) sizes[row] = bytes.length;
  return { bytes: Buffer.concat(places), sizes };
}

/** The columns that eth, ip4 and ip6 make of the frames. */
function parsed(frames: readonly Buffer[], columns: Record<string, Buffer>): void {
  columns.protocols?.fill(255);
  columns.marks?.fill(0);
  for (const name of ['eth', 'ip4', 'ip6']) {
    const done = native.probeOperation({
      ...{ name, variant: 'scalar', parameter: 0, wants: 0, data: null, count: frames.length, columns },
      ...{ frames: placesOf(frames), payloads: placesOf([]), guarded: false, writable: false },
    });
    for (const column of Object.keys(columns)) columns[column] = Buffer.from((done?.[column] as Buffer | undefined) ?? []);
  }
}

const TEXTS = ['GET / HTTP/1.1\r\n', 'HTTP/1.1 200 OK\r\n', 'Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n', '\r\n'];
const TALK = [
  ...[...TEXTS, 'Content-Encoding: gzip\r\n', '5\r\nhello\r\n', '0\r\n\r\n', 'abc'].map((text) => Buffer.from(text, 'latin1')),
  gzipSync('hello hello hello'),
];

/** Pieces of streams, most of them of what HTTP says. */
function pieces(count: number, draw: Draw, columns: Record<string, Buffer>): Buffer[] {
  return Array.from({ length: count }, (_, row) => {
    const piece = draw(4)
      ? Buffer.concat(Array.from({ length: draw(5) }, () => TALK[draw(TALK.length)] ?? Buffer.alloc(0)))
      : noise(draw, draw(200));
    columns.payload_lengths?.writeUInt32LE(piece.length, row * 4);
    columns.streams?.writeBigUInt64LE(BigInt(draw(8)), row * 8);
    if (columns.stream_marks) columns.stream_marks[row] = [0, 0, 0, 1, 2, 4, 8, 16][draw(8)] ?? 0;
    if (columns.encodings) columns.encodings[row] = draw(4);
    return piece;
  });
}

export interface Argument {
  readonly parameter: number;
  readonly data: Uint8Array | null;
}

/** What texts of operations are tried with; for others `a` is good enough. */
const EXAMPLES: Readonly<Record<string, readonly string[][]>> = {
  bpf: [['tcp port 80 or vlan'], ['ip[8] < 64 and len > 60'], ['udp[4:2] = 48']],
  match: [['a'], ['hello', 'HTTP', '\x01\x02'], ['\x01']],
};

export function argumentsOf({ name, argument }: Operation): Argument[] {
  if (argument.kind === 'choice') return argument.choices.map(({ value }) => ({ parameter: value, data: null }));
  if (argument.kind === 'number') return [argument.min, argument.default ?? 3].map((parameter) => ({ parameter, data: null }));
  if (argument.kind === 'none') return [{ parameter: 0, data: null }];
  const refuse = (problem: string): never => {
    throw new Error(problem);
  };
  return (EXAMPLES[name] ?? [['a']]).map((texts) => ({ parameter: 0, data: argument.compile(texts, refuse) }));
}

/** Everything that an operation may look at is the same in both; everything else differs, as far as that is possible. */
export interface Pair {
  readonly one: NativeProbe;
  readonly two: NativeProbe;
}

/** With guards, only what may be touched is readable at all. */
export function pairOf(
  operation: Operation,
  what: Pick<NativeProbe, 'variant' | 'wants'> & Argument,
  given: Packets,
  guarded: boolean,
): Pair {
  const draw = randomOf(given.seed);
  const reads = [...operation.reads, ...(operation.readsIfWritten ?? [])];
  const frames = given.packets.map(frameOf);
  const meant: Record<string, Buffer> = Object.fromEntries(Object.keys(WIDTHS).map((column) => [column, garbage(column, draw)]));
  for (const [row, frame] of frames.entries()) meant.lengths?.writeUInt32LE(frame.length, row * 4);
  parsed(
    frames.map((frame) => slotOf(frame, draw)),
    meant,
  );
  const payloads = pieces(frames.length, draw, meant);
  const declared = new Set(['slots', ...reads.flatMap(columnsOf)]);
  const variantOf = (): NativeProbe => {
    const columns = Object.fromEntries(
      Object.entries(meant).map(([name, bytes]) => [
        name,
        name === 'slots' ? identity : declared.has(name) ? bytes : garbage(name, draw),
      ]),
    );
    const touched = (frame: Buffer): Buffer => {
      if (!reads.includes('frames')) return guarded ? Buffer.alloc(0) : noise(draw, 64);
      const known = frame.subarray(0, operation.bytesTouched ?? frame.length);
      const slot = Buffer.concat([known, slotOf(frame, draw).fill(draw(256), known.length, frame.length).subarray(known.length)]);
      return guarded && operation.bytesTouched !== null ? slot.subarray(0, operation.bytesTouched) : slot;
    };
    return {
      ...{ name: operation.name, ...what, count: frames.length, columns, guarded },
      frames: placesOf(frames.map(touched)),
      payloads: placesOf(
        payloads.map((piece) => (reads.includes('payloads') ? piece : guarded ? Buffer.alloc(0) : noise(draw, 64))),
      ),
      writable: operation.writesPacket !== 'no',
    };
  };
  return { one: variantOf(), two: variantOf() };
}
