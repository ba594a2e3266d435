/**
 * Device memory for one batch of packets: slots and places in, results, sums and timestamps out, and the staging buffer that they
 * are read from. Made once for batches up to a size. Used by accelerator-program.ts.
 */
import type { NativePackets } from '../../stack/index.js';
import type { Batch, fillBatch } from './accelerator-batches.js';
import { type BatchBinding, SUM_WORDS } from './accelerator-kernels.js';
import type { OpenDevice } from './dawn.js';
import { guarded } from './guarded.js';
import type { Stage } from './pipelines.js';

export const RESULT_BYTES = 4;
const PLACE_BYTES = 8;
const STAMP_BYTES = 8;
/** What resolved queries are aligned to. */
const RESOLVE_ALIGNMENT = 256;
const STORAGE_IN = 0x80 | 0x8; // GPUBufferUsage.STORAGE | COPY_DST
const STORAGE_OUT = STORAGE_IN | 0x4; // COPY_SRC
const QUERY_RESOLVE_COPY_SRC = 0x200 | 0x4;
const MAP_READ_COPY_DST = 0x1 | 0x8;
const MAP_MODE_READ = 1;

const aligned = (bytes: number): number => Math.ceil(bytes / RESOLVE_ALIGNMENT) * RESOLVE_ALIGNMENT;

/** What a batch gave; views of memory that the next batch takes. */
export interface ReadBatch {
  readonly results: Uint32Array;
  readonly sums: Uint32Array;
  /** By the device's clock; null = it has none. */
  readonly stepSeconds: readonly number[] | null;
}

export class BatchBuffers {
  readonly bytes: number;
  readonly packets: number;
  readonly #device: GPUDevice;
  readonly #storage: Readonly<Record<BatchBinding, GPUBuffer>>;
  readonly #staging: GPUBuffer;
  readonly #queries: GPUQuerySet | null;
  readonly #resolved: GPUBuffer | null;
  readonly #bindings: readonly GPUBindGroup[];
  readonly #places: Uint32Array<ArrayBuffer>;
  readonly #steps: number;

  private constructor(open: OpenDevice, size: Size, steps: readonly { readonly stage: Stage<BatchBinding> }[]) {
    const { device } = open;
    this.#device = device;
    this.bytes = size.bytes;
    this.packets = size.packets;
    this.#steps = steps.length;
    const buffer = (label: string, bytes: number, usage: number): GPUBuffer =>
      device.createBuffer({ label, size: Math.max(16, bytes), usage });
    this.#storage = {
      packets: buffer('packets', size.bytes, STORAGE_IN),
      places: buffer('places', size.packets * PLACE_BYTES, STORAGE_IN),
      results: buffer('results', size.packets * RESULT_BYTES, STORAGE_OUT),
      sums: buffer('sums', this.#sumBytes, STORAGE_OUT),
    };
    const isTimed = open.adapter.features.includes('timestamp-query') && steps.length > 0;
    this.#queries = isTimed ? device.createQuerySet({ type: 'timestamp', count: steps.length * 2 }) : null;
    this.#resolved = isTimed ? buffer('timestamps', aligned(this.#stampBytes), QUERY_RESOLVE_COPY_SRC) : null;
    this.#staging = buffer('results', this.#stagingBytes(size.packets), MAP_READ_COPY_DST);
    this.#places = new Uint32Array(size.packets * 2);
    this.#bindings = steps.map(({ stage }) =>
      device.createBindGroup({
        label: stage.kernel.label,
        layout: stage.layout,
        entries: stage.kernel.bindings.map(({ name, number }) => ({
          binding: number,
          resource: { buffer: this.#storage[name] },
        })),
      }),
    );
  }

  /** Throws ModelTError when the device has no room. */
  static make(open: OpenDevice, size: Size, steps: readonly { readonly stage: Stage<BatchBinding> }[]): Promise<BatchBuffers> {
    return guarded(open.device, `batches of ${size.packets} packets`, () => new BatchBuffers(open, size, steps));
  }

  /** Slots and places of a batch, and zeros where it is to write. `fill` is fillBatch(). */
  upload(packets: NativePackets, batch: Batch, fill: typeof fillBatch): void {
    const { queue } = this.#device;
    const slots = fill(packets, batch, this.#places) as Uint8Array<ArrayBuffer>;
    queue.writeBuffer(this.#storage.packets, 0, slots);
    queue.writeBuffer(this.#storage.places, 0, this.#places, 0, batch.count * 2);
    const encoder = this.#device.createCommandEncoder();
    encoder.clearBuffer(this.#storage.results, 0, batch.count * RESULT_BYTES);
    encoder.clearBuffer(this.#storage.sums);
    queue.submit([encoder.finish()]);
  }

  bindingsOf(step: number): GPUBindGroup {
    return this.#bindings[step] as GPUBindGroup;
  }

  stampsOf(step: number): GPUComputePassTimestampWrites | null {
    const querySet = this.#queries;
    return querySet && { querySet, beginningOfPassWriteIndex: step * 2, endOfPassWriteIndex: step * 2 + 1 };
  }

  /** Rejects when the device goes. */
  async readBack(packets: number): Promise<ReadBatch> {
    const encoder = this.#device.createCommandEncoder();
    const resultBytes = packets * RESULT_BYTES;
    encoder.copyBufferToBuffer(this.#storage.results, 0, this.#staging, this.#resultsAt, resultBytes);
    encoder.copyBufferToBuffer(this.#storage.sums, 0, this.#staging, aligned(this.#stampBytes), this.#sumBytes);
    if (this.#queries && this.#resolved) {
      encoder.resolveQuerySet(this.#queries, 0, this.#steps * 2, this.#resolved, 0);
      encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, this.#stampBytes);
    }
    this.#device.queue.submit([encoder.finish()]);
    const bytes = this.#stagingBytes(packets);
    await this.#staging.mapAsync(MAP_MODE_READ, 0, bytes);
    const mapped = this.#staging.getMappedRange(0, bytes);
    const words = new Uint32Array(mapped.slice(0));
    this.#staging.unmap();
    const results = words.subarray(this.#resultsAt / RESULT_BYTES, this.#resultsAt / RESULT_BYTES + packets);
    const sums = words.subarray(aligned(this.#stampBytes) / RESULT_BYTES);
    return {
      results,
      sums,
      stepSeconds: this.#queries && this.#stepSeconds(new BigUint64Array(words.buffer, 0, this.#steps * 2)),
    };
  }

  #stepSeconds(stamps: BigUint64Array): number[] {
    return Array.from({ length: this.#steps }, (_, step) => {
      const begin = stamps[step * 2] ?? 0n;
      const end = stamps[step * 2 + 1] ?? 0n;
      return end > begin ? Number(end - begin) / 1e9 : 0;
    });
  }

  get #stampBytes(): number {
    return this.#steps * 2 * STAMP_BYTES;
  }

  /** Where results stand in the staging buffer: behind the timestamps and the sums. */
  get #resultsAt(): number {
    return aligned(this.#stampBytes) + aligned(this.#sumBytes);
  }

  get #sumBytes(): number {
    return Math.max(1, this.#steps) * SUM_WORDS * RESULT_BYTES;
  }

  #stagingBytes(packets: number): number {
    return Math.ceil((this.#resultsAt + packets * RESULT_BYTES) / STAMP_BYTES) * STAMP_BYTES;
  }

  /** Maps that are pending are rejected. */
  destroy(): void {
    for (const buffer of [...Object.values(this.#storage), this.#staging, this.#resolved]) buffer?.destroy();
    this.#queries?.destroy();
  }
}

interface Size {
  readonly bytes: number;
  readonly packets: number;
}
