/**
 * A producer of the ring written from stack/layout.ts alone, one field at a time: shows that the layout is enough to speak
 * the protocol, and can lie about everything. Lives in this process, so readers find its producer alive. Test code only.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import {
  DESCRIPTOR,
  FRAME_OFFSET,
  fieldOffsets,
  READER_SLOT,
  READER_SLOTS,
  RING_ABI_VERSION,
  RING_HEADER,
  RING_MAGIC,
  type Struct,
} from '../../stack/index.js';
import { ringPath } from './programs.js';
import { until } from './replay.js';

const WIDTH = { uint16_t: 2, uint32_t: 4, int32_t: 4, uint64_t: 8 } as const;
const PAGE = 4096;
export const OPEN = 1;
export const ENDED = 2;
export const ABORTED = 3;
export const JOINING = 2;
export const ATTACHED = 3;
export const END_OF_STREAM_MARK = 0x0c;

export type Fields = Readonly<Record<string, number | bigint>>;

/** Start time of this process in clock ticks: field 22 of /proc/self/stat. */
function ownStart(): bigint {
  const text = readFileSync('/proc/self/stat', 'utf8');
  return BigInt(text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '0');
}

/** Fields of a shared struct that is somewhere in a file. */
export class SharedStruct {
  readonly #offsets: Readonly<Record<string, number>>;
  constructor(
    readonly file: number,
    readonly struct: Struct,
    readonly at: number,
  ) {
    this.#offsets = fieldOffsets(struct);
  }
  write(fields: Fields): void {
    for (const [name, value] of Object.entries(fields)) {
      const { bytes, at } = this.#place(name);
      const buffer = Buffer.alloc(8);
      buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
      writeSync(this.file, buffer, 0, bytes, at);
    }
  }
  read(name: string): bigint {
    const { bytes, at } = this.#place(name);
    const buffer = Buffer.alloc(8);
    readSync(this.file, buffer, 0, bytes, at);
    return buffer.readBigUInt64LE();
  }
  #place(name: string): { bytes: number; at: number } {
    const field = this.struct.fields.find((candidate) => candidate.name === name);
    const offset = this.#offsets[name];
    if (!field || offset === undefined) throw new Error(`${this.struct.name} has no ${name}`);
    return { bytes: WIDTH[field.type], at: this.at + offset };
  }
}

export class FakeProducer {
  readonly descriptors = 64;
  readonly regionBytes = 64 * 1024;
  readonly header: SharedStruct;
  readonly #file: number;
  readonly #descriptorsAt = 2 * PAGE;
  readonly #timesAt = 3 * PAGE;
  readonly #regionAt = 4 * PAGE;
  #used = 0;

  constructor(name: string, lies: Fields = {}) {
    this.#file = openSync(ringPath(name), 'wx+', 0o600);
    const total = this.#regionAt + this.regionBytes;
    ftruncateSync(this.#file, total);
    this.header = new SharedStruct(this.#file, RING_HEADER, 0);
    this.header.write({
      magic: RING_MAGIC,
      abi_version: RING_ABI_VERSION,
      descriptor_count: this.descriptors,
      descriptor_mask: this.descriptors - 1,
      total_bytes: total,
      descriptors_offset: this.#descriptorsAt,
      times_offset: this.#timesAt,
      region_offset: this.#regionAt,
      region_bytes: this.regionBytes,
      producer_pid: process.pid,
      producer_pid_start: ownStart(),
      reader_slots: READER_SLOTS,
      ...lies,
    });
    this.header.write({ state: OPEN });
  }

  slot(index: number): SharedStruct {
    return new SharedStruct(this.#file, READER_SLOT, RING_HEADER.bytes + index * READER_SLOT.bytes);
  }

  /** Lets the reader of slot 0 in, at position 0. */
  async admit(): Promise<void> {
    await until('a reader asks to join', () => this.slot(0).read('state') === BigInt(JOINING));
    this.slot(0).write({ start: 0, tail: 0 });
    this.slot(0).write({ state: ATTACHED });
  }

  /** A packet at `position`; `lies` replace fields of its descriptor. */
  put(position: number, frame: Uint8Array, lies: Fields = {}): void {
    const offset = this.#used + FRAME_OFFSET;
    writeSync(this.#file, frame, 0, frame.length, this.#regionAt + offset);
    this.#used += Math.ceil((FRAME_OFFSET + frame.length) / 64) * 64;
    this.describe(position, { flags: 0, region: 0, length: frame.length, offset, metadata: position, ...lies });
  }

  describe(position: number, fields: Fields): void {
    const at = this.#descriptorsAt + (position % this.descriptors) * DESCRIPTOR.bytes;
    new SharedStruct(this.#file, DESCRIPTOR, at).write(fields);
  }

  /** The mark that nothing follows, at `position`, and everything up to it published. */
  end(position: number): void {
    this.describe(position, { flags: END_OF_STREAM_MARK, region: 0, length: 0, offset: FRAME_OFFSET, metadata: position });
    this.header.write({ head: position + 1 });
    this.header.write({ state: ENDED });
  }

  close(): void {
    closeSync(this.#file);
  }
}
