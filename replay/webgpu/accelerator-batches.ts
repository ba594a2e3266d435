/**
 * Packets in memory, cut into batches that fit a device's buffers. Frames go into slots of whole words, two bytes behind the
 * start of a word, as in a ring: where they lie so already, a batch is one piece of memory and nothing is copied here. Pure.
 * Used by accelerator-program.ts.
 */
import { FRAME_OFFSET, ModelTError, type NativePackets } from '../../stack/index.js';

export interface BatchLimits {
  readonly bytes: number;
  readonly packets: number;
}

export interface Batch {
  /** Number of its first packet. */
  readonly first: number;
  readonly count: number;
  /** Of its slots: a multiple of 4. */
  readonly bytes: number;
  /** Where they lie in the packets' memory; -1 = they must be made. */
  readonly from: number;
}

/** Gaps between slots are uploaded as well: above this many bytes for one of packets, copying packets is less. */
const MOST_SPREAD = 4;

const slotBytes = (length: number): number => (FRAME_OFFSET + length + 3) & ~3;

/** Throws ModelTError when a packet alone does not fit. */
export function cutBatches({ bytes, offsets, lengths }: NativePackets, limits: BatchLimits): Batch[] {
  const batches: Batch[] = [];
  for (let first = 0; first < lengths.length; ) {
    const from = (offsets[first] ?? 0) - FRAME_OFFSET;
    let packed = 0;
    let end = from;
    let inPlace = true;
    let count = 0;
    for (; first + count < lengths.length && count < limits.packets; count++) {
      const offset = offsets[first + count] ?? 0;
      const slot = slotBytes(lengths[first + count] ?? 0);
      if (slot > limits.bytes) throw tooLong(first + count, lengths[first + count] ?? 0, limits);
      const start = offset - FRAME_OFFSET;
      const stays: boolean = inPlace && (offset & 3) === FRAME_OFFSET && start >= end && start + slot <= bytes.length;
      const spread = start + slot - from;
      const fits = packed + slot <= limits.bytes && !(stays && spread > limits.bytes && spread <= MOST_SPREAD * packed);
      if (!fits) break;
      inPlace = stays;
      packed += slot;
      end = start + slot;
    }
    const isPiece = inPlace && end - from <= Math.min(limits.bytes, MOST_SPREAD * packed);
    batches.push({ first, count, bytes: isPiece ? end - from : packed, from: isPiece ? from : -1 });
    first += count;
  }
  return batches;
}

function tooLong(packet: number, length: number, { bytes }: BatchLimits): ModelTError {
  const remedy = 'Run the pipeline on the CPU: leave out @wgsl';
  return new ModelTError(
    'ACCELERATOR_PACKET',
    `Packet ${packet} of ${length} bytes is beyond the ${bytes} of a batch`,
    3,
    remedy,
  );
}

/** Slots of the batch, and for each packet where its frame begins in them, and its length. */
export function fillBatch(
  { bytes, offsets, lengths }: NativePackets,
  { first, count, bytes: size, from }: Batch,
  places: Uint32Array,
): Uint8Array {
  const slots = from >= 0 ? bytes.subarray(from, from + size) : new Uint8Array(size);
  let at = FRAME_OFFSET;
  for (let index = 0; index < count; index++) {
    const offset = offsets[first + index] ?? 0;
    const length = lengths[first + index] ?? 0;
    places[index * 2] = from >= 0 ? offset - from : at;
    places[index * 2 + 1] = length;
    if (from >= 0) continue;
    slots.set(bytes.subarray(offset, offset + length), at);
    at += slotBytes(length);
  }
  return slots;
}
