/**
 * Where a batch's time goes, by the device's own clock: in the kernels, and in the copy to staging memory. One batch in
 * SAMPLE_EVERY is timed, so that the timing costs nothing that is timed. Silent on a device without timestamps. Used by feed.ts.
 */
import type { OpenDevice } from './dawn.js';

/** Two small copies, an empty pass and a map per sample, 100 us here: 0.3 % of 32 batches of half a millisecond. */
const SAMPLE_EVERY = 32;
const STAMPS = 3; /* kernels begin, kernels end, copy ended */
const RESOLVE_BYTES = 8 * 4;
const QUERY_RESOLVE_COPY_SRC = 0x200 | 0x4;
const MAP_READ_COPY_DST = 0x1 | 0x8;
const MAP_MODE_READ = 1;

export class Stopwatch {
  readonly #queries: GPUQuerySet | null;
  readonly #resolved: GPUBuffer | null = null;
  readonly #readable: GPUBuffer | null = null;
  #busy = false;
  #batches = 0;
  readonly sums = { batches: 0, bytes: 0, kernelSeconds: 0, copySeconds: 0, totalSeconds: 0 };

  constructor(open: OpenDevice | null) {
    this.#queries = null;
    if (!open?.adapter.features.includes('timestamp-query')) return;
    const { device } = open;
    this.#queries = device.createQuerySet({ type: 'timestamp', count: STAMPS + 1 });
    this.#resolved = device.createBuffer({ label: 'timestamps', size: RESOLVE_BYTES, usage: QUERY_RESOLVE_COPY_SRC });
    this.#readable = device.createBuffer({ label: 'timestamps', size: RESOLVE_BYTES, usage: MAP_READ_COPY_DST });
  }

  /** Times nothing. */
  static silent(): Stopwatch {
    return new Stopwatch(null);
  }

  /** What the batch's compute pass needs to be timed; null = this batch is not. */
  begin(): GPUComputePassTimestampWrites | null {
    if (this.#busy || this.#batches++ % SAMPLE_EVERY !== 0 || this.#queries === null) return null;
    this.#busy = true;
    return { querySet: this.#queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  }

  /** After the copies of a batch that begin() timed: an empty pass marks their end. */
  end(encoder: GPUCommandEncoder): void {
    if (!this.#queries || !this.#resolved || !this.#readable) return;
    encoder
      .beginComputePass({ timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex: 2, endOfPassWriteIndex: 3 } })
      .end();
    encoder.resolveQuerySet(this.#queries, 0, STAMPS, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#readable, 0, RESOLVE_BYTES);
  }

  /** After the submit, begun at `started`, of a batch that is timed; `mapped` resolves when its staging buffer is mapped. */
  async read(bytes: number, started: number, mapped: Promise<unknown>): Promise<void> {
    try {
      await mapped;
      const totalSeconds = (performance.now() - started) / 1000;
      await this.#readable?.mapAsync(MAP_MODE_READ);
      const [begin = 0n, middle = 0n, end = 0n] = new BigUint64Array(this.#readable?.getMappedRange() ?? new ArrayBuffer(24));
      const seconds = (from: bigint, to: bigint): number => (to > from ? Number(to - from) / 1e9 : 0);
      this.sums.batches += 1;
      this.sums.bytes += bytes;
      this.sums.kernelSeconds += seconds(begin, middle);
      this.sums.copySeconds += seconds(middle, end);
      this.sums.totalSeconds += totalSeconds;
      this.#readable?.unmap();
      this.#busy = false;
    } catch {
      /* The run is ending: what was not read is not counted. */
    }
  }
}
