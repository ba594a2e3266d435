/** What fills a queue: made-up traffic of one size or a mix, or a capture. Touches the capture through the door of replay. */
import { FRAME_OFFSET, type NativePackets } from '../../stack/index.js';
import type { Context } from '../context.js';
import { DEFAULT_SPEC, generateCapture, type TrafficSpec } from '../generate.js';
import { usageError } from '../units.js';
import type { FrameSize } from './replay-cells.js';

/** A frame size, or the path of a capture. */
export type FrameSource = FrameSize | { readonly capture: string };

/** Enough different packets that nothing learns them, few enough to be made in 0.1 s. */
const DIFFERENT_PACKETS = 4096;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const SMALLEST_FRAME = 60;
const LARGEST_FRAME = 9216;
const LINE_BYTES = 64;
/** What 32-bit offsets reach. */
const MOST_QUEUE_BYTES = 2 ** 32 - LINE_BYTES;

export function parseFrameSource(text: string): FrameSource {
  if (text === 'imix') return 'imix';
  if (!/^\d+$/.test(text)) return { capture: text };
  const size = Number(text);
  if (size >= SMALLEST_FRAME && size <= LARGEST_FRAME) return size;
  throw usageError(
    `frames of ${text} bytes cannot be made`,
    `Use ${SMALLEST_FRAME} to ${LARGEST_FRAME}, imix, or a capture file`,
  );
}

export function frameLabel(source: FrameSource): string {
  return typeof source === 'object' ? source.capture : source === 'imix' ? 'IMIX' : `${source} B`;
}

/** Half UDP, half TCP, from 256 hosts in 1024 flows, the same bytes every time. */
export async function packetsFrom(source: FrameSource, context: Context): Promise<NativePackets> {
  if (typeof source !== 'object') return generatedPackets(source);
  const trace = await context.replay.openTrace([source.capture]);
  try {
    await trace.loaded;
    const packets = context.replay.tracePackets(trace);
    if (packets.lengths.length === 0) throw usageError(`${source.capture} holds no packets`, 'Name another capture');
    return packets;
  } finally {
    trace.close();
  }
}

/** The sample that operations are calibrated with: a mix of sizes. */
export const calibrationPackets = (): NativePackets => generatedPackets('imix', 512);

/** Bytes from slot to slot as packet_queue.cc lays them: two bytes, the frame, to an odd number of lines. */
export function slotBytes(length: number): number {
  return (Math.ceil((length + FRAME_OFFSET) / LINE_BYTES) | 1) * LINE_BYTES;
}

/** A queue of `count` packets as the native one is laid, in memory that a device can be given. */
export function queueInMemory(set: NativePackets, count: number, stride: number): Required<NativePackets> {
  const different = set.lengths.length;
  const offsets = new Uint32Array(count);
  const lengths = new Uint32Array(count);
  const times = new BigUint64Array(count);
  let used = 0;
  for (let packet = 0; packet < count; packet++) {
    const from = packet % different;
    const length = set.lengths[from] ?? 0;
    offsets[packet] = used + FRAME_OFFSET;
    lengths[packet] = length;
    times[packet] = set.times?.[from] ?? BigInt(from) * 1000n;
    used += stride || slotBytes(length);
  }
  if (used > MOST_QUEUE_BYTES)
    throw usageError(`${count} packets take ${used} bytes; a device is given 4 GiB at most`, 'Use fewer packets');
  const bytes = new Uint8Array(used);
  for (let packet = 0; packet < count; packet++) {
    const at = set.offsets[packet % different] ?? 0;
    bytes.set(set.bytes.subarray(at, at + (lengths[packet] ?? 0)), offsets[packet]);
  }
  return { bytes, offsets, lengths, times };
}

export function generatedPackets(size: FrameSize, packets = DIFFERENT_PACKETS): NativePackets {
  const spec: TrafficSpec = {
    ...DEFAULT_SPEC,
    packets,
    ...(size !== 'imix' && { sizes: [[size, 1]] }),
    protocols: [
      ['udp', 1],
      ['tcp', 1],
    ],
  };
  const bytes = Buffer.concat([...generateCapture(spec)]);
  const offsets = new Uint32Array(spec.packets);
  const lengths = new Uint32Array(spec.packets);
  let at = FILE_HEADER_BYTES;
  for (let packet = 0; packet < spec.packets; packet++) {
    const length = bytes.readUInt32LE(at + 8);
    offsets[packet] = at + RECORD_HEADER_BYTES;
    lengths[packet] = length;
    at += RECORD_HEADER_BYTES + length;
  }
  return { bytes, offsets, lengths };
}
