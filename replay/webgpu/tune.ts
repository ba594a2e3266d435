/**
 * What the device does best, found by trying: the shape of a dispatch, then bytes per batch and batches in flight. Each try is
 * the real thing without readers, patch, copy, map, for some milliseconds. Called once per run that is long enough to pay for it.
 */
import type { NativeBatch, NativeSegment } from '../native-run.js';
import type { OpenDevice } from './dawn.js';
import { ResidentFeed } from './feed.js';
import { isOutOfMemory } from './guarded.js';
import type { DispatchShape, Pipelines } from './pipelines.js';
import { createStaging, destroyStaging } from './staging.js';
import { Stopwatch } from './stopwatch.js';
import type { DeviceTile } from './tiles.js';

const MIB = 2 ** 20;
const SHAPE_MS = 15;
const BATCH_MS = 30;
/** Every candidate is tried this often, in turns, and judged by its best: what is not the device only ever slows it. */
const ROUNDS = 2;
/** Small and large; one packet per invocation suits hardware, 8 to 64 a software GPU with 4 lanes (SwiftShader: 27 to 36 Mpps). */
const SHAPES: readonly DispatchShape[] = [
  { workgroupSize: 64, packetsPerInvocation: 1 },
  { workgroupSize: 128, packetsPerInvocation: 4 },
  { workgroupSize: 128, packetsPerInvocation: 16 },
  { workgroupSize: 256, packetsPerInvocation: 16 },
  { workgroupSize: 256, packetsPerInvocation: 64 },
];
/** On a software GPU the JavaScript thread takes its CPUs: fewer and larger batches, or it takes a third of a core. */
const BATCH_SIZES = { software: [16 * MIB, 32 * MIB], hardware: [4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB] };
const BUFFER_COUNTS = { software: [2, 3], hardware: [2, 3, 4] };

export interface BatchChoice {
  readonly batchBytes: number;
  readonly buffers: number;
}

export interface Tried extends BatchChoice {
  readonly bytesPerSecond: number;
}

/** Where nobody measures. A discrete GPU needs more in flight to fill its bus. */
export function defaultBatch(isSoftware: boolean): BatchChoice {
  return { batchBytes: 16 * MIB, buffers: isSoftware ? 2 : 4 };
}

export function defaultShape(isSoftware: boolean): DispatchShape {
  return isSoftware ? { workgroupSize: 128, packetsPerInvocation: 16 } : { workgroupSize: 128, packetsPerInvocation: 2 };
}

export interface Bench {
  readonly open: OpenDevice;
  /** The first of the tiles of the trace; what is tried is its beginning. */
  readonly tile: DeviceTile;
  readonly compile: (shape: DispatchShape) => Promise<Pipelines>;
  readonly isWanted: () => boolean;
}

export async function tuneShape(bench: Bench, batch: BatchChoice): Promise<{ shape: DispatchShape; pipelines: Pipelines }> {
  const { limits, kind } = bench.open.adapter;
  const preset = defaultShape(kind === 'software');
  const tried: { readonly shape: DispatchShape; readonly pipelines: Pipelines; bytesPerSecond: number }[] = [];
  for (const shape of SHAPES) {
    if (shape.workgroupSize > limits.maxComputeInvocationsPerWorkgroup) continue;
    tried.push({ shape, pipelines: await bench.compile(shape), bytesPerSecond: 0 });
  }
  await inTurns(bench, tried, ({ pipelines }) => rate(bench, pipelines, batch, SHAPE_MS));
  tried.sort((a, b) => b.bytesPerSecond - a.bytesPerSecond);
  const [best] = tried;
  return best?.bytesPerSecond ? best : { shape: preset, pipelines: await bench.compile(preset) };
}

/** Everything that was tried; the best of it is `bestOf`. `asked`: what the user has fixed. */
export async function tuneBatch(
  bench: Bench,
  pipelines: Pipelines,
  asked: Partial<BatchChoice>,
  leastBytes: number,
): Promise<Tried[]> {
  const kind = bench.open.adapter.kind === 'software' ? 'software' : 'hardware';
  const sizes = asked.batchBytes
    ? [asked.batchBytes]
    : BATCH_SIZES[kind].filter((bytes) => bytes >= leastBytes && bytes <= bench.tile.layout.bytes);
  const counts = asked.buffers ? [asked.buffers] : BUFFER_COUNTS[kind];
  const tried = sizes.flatMap((batchBytes) => counts.map((buffers) => ({ batchBytes, buffers, bytesPerSecond: 0 })));
  if (tried.length < 2) return [];
  await inTurns(bench, tried, (choice) => rate(bench, pipelines, choice, BATCH_MS));
  return tried.filter(({ bytesPerSecond }) => bytesPerSecond > 0);
}

async function inTurns<Candidate extends { bytesPerSecond: number }>(
  bench: Bench,
  candidates: readonly Candidate[],
  measure: (candidate: Candidate) => Promise<number>,
): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    for (const candidate of candidates) {
      if (!bench.isWanted()) return;
      /* One that the device has no room for is none; the run may still have room for another. */
      const rate = await measure(candidate).catch((error: unknown) => {
        if (isOutOfMemory(error)) return 0;
        throw error;
      });
      candidate.bytesPerSecond = Math.max(candidate.bytesPerSecond, rate);
    }
  }
}

/**
 * The fastest; among those within 5 %, which is noise here, the one with the largest batch, because every batch costs the
 * JavaScript thread the same (0.1 to 0.2 ms), and then with the fewest in flight.
 */
export function bestOf(tried: readonly Tried[]): BatchChoice | null {
  const fastest = Math.max(...tried.map(({ bytesPerSecond }) => bytesPerSecond));
  const good = tried.filter(({ bytesPerSecond }) => bytesPerSecond >= 0.95 * fastest);
  good.sort((a, b) => b.batchBytes - a.batchBytes || a.buffers - b.buffers);
  const [first] = good;
  return first ? { batchBytes: first.batchBytes, buffers: first.buffers } : null;
}

async function rate(
  bench: Bench,
  pipelines: Pipelines,
  { batchBytes, buffers }: BatchChoice,
  milliseconds: number,
): Promise<number> {
  const { open, tile } = bench;
  const segment = beginningOf(tile, Math.min(batchBytes, tile.layout.bytes));
  const feed = new ResidentFeed({ device: open.device, pipelines, stopwatch: Stopwatch.silent() }, [tile]);
  const staging = await createStaging(open.device, segment.bytes, buffers);
  try {
    let batches = 0;
    const start = performance.now();
    const lane = async (buffer: GPUBuffer, slot: number): Promise<void> => {
      for (let number = slot; performance.now() - start < milliseconds; number += buffers) {
        await feed.submit(batchOf(segment, number, slot), buffer);
        buffer.unmap();
        batches++;
      }
    };
    await Promise.all(staging.map(lane));
    return (batches * segment.bytes * 1000) / (performance.now() - start);
  } finally {
    destroyStaging(staging);
  }
}

/** The first `bytes` of a tile, with a share of its rows. Where exactly the last packet ends does not matter here. */
function beginningOf({ layout }: DeviceTile, bytes: number): NativeSegment {
  const whole = bytes - (bytes % 64);
  const share = (count: number): number => Math.floor((count * whole) / layout.bytes);
  return {
    tile: 0,
    sourceOffset: 0,
    targetOffset: 0,
    bytes: whole,
    row4: 0,
    rows4: share(layout.rows4),
    row6: 0,
    rows6: share(layout.rows6),
    packet: 0,
    packets: share(layout.packets),
    base4: 0,
    base6Low: 0,
    base6High: 0,
    lap: 0,
    indexInLap: 0,
  };
}

function batchOf(segment: NativeSegment, number: number, slot: number): NativeBatch {
  return { number, slot, packets: segment.packets, bytes: segment.bytes, segments: [segment] };
}
