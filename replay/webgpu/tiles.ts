/**
 * The trace on the device: tiles of slots with the tables that say how to change them, and the way they get there.
 *
 *   DeviceImage (native) --fill, on a pool thread--> mapped upload buffer --unmap, copy--> tile.image, tile.tables
 *
 * JavaScript hands buffers around and touches no byte of them. Used by feed.ts.
 */
import { ModelTError } from '../../stack/index.js';
import type { NativeDeviceImage, DeviceTile as TileLayout } from '../native-run.js';
import { guarded } from './guarded.js';

export interface DeviceTile {
  readonly layout: TileLayout;
  /** Slots; kernels change them in place. */
  readonly image: GPUBuffer;
  readonly tables: GPUBuffer;
  /** The slots as captured, where a user kernel could leave traces of an earlier lap; else null. */
  readonly pristine: GPUBuffer | null;
}

const MAP_WRITE_COPY_SRC = 0x2 | 0x4; // GPUBufferUsage.MAP_WRITE | COPY_SRC
const STORAGE_COPIES = 0x80 | 0x8 | 0x4; // STORAGE | COPY_DST | COPY_SRC
const STORAGE_COPY_DST = 0x80 | 0x8;
const MAP_MODE_WRITE = 2;
/** Large enough that a submit (40 to 60 us) does not count, small enough for any device. */
const CHUNK_BYTES = 8 * 2 ** 20;

export interface TileSize {
  readonly imageBytes: number;
  readonly tablesBytes: number;
}

/** Buffers for a tile of at most this size. Throws ModelTError GPU_OUT_OF_MEMORY where there is no room. */
export function createTileBuffers(
  device: GPUDevice,
  size: TileSize,
  keepPristine: boolean,
): Promise<Pick<DeviceTile, 'image' | 'tables' | 'pristine'>> {
  const buffer = (label: string, bytes: number, usage: number): GPUBuffer => device.createBuffer({ label, size: bytes, usage });
  return guarded(device, `a tile of ${size.imageBytes} bytes`, () => ({
    image: buffer('trace image', size.imageBytes, STORAGE_COPIES),
    tables: buffer('mutation tables', size.tablesBytes, STORAGE_COPY_DST),
    pristine: keepPristine ? buffer('pristine image', size.imageBytes, STORAGE_COPIES) : null,
  }));
}

export function destroyTile(tile: Pick<DeviceTile, 'image' | 'tables' | 'pristine'>): void {
  tile.image.destroy();
  tile.tables.destroy();
  tile.pristine?.destroy();
}

/** One upload buffer: mapped, filled by native code, copied from, mapped again. */
export class UploadBuffer {
  readonly buffer: GPUBuffer;
  #mapped: Promise<undefined> = Promise.resolve(undefined);
  #writing: Promise<void> = Promise.resolve();
  #isClosing = false;

  constructor(device: GPUDevice, bytes: number) {
    this.buffer = device.createBuffer({ label: 'upload', size: bytes, usage: MAP_WRITE_COPY_SRC, mappedAtCreation: true });
  }

  /** Waits until the device has read what was there before, then lets native code fill the buffer. */
  async fill(write: (target: ArrayBuffer) => Promise<void>): Promise<void> {
    await this.#mapped;
    if (this.#isClosing) throw new ModelTError('GPU_CLOSED', 'The GPU is being closed; nothing more is uploaded', 4);
    this.#writing = write(this.buffer.getMappedRange());
    await this.#writing;
    this.buffer.unmap();
  }

  /** Native code may be writing: the buffer must not go away before this has resolved. No write begins from now on. */
  async settle(): Promise<void> {
    this.#isClosing = true;
    await this.#writing.catch(() => {});
  }

  /** After the submit that reads the buffer. */
  release(): void {
    this.#mapped = this.buffer.mapAsync(MAP_MODE_WRITE);
    this.#mapped.catch(() => {}); /* the device may be gone by then; fill() still sees it */
  }

  destroy(): void {
    this.buffer.destroy();
  }
}

/** Throws ModelTError GPU_OUT_OF_MEMORY where there is no room. */
export function createUpload(device: GPUDevice, bytes: number): Promise<UploadBuffer> {
  return guarded(device, `an upload buffer of ${bytes} bytes`, () => new UploadBuffer(device, bytes));
}

/** Loads resident tiles through two upload buffers, so that filling and copying overlap. */
export async function uploadTiles(
  device: GPUDevice,
  trace: NativeDeviceImage,
  tiles: readonly DeviceTile[],
  isWanted: () => boolean,
): Promise<void> {
  const largest = Math.max(...tiles.map(({ layout }) => Math.max(layout.bytes, layout.tablesBytes)));
  const chunk = Math.min(CHUNK_BYTES, largest);
  const uploads = [await createUpload(device, chunk), await createUpload(device, chunk)] as const;
  try {
    let turn = 0;
    for (const [number, tile] of tiles.entries()) {
      for (const [part, total] of [
        ['image', tile.layout.bytes],
        ['tables', tile.layout.tablesBytes],
      ] as const) {
        for (let offset = 0; offset < total && isWanted(); offset += chunk) {
          const upload = uploads[turn++ % 2 === 0 ? 0 : 1];
          const bytes = Math.min(chunk, total - offset);
          await upload.fill((target) => trace.fill(number, part, offset, target, 0, bytes));
          copyUp(device, upload, tile, part, offset, bytes);
        }
      }
    }
    await device.queue.onSubmittedWorkDone();
  } finally {
    for (const upload of uploads) upload.destroy();
  }
}

function copyUp(
  device: GPUDevice,
  upload: UploadBuffer,
  tile: DeviceTile,
  part: 'image' | 'tables',
  offset: number,
  bytes: number,
): void {
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(upload.buffer, 0, tile[part], offset, bytes);
  if (part === 'image' && tile.pristine) encoder.copyBufferToBuffer(upload.buffer, 0, tile.pristine, offset, bytes);
  device.queue.submit([encoder.finish()]);
  upload.release();
}
