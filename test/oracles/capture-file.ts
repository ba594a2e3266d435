/**
 * A second, deliberately plain reading of capture files, so that the product's readers are not their own judge: pcap in
 * both byte orders and both resolutions, pcapng with its three packet blocks, either of them in gzip. Whole records only;
 * a cut tail ends the list. Times are not read. And a writer of frames for other tools to judge. Only tests may import this.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export interface CapturedPacket {
  readonly linkType: number;
  readonly data: Buffer;
}

export function readCapture(path: string): readonly CapturedPacket[] {
  const file = readFileSync(path);
  const content = file.length > 2 && file.readUInt16BE(0) === 0x1f8b ? gunzipSync(file) : file;
  if (content.length >= 4 && content.readUInt32BE(0) === 0x0a0d0d0a) return [...pcapngPackets(content)];
  return [...pcapPackets(content)];
}

const PCAP_MAGICS = new Set([0xa1b2c3d4, 0xa1b23c4d]);

function* pcapPackets(content: Buffer): Generator<CapturedPacket> {
  if (content.length < 24) return;
  const little = PCAP_MAGICS.has(content.readUInt32LE(0));
  if (!little && !PCAP_MAGICS.has(content.readUInt32BE(0))) return;
  const word = wordReader(content, little);
  const linkType = word(20) & 0xffff;
  for (let at = 24; at + 16 <= content.length; ) {
    const end = at + 16 + word(at + 8);
    if (end > content.length) return;
    yield { linkType, data: content.subarray(at + 16, end) };
    at = end;
  }
}

function* pcapngPackets(content: Buffer): Generator<CapturedPacket> {
  let word = wordReader(content, true);
  let half = halfReader(content, true);
  let interfaces: { linkType: number; snapLength: number }[] = [];
  for (let at = 0; at + 12 <= content.length; ) {
    if (content.readUInt32BE(at) === 0x0a0d0d0a) {
      const little = content.readUInt32LE(at + 8) === 0x1a2b3c4d;
      word = wordReader(content, little);
      half = halfReader(content, little);
      interfaces = [];
    }
    const type = word(at);
    const length = word(at + 4);
    if (length < 12 || at + length > content.length) return;
    const linkOf = (index: number) => interfaces[index]?.linkType ?? -1;
    if (type === 1) interfaces.push({ linkType: half(at + 8), snapLength: word(at + 12) });
    if (type === 6) yield { linkType: linkOf(word(at + 8)), data: content.subarray(at + 28, at + 28 + word(at + 20)) };
    if (type === 2) yield { linkType: linkOf(half(at + 8)), data: content.subarray(at + 28, at + 28 + word(at + 20)) };
    if (type === 3) {
      const snapLength = interfaces[0]?.snapLength || 0xffff_ffff;
      yield { linkType: linkOf(0), data: content.subarray(at + 12, at + 12 + Math.min(word(at + 8), snapLength, length - 16)) };
    }
    at += length;
  }
}

/** Ethernet frames as a pcap, times all zero. */
export function writeFrames(path: string, frames: readonly Buffer[]): void {
  const chunks = [words(0xa1b2c3d4, 0x0004_0002, 0, 0, 262144, 1)];
  for (const frame of frames) chunks.push(words(0, 0, frame.length, frame.length), frame);
  writeFileSync(path, Buffer.concat(chunks));
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4);
  return bytes;
}

const wordReader = (content: Buffer, little: boolean) => (at: number) =>
  little ? content.readUInt32LE(at) : content.readUInt32BE(at);
const halfReader = (content: Buffer, little: boolean) => (at: number) =>
  little ? content.readUInt16LE(at) : content.readUInt16BE(at);
