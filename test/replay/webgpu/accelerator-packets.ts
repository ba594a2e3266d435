/** Packets for accelerators: every verdict, then what chance makes of them. Only tests may import this. */
import type { NativePackets } from '../../../stack/index.js';
import { judgedPackets } from '../../helpers/packets.js';

let state = 11;
const below = (limit: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
};
const of = <Value>(values: readonly Value[]): Value => values[below(values.length)] as Value;

/** One piece of memory, frame by frame, with `gap(i)` bytes of noise before frame i. */
export function packed(frames: readonly Uint8Array[], gap: (index: number) => number = () => 0): NativePackets {
  const offsets = new Uint32Array(frames.length);
  const lengths = Uint32Array.from(frames, ({ length }) => length);
  let used = 0;
  for (const [index, { length }] of frames.entries()) {
    used += gap(index);
    offsets[index] = used;
    used += length;
  }
  const bytes = new Uint8Array(used + 8).fill(0xff);
  for (const [index, frame] of frames.entries()) bytes.set(frame, offsets[index]);
  return { bytes, offsets, lengths };
}

/** In slots of whole words, two bytes behind their start. */
export function inSlots(frames: readonly Uint8Array[]): NativePackets {
  let used = 0;
  return packed(frames, (index) => {
    const before = frames[index - 1]?.length ?? 0;
    used += before;
    const start = Math.ceil(used / 4) * 4 + 2;
    const gap = start - used;
    used = start;
    return gap;
  });
}

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (const [index, byte] of bytes.entries()) total += index % 2 === 0 ? byte * 256 : byte;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** IPv6 behind up to two tags, extension headers, and a UDP or TCP segment whose checksum is right. */
export function extended(): Uint8Array {
  const protocol = of([17, 17, 6]);
  const segment = Buffer.from(Array.from({ length: (protocol === 6 ? 20 : 8) + below(80) }, () => below(256)));
  if (protocol === 17) segment.writeUInt16BE(segment.length, 4);
  const kinds = Array.from({ length: below(4) }, () => of([0, 43, 60, 44, 51]));
  const chain = kinds.map((kind, index) => {
    const bytes = kind === 51 ? 4 * (2 + below(4)) : 8 * (1 + (kind === 44 ? 0 : below(3)));
    const header = Buffer.from(Array.from({ length: bytes }, () => of([0, 0, 1, 0xc9, 4])));
    header[0] = kinds[index + 1] ?? protocol;
    header[1] = kind === 51 ? bytes / 4 - 2 : bytes / 8 - 1;
    if (kind === 43) header[3] = of([0, 0, 2]);
    if (kind === 44) header.writeUInt16BE(of([0, 0, 1, 8, 0x0a01]), 2);
    if (kind === 60 && below(3) > 0) header.fill(0, 2);
    return header;
  });
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(Buffer.concat(chain).length + segment.length, 4);
  header[6] = kinds[0] ?? protocol;
  for (let at = 8; at < 40; at++) header[at] = below(256);
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(segment.length, 0);
  pseudo[7] = protocol;
  const at = protocol === 17 ? 6 : 16;
  segment.writeUInt16BE(0, at);
  segment.writeUInt16BE(~sum(Buffer.concat([header.subarray(8), pseudo, segment])) & 0xffff, at);
  const tags = Array.from({ length: below(3) }, () =>
    Buffer.from([
      ...of([
        [0x81, 0],
        [0x88, 0xa8],
        [0x91, 0],
      ]),
      0,
      7,
    ]),
  );
  return Buffer.concat([Buffer.alloc(12, 5), ...tags, Buffer.from([0x86, 0xdd]), header, ...chain, segment]);
}

/** `frame` with bytes changed, cut, lengthened up to 1600 bytes, or tagged. */
export function mutated(frame: Uint8Array): Uint8Array {
  let made = Buffer.from(frame);
  if (below(4) === 0) made = Buffer.concat([made, Buffer.alloc(below(1600 - Math.min(1599, made.length)))]);
  if (below(4) === 0) made = made.subarray(0, below(made.length + 1));
  if (below(4) === 0)
    made = Buffer.concat([
      made.subarray(0, 12),
      Buffer.from([
        ...of([
          [0x81, 0],
          [0x92, 0],
        ]),
        0,
        9,
      ]),
      made.subarray(12),
    ]);
  for (let change = below(4); change > 0 && made.length > 0; change--)
    made[below(Math.min(made.length, 90))] = of([0, 255, 6, 17, below(256)]);
  return made;
}

/** IPv4 with options that are cut: the header is longer than what was captured, and its total length is not. */
function cutOptions(): Uint8Array {
  const frame = Buffer.alloc(14 + 20 + below(40), 1);
  frame.set([8, 0, 0x4f, 0, 0, 200], 12);
  return frame;
}

/** Every verdict, and `count` packets more. */
export function manyFrames(count: number): Uint8Array[] {
  const judged: Uint8Array[] = judgedPackets().map(({ frame }) => frame);
  const more = Array.from({ length: count }, () => {
    const frame = below(2) === 0 ? extended() : of(judged);
    return below(4) === 0 ? frame : mutated(frame);
  });
  return [
    ...judged,
    ...more,
    cutOptions(),
    cutOptions(),
    ...[0, 1, 13, 14, 15, 33, 34, 53, 54, 1600].map((length) => new Uint8Array(length).fill(8)),
  ];
}
