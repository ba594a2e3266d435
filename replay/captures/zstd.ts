/**
 * Zstandard, decompressed as it arrives: frames in, plain bytes out to a sink. The only importer of `fzstd`.
 *
 * fzstd is given one frame at a time, whose structure is walked here first, because by itself it allocates whatever window
 * a frame asks for (up to 2 GiB), recurses once per frame, and cannot tell a stream that ends early from one that is
 * whole. The frame's optional content checksum is not verified. Speed falls with the window (fzstd moves all of it for each
 * block): about 100 MB/s at the usual 2 to 8 MiB, a few MB/s at 128 MiB. Called by stream.ts and load.ts.
 */
import { Decompress } from 'fzstd';

/** Takes decompressed bytes; returns false when it wants no more. */
export type ByteSink = (data: Uint8Array) => boolean;

/** The window that zstd itself accepts without being told to use more memory (`--long=27`). */
const LARGEST_WINDOW = 128 * 1024 * 1024;
/** RFC 8878, 3.1.1.2.4: no block is larger, compressed or not. */
const LARGEST_BLOCK = 128 * 1024;
const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const CHECKSUM_BYTES = 4;

/** Bits of the frame header descriptor. */
const CHECKSUM_FLAG = 0x04;
const RESERVED_FLAG = 0x08;
const SINGLE_SEGMENT_FLAG = 0x20;

type Expect = 'magic' | 'skip size' | 'descriptor' | 'header' | 'block' | 'body' | 'pass';

class Corrupt extends Error {}

export class ZstdSource {
  #expect: Expect = 'magic';
  /** Bytes of a fixed-size part gathered so far, and how many it has. */
  #part: number[] = [];
  #partBytes = 4;
  /** Bytes left of a block's body, a skippable frame or a checksum. */
  #left = 0;
  #lastBlock = false;
  #descriptor = 0;
  #decoder = new Decompress();
  #taken = 0;
  #problem = '';
  #wanted = true;
  /** What the sink threw: its failure, not the stream's. */
  #sinkFailure: unknown;

  constructor(private readonly sink: ByteSink) {}

  /** Returns false once no more bytes are wanted: the sink is done or the stream is corrupt. */
  feed(chunk: Uint8Array): boolean {
    let at = 0;
    try {
      while (at < chunk.length && this.#wanted) {
        const used = this.#left > 0 ? this.#pass(chunk.subarray(at)) : this.#gather(chunk, at);
        at += used;
        this.#taken += used;
      }
    } catch (error) {
      this.#wanted = false;
      if (error === this.#sinkFailure) throw error;
      /* fzstd reads past the end of corrupt tables and then throws errors of any kind. */
      const detail = error instanceof Error ? error.message : String(error);
      this.#problem = `zstd data is corrupt near compressed byte ${this.#taken}: ${detail}`;
    }
    return this.#wanted;
  }

  /** After the last byte: why the stream is not whole; empty when it is. */
  incomplete(): string {
    if (this.#problem !== '') return this.#problem;
    const whole = this.#expect === 'magic' && this.#part.length === 0;
    return whole ? '' : `the zstd stream ends early, after compressed byte ${this.#taken}`;
  }

  /** Takes bytes whose number is known: a block's body for the decoder, or what is passed over. */
  #pass(bytes: Uint8Array): number {
    const used = Math.min(bytes.length, this.#left);
    this.#left -= used;
    if (this.#expect === 'body') {
      this.#decoder.push(bytes.subarray(0, used), this.#lastBlock && this.#left === 0);
      if (this.#left === 0) this.#blockDone();
    } else if (this.#left === 0) {
      this.#next('magic', 4);
    }
    return used;
  }

  #gather(chunk: Uint8Array, at: number): number {
    const used = Math.min(this.#partBytes - this.#part.length, chunk.length - at);
    for (const byte of chunk.subarray(at, at + used)) this.#part.push(byte);
    if (this.#part.length === this.#partBytes) this.#partDone(Uint8Array.from(this.#part));
    return used;
  }

  #next(expect: Expect, bytes: number): void {
    this.#expect = expect;
    this.#part = [];
    this.#partBytes = bytes;
  }

  #skip(bytes: number): void {
    this.#left = bytes;
    if (bytes > 0) this.#next('pass', 0);
    else this.#next('magic', 4);
  }

  #partDone(part: Uint8Array): void {
    if (this.#expect === 'magic') this.#magic(little(part));
    else if (this.#expect === 'skip size') this.#skip(little(part));
    else if (this.#expect === 'descriptor') this.#describe(part[0] ?? 0);
    else if (this.#expect === 'header') this.#beginFrame(part);
    else this.#beginBlock(part);
  }

  #magic(magic: number): void {
    if (magic === FRAME_MAGIC) this.#next('descriptor', 1);
    else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) this.#next('skip size', 4);
    else throw new Corrupt(`0x${magic.toString(16).padStart(8, '0')} begins no zstd frame`);
  }

  /** The descriptor says how long the rest of the header is. */
  #describe(descriptor: number): void {
    if ((descriptor & RESERVED_FLAG) !== 0) throw new Corrupt('a reserved bit of the frame header is set');
    if ((descriptor & 3) !== 0) throw new Corrupt('a dictionary is needed');
    this.#descriptor = descriptor;
    const single = (descriptor & SINGLE_SEGMENT_FLAG) !== 0;
    const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
    this.#next('header', sizeBytes + (single ? 0 : 1));
  }

  #beginFrame(header: Uint8Array): void {
    const window = this.#windowBytes(header);
    if (window > LARGEST_WINDOW) {
      throw new Corrupt(
        `a window of ${window} bytes is needed, more than the ${LARGEST_WINDOW} allowed; decompress it first with zstd -d --long=31`,
      );
    }
    this.#decoder = new Decompress((data) => this.#give(data));
    /* Without the flag fzstd takes the frame as done after its last block; the checksum is passed over here. */
    const start = [0x28, 0xb5, 0x2f, 0xfd, this.#descriptor & ~CHECKSUM_FLAG];
    this.#decoder.push(Uint8Array.from([...start, ...header]));
    this.#next('block', 3);
  }

  #give(data: Uint8Array): void {
    if (!this.#wanted || data.length === 0) return;
    try {
      this.#wanted = this.sink(data);
    } catch (error) {
      this.#sinkFailure = error;
      throw error;
    }
  }

  #windowBytes(header: Uint8Array): number {
    if ((this.#descriptor & SINGLE_SEGMENT_FLAG) === 0) {
      const code = header[0] ?? 0;
      const base = 2 ** (10 + (code >> 3));
      return base + (base / 8) * (code & 7);
    }
    const size = header.reduceRight((sum, byte) => sum * 256 + byte, 0);
    return header.length === 2 ? size + 256 : size;
  }

  #beginBlock(part: Uint8Array): void {
    const word = little(part);
    const type = (word >> 1) & 3;
    const size = word >> 3;
    if (type === 3) throw new Corrupt('a block is of the reserved type');
    if (size > LARGEST_BLOCK) throw new Corrupt(`a block of ${size} bytes is larger than ${LARGEST_BLOCK}`);
    this.#lastBlock = (word & 1) !== 0;
    /* Type 1 repeats a single byte. */
    this.#left = type === 1 ? 1 : size;
    this.#next('body', 0);
    this.#decoder.push(part, this.#lastBlock && this.#left === 0);
    if (this.#left === 0) this.#blockDone();
  }

  #blockDone(): void {
    if (!this.#lastBlock) this.#next('block', 3);
    else this.#skip((this.#descriptor & CHECKSUM_FLAG) === 0 ? 0 : CHECKSUM_BYTES);
  }
}

/** Up to four bytes, least significant first. */
function little(bytes: Uint8Array): number {
  return bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
}
