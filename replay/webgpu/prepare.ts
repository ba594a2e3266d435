/**
 * Everything between an open device and the first batch: how the trace is laid out on the device, what is uploaded, which
 * kernels are compiled, and the sizes that are tried or given. Called by gpu-run.ts.
 */
import type { Machine } from '../../stack/index.js';
import type { NativeDeviceImage, DeviceTile as TileLayout } from '../native-run.js';
import type { GpuPlan, ReplayPlan } from '../plan-types.js';
import type { OpenDevice } from './dawn.js';
import { type Feed, ResidentFeed, StreamedFeed } from './feed.js';
import { isOutOfMemory } from './guarded.js';
import { type DispatchShape, Pipelines, type WantedKernels } from './pipelines.js';
import { calmPump } from './pump.js';
import { Stopwatch } from './stopwatch.js';
import { createTileBuffers, type DeviceTile, destroyTile, uploadTiles } from './tiles.js';
import { type BatchChoice, bestOf, defaultBatch, defaultShape, type Tried, tuneBatch, tuneShape } from './tune.js';
import type { UserKernel } from './user-kernel.js';

/** A shorter run is over before the tuning is (half a second): it takes the defaults. */
const WORTH_TUNING_BYTES = 4 * 2 ** 30;
const WORTH_TUNING_SECONDS = 2;
/** The largest batch that is tried: small traces are laid end to end up to this. */
const LARGEST_TRIED_BYTES = 32 * 2 ** 20;
/** Offsets of copies and of tables. */
const ALIGNMENT = 256;
/** Of what the machine has left, for a device that lives in host memory. */
const HOST_SHARE = 0.5;

export interface Request {
  readonly open: OpenDevice;
  readonly trace: NativeDeviceImage;
  readonly plan: ReplayPlan;
  readonly gpu: GpuPlan;
  readonly machine: Machine;
  readonly kernel: UserKernel | null;
  readonly isWanted: () => boolean;
}

export interface Prepared {
  readonly feed: Feed;
  readonly pipelines: Pipelines;
  readonly stopwatch: Stopwatch;
  readonly batch: BatchChoice;
  readonly streamed: boolean;
  /** Batches end where tiles do. */
  readonly wholeTiles: boolean;
  /** Laps laid end to end on the device. */
  readonly laps: number;
  readonly tiles: number;
  readonly tuning: readonly Tried[];
}

export async function prepare(request: Request): Promise<Prepared> {
  /* Promises of the device are awaited here as well: without naps the event loop takes a CPU from a software GPU. */
  const release = calmPump(request.open.adapter.kind === 'software');
  try {
    return fits(request) ? await prepareResident(request) : await prepareStreamed(request);
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    return await prepareStreamed(request);
  } finally {
    release();
  }
}

/** Slots, tables of 28 bytes per packet, and for a user kernel a second copy of the slots. */
function deviceBytes({ trace, kernel }: Request): number {
  const { slotBytes, packets } = trace.shape();
  return slotBytes * (kernel ? 2 : 1) + packets * 28;
}

function fits(request: Request): boolean {
  const { open, gpu, machine } = request;
  const onHost = open.adapter.kind === 'software' ? machine.availableBytes * HOST_SHARE : Number.POSITIVE_INFINITY;
  return deviceBytes(request) <= (gpu.memoryBytes ?? onHost);
}

function wantedKernels({ trace, kernel, gpu }: Request): WantedKernels {
  const { rows4, rows6 } = trace.shape();
  return { ip4: rows4 > 0, ip6: rows6 > 0, user: kernel, checked: gpu.checked };
}

function compile(request: Request, shape: DispatchShape): Promise<Pipelines> {
  const { open, trace } = request;
  return Pipelines.compile(open, wantedKernels(request), trace.parameters(), trace.shape().packets, shape);
}

/** A batch holds at least one packet of any size. */
function leastBatch({ trace }: Request): number {
  return Math.ceil(trace.shape().largestSlot / ALIGNMENT) * ALIGNMENT;
}

/** A kernel of the user's own may take any time: nothing is tried with it. */
function isWorthTuning({ plan, trace, kernel }: Request): boolean {
  if (kernel !== null) return false;
  if (plan.durationSeconds !== null) return plan.durationSeconds >= WORTH_TUNING_SECONDS;
  const { slotBytes, packets } = trace.shape();
  const laps = Math.min(
    plan.loop === 0 ? Number.POSITIVE_INFINITY : plan.loop,
    (plan.limit ?? Number.POSITIVE_INFINITY) / packets,
  );
  return laps * slotBytes >= WORTH_TUNING_BYTES;
}

async function prepareResident(request: Request): Promise<Prepared> {
  const { open, gpu } = request;
  const isSoftware = open.adapter.kind === 'software';
  const least = leastBatch(request);
  const asked = {
    ...(gpu.batchBytes !== null && { batchBytes: gpu.batchBytes }),
    ...(gpu.buffers !== null && { buffers: gpu.buffers }),
  };
  const preset = { ...defaultBatch(isSoftware), ...asked };
  const preferred = { ...preset, batchBytes: Math.max(preset.batchBytes, least) };
  const { shape, batch, tuning } = isWorthTuning(request)
    ? await tune(request, preferred, asked, least)
    : { shape: defaultShape(isSoftware), batch: preferred, tuning: [] };
  const tiles = await upload(request, batch.batchBytes);
  try {
    const pipelines = await compile(request, shape);
    const stopwatch = new Stopwatch(open);
    const feed = new ResidentFeed({ device: open.device, pipelines, stopwatch }, tiles);
    const laps = lapsFor(request, batch.batchBytes);
    const wholeTiles = tiles.length === 1 && laps * request.trace.shape().slotBytes <= batch.batchBytes;
    return { feed, pipelines, stopwatch, batch, streamed: false, wholeTiles, laps, tiles: tiles.length, tuning };
  } catch (error) {
    tiles.forEach(destroyTile);
    throw error;
  }
}

interface Tuned {
  readonly shape: DispatchShape;
  readonly batch: BatchChoice;
  readonly tuning: readonly Tried[];
}

/** On a layout for the largest batch, which then goes: a small trace is laid out anew for the batch that was chosen. */
async function tune(request: Request, preset: BatchChoice, asked: Partial<BatchChoice>, least: number): Promise<Tuned> {
  const { open, isWanted } = request;
  const tiles = await upload(request, Math.max(LARGEST_TRIED_BYTES, preset.batchBytes));
  try {
    const [tile] = tiles;
    if (!tile) throw new RangeError('a trace without tiles');
    const bench = { open, tile, compile: (tried: DispatchShape) => compile(request, tried), isWanted };
    const { shape, pipelines } = await tuneShape(bench, preset);
    const tuning = await tuneBatch(bench, pipelines, asked, least);
    const { batchBytes, buffers } = bestOf(tuning) ?? preset;
    return { shape, batch: { batchBytes: Math.max(batchBytes, least), buffers }, tuning };
  } finally {
    tiles.forEach(destroyTile);
  }
}

/**
 * A short trace is repeated on the device, as often as a batch has room for: each batch is then all of it, one dispatch and one
 * copy, and never meets itself. A longer one lies there once, and batches go round it.
 */
function lapsFor(request: Request, batchBytes: number): number {
  const { trace, plan, gpu } = request;
  const room = gpu.memoryBytes === null ? Number.POSITIVE_INFINITY : gpu.memoryBytes / deviceBytes(request);
  const wanted = Math.max(1, Math.floor(Math.min(batchBytes / trace.shape().slotBytes, room)));
  return plan.loop === 0 ? wanted : Math.min(wanted, plan.loop);
}

async function upload(request: Request, batchBytes: number): Promise<DeviceTile[]> {
  const { open, trace, kernel, isWanted } = request;
  const { maxBufferSize, maxStorageBufferBindingSize } = open.adapter.limits;
  const tileBytes = Math.min(maxBufferSize, maxStorageBufferBindingSize, 2 ** 31 - ALIGNMENT);
  const layouts = trace.layOut(lapsFor(request, batchBytes), tileBytes - (tileBytes % ALIGNMENT));
  const tiles: DeviceTile[] = [];
  try {
    for (const layout of layouts) {
      const size = { imageBytes: layout.bytes, tablesBytes: layout.tablesBytes };
      tiles.push({ layout, ...(await createTileBuffers(open.device, size, kernel !== null)) });
    }
    await uploadTiles(open.device, trace, tiles, isWanted);
    return tiles;
  } catch (error) {
    tiles.forEach(destroyTile);
    throw error;
  }
}

/** The trace does not fit: each batch is a tile of its own, uploaded before it is patched. */
async function prepareStreamed(request: Request): Promise<Prepared> {
  const { open, trace, gpu } = request;
  const isSoftware = open.adapter.kind === 'software';
  const preset = defaultBatch(isSoftware);
  const room = gpu.memoryBytes === null ? Number.POSITIVE_INFINITY : Math.floor(gpu.memoryBytes / 4 / ALIGNMENT) * ALIGNMENT;
  const batchBytes = Math.max(leastBatch(request), Math.min(gpu.batchBytes ?? preset.batchBytes, room));
  const batch = { batchBytes, buffers: gpu.buffers ?? preset.buffers };
  const layouts: readonly TileLayout[] = trace.layOut(1, batchBytes);
  const pipelines = await compile(request, defaultShape(isSoftware));
  const stopwatch = new Stopwatch(open);
  const feed = await StreamedFeed.create({ device: open.device, pipelines, stopwatch }, trace, layouts);
  return { feed, pipelines, stopwatch, batch, streamed: true, wholeTiles: true, laps: 1, tiles: layouts.length, tuning: [] };
}
