/**
 * From a planned batch to commands on the device: patch the rows of its segments, copy the slots to staging memory, and for a
 * trace larger than the device, upload the tile first.
 *
 *   resident   tile image --patch--> tile image --copy--> staging[k]
 *   streamed   capture --fill--> upload[n % 2] --copy--> tile[n % 2] --patch--> tile --copy--> staging[k]
 *
 * Everything of one batch is one submit; the device works in order of submits. Used by stream.ts.
 */
import type { NativeBatch, NativeDeviceImage, NativeSegment, DeviceTile as TileLayout } from '../native-run.js';
import type { Pipelines, TileBindings } from './pipelines.js';
import type { Stopwatch } from './stopwatch.js';
import { createTileBuffers, createUpload, type DeviceTile, type UploadBuffer } from './tiles.js';

const MAP_MODE_READ = 1;

/** Makes a batch: resolves when its staging buffer is mapped; rejects when the device refuses, or is gone. */
export interface Feed {
  submit(batch: NativeBatch, staging: GPUBuffer): Promise<void>;
  /** Until no native code writes to mapped memory any more; then the device may be closed. */
  settle(): Promise<void>;
}

interface Tools {
  readonly device: GPUDevice;
  readonly pipelines: Pipelines;
  readonly stopwatch: Stopwatch;
}

type TileOf = (segment: NativeSegment) => { readonly tile: DeviceTile; readonly bindings: TileBindings };

/** Patch, copy, submit, map. `before`: what the device must do first. */
async function submitBatch(
  tools: Tools,
  batch: NativeBatch,
  staging: GPUBuffer,
  tileOf: TileOf,
  before?: (encoder: GPUCommandEncoder) => void,
): Promise<void> {
  const { device, pipelines, stopwatch } = tools;
  const encoder = device.createCommandEncoder();
  before?.(encoder);
  for (const segment of batch.segments) {
    const { image, pristine } = tileOf(segment).tile;
    if (pristine) encoder.copyBufferToBuffer(pristine, segment.sourceOffset, image, segment.sourceOffset, segment.bytes);
  }
  const timestampWrites = stopwatch.begin();
  if (timestampWrites || !pipelines.idle) {
    const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {});
    for (const segment of batch.segments) pipelines.encode(pass, tileOf(segment).bindings, segment);
    pass.end();
  }
  for (const segment of batch.segments) {
    const { image } = tileOf(segment).tile;
    encoder.copyBufferToBuffer(image, segment.sourceOffset, staging, segment.targetOffset, segment.bytes);
  }
  if (timestampWrites) stopwatch.end(encoder);
  const started = performance.now();
  device.queue.submit([encoder.finish()]);
  const mapped = staging.mapAsync(MAP_MODE_READ);
  if (timestampWrites) void stopwatch.read(batch.bytes, started, mapped);
  await mapped;
}

/** All tiles are on the device. */
export class ResidentFeed implements Feed {
  readonly #tools: Tools;
  readonly #tiles: readonly { readonly tile: DeviceTile; readonly bindings: TileBindings }[];

  constructor(tools: Tools, tiles: readonly DeviceTile[]) {
    this.#tools = tools;
    this.#tiles = tiles.map((tile) => ({ tile, bindings: tools.pipelines.bind(tile) }));
  }

  submit(batch: NativeBatch, staging: GPUBuffer): Promise<void> {
    return submitBatch(this.#tools, batch, staging, ({ tile }) => {
      const found = this.#tiles[tile];
      if (!found) throw new RangeError(`batch ${batch.number} names tile ${tile} of ${this.#tiles.length}`);
      return found;
    });
  }

  async settle(): Promise<void> {}
}

/** Two tiles on the device take turns; each batch is one tile of the trace, uploaded while the one before is worked on. */
export class StreamedFeed implements Feed {
  readonly #tools: Tools;
  readonly #trace: NativeDeviceImage;
  readonly #layouts: readonly TileLayout[];
  readonly #lanes: readonly Lane[];
  /** Batches are submitted in order, however long their uploads take. */
  #before: Promise<unknown> = Promise.resolve();

  private constructor(tools: Tools, trace: NativeDeviceImage, layouts: readonly TileLayout[], lanes: readonly Lane[]) {
    this.#tools = tools;
    this.#trace = trace;
    this.#layouts = layouts;
    this.#lanes = lanes;
  }

  static async create(tools: Tools, trace: NativeDeviceImage, layouts: readonly TileLayout[]): Promise<StreamedFeed> {
    const imageBytes = Math.max(...layouts.map(({ bytes }) => bytes));
    const tablesBytes = Math.max(...layouts.map((layout) => layout.tablesBytes));
    const lanes: Lane[] = [];
    for (let lane = 0; lane < 2; lane++) {
      const buffers = await createTileBuffers(tools.device, { imageBytes, tablesBytes }, false);
      lanes.push({
        buffers,
        image: await createUpload(tools.device, imageBytes),
        tables: await createUpload(tools.device, tablesBytes),
        submitted: Promise.resolve(),
      });
    }
    return new StreamedFeed(tools, trace, layouts, lanes);
  }

  submit(batch: NativeBatch, staging: GPUBuffer): Promise<void> {
    const lane = this.#lanes[batch.number % this.#lanes.length];
    const segment = batch.segments[0];
    const layout = segment && this.#layouts[segment.tile];
    if (!lane || !segment || !layout) throw new RangeError(`batch ${batch.number} has no tile`);
    const filled = lane.submitted.then(() => this.#fill(lane, segment.tile, layout));
    const submitted = Promise.all([filled, this.#before]).then(() => {
      const tile: DeviceTile = { layout, ...lane.buffers };
      const bindings = this.#tools.pipelines.bind(tile);
      const mapped = submitBatch(
        this.#tools,
        batch,
        staging,
        () => ({ tile, bindings }),
        (encoder) => {
          encoder.copyBufferToBuffer(lane.image.buffer, 0, tile.image, 0, layout.bytes);
          encoder.copyBufferToBuffer(lane.tables.buffer, 0, tile.tables, 0, layout.tablesBytes);
        },
      );
      lane.image.release();
      lane.tables.release();
      return { mapped };
    });
    this.#before = submitted;
    lane.submitted = submitted;
    return submitted.then(({ mapped }) => mapped);
  }

  async #fill(lane: Lane, tile: number, layout: TileLayout): Promise<void> {
    await Promise.all([
      lane.image.fill((target) => this.#trace.fill(tile, 'image', 0, target, 0, layout.bytes)),
      lane.tables.fill((target) => this.#trace.fill(tile, 'tables', 0, target, 0, layout.tablesBytes)),
    ]);
  }

  async settle(): Promise<void> {
    await Promise.all(this.#lanes.flatMap(({ image, tables }) => [image.settle(), tables.settle()]));
  }
}

interface Lane {
  readonly buffers: Pick<DeviceTile, 'image' | 'tables' | 'pristine'>;
  readonly image: UploadBuffer;
  readonly tables: UploadBuffer;
  /** When the batch that had this lane last was handed to the device: then its buffers may be filled again. */
  submitted: Promise<unknown>;
}
