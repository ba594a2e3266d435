/**
 * Captures that arrive as a stream: standard input, FIFOs, and what zstd decompresses. Packets are in the trace as soon as
 * their bytes are here, so that a replay may start while the capture goes on.
 *
 * Classic pcap goes through the package `pcap-parser`, whose only importer this is; everything else (pcapng, gzip, zstd,
 * modified pcap, and whatever is no capture, for the sake of one error text) is pushed into the native reader.
 *
 * pcap-parser is guarded against its weaknesses: it waits for as many bytes as a record claims (refused here from 256 KiB
 * on), says nothing about a cut tail (bytes are counted here), knows only the microsecond magic (a nanosecond one is
 * replaced before it looks, and the fraction scaled here), and lets a version it does not know pass (checked here).
 */
import { Readable } from 'node:stream';
import pcapParser, { type PacketHeader } from 'pcap-parser';
import { isZstd } from './inputs.js';
import type { NativeTrace } from './native-trace.js';
import { ZstdSource } from './zstd.js';

/** What streams of Node give: also a test may give any generator. */
export type Chunks = AsyncIterable<Uint8Array>;

/** kMaxFrame of replay/native/image.h. */
const LARGEST_FRAME = 262144;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** libpcap's mask: the upper bits tell of a frame check sequence. */
const LINK_TYPE_MASK = 0x03ffffff;

interface ClassicPcap {
  readonly bigEndian: boolean;
  readonly nanoseconds: boolean;
}
const CLASSIC_MAGICS: Readonly<Record<string, ClassicPcap>> = {
  d4c3b2a1: { bigEndian: false, nanoseconds: false },
  a1b2c3d4: { bigEndian: true, nanoseconds: false },
  '4d3cb2a1': { bigEndian: false, nanoseconds: true },
  a1b23c4d: { bigEndian: true, nanoseconds: true },
};
const MICROSECOND_MAGIC = { little: Buffer.from('d4c3b2a1', 'hex'), big: Buffer.from('a1b2c3d4', 'hex') };

/**
 * Reads a stream to its end (or first damage) as one source of the trace; `name` is what users know it by. Whoever opened
 * the stream closes it.
 */
export async function loadStream(trace: NativeTrace, name: string, chunks: Chunks): Promise<void> {
  const reader = chunks[Symbol.asyncIterator]();
  const head = await readHead(reader);
  const whole = prepend(head.bytes, head.failure ?? { [Symbol.asyncIterator]: () => reader });
  const classic = classicPcap(head.bytes);
  if (classic !== undefined) await loadClassic(trace, name, whole, classic);
  else if (isZstd(head.bytes)) await loadZstd(trace, name, whole);
  else await loadBytes(trace, name, whole);
}

/** Reads a zstd stream to its end as one source of the trace. */
export async function loadZstd(trace: NativeTrace, name: string, chunks: Chunks): Promise<void> {
  trace.beginSource(name, { wrapper: 'zstd' });
  const source = new ZstdSource((data) => trace.feed(data));
  const reason = await drain(chunks, (chunk) => source.feed(chunk));
  endSource(trace, reason === '' ? source.incomplete() : reason);
}

async function loadBytes(trace: NativeTrace, name: string, chunks: Chunks): Promise<void> {
  trace.beginSource(name);
  const reason = await drain(chunks, (chunk) => trace.feed(chunk));
  endSource(trace, reason);
}

function endSource(trace: NativeTrace, reason: string): void {
  trace.endSource(reason === '' ? undefined : { reason });
}

/**
 * Gives each chunk to `take` until it returns false. Resolves to why reading failed, or to the empty string; what `take`
 * throws is not a failure of reading and is passed on.
 */
async function drain(chunks: Chunks, take: (chunk: Uint8Array) => boolean): Promise<string> {
  const reader = chunks[Symbol.asyncIterator]();
  for (;;) {
    const { chunk, failure } = await nextChunk(reader);
    if (failure !== undefined) return readingFailed(failure);
    if (chunk === undefined || !take(chunk)) return '';
  }
}

function readingFailed(failure: Error): string {
  return `reading failed: ${failure.message}`;
}

/** The next chunk, nothing at the end, or why there is none. */
async function nextChunk(reader: AsyncIterator<Uint8Array>): Promise<{ chunk?: Uint8Array; failure?: Error }> {
  try {
    const result = await reader.next();
    return result.done === true ? {} : { chunk: result.value };
  } catch (error) {
    return { failure: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** As many chunks as it takes to have a pcap file header, or all there are. */
async function readHead(reader: AsyncIterator<Uint8Array>): Promise<{ bytes: Buffer; failure?: Error }> {
  let bytes = Buffer.alloc(0);
  while (bytes.length < FILE_HEADER_BYTES) {
    const { chunk, failure } = await nextChunk(reader);
    if (failure !== undefined) return { bytes, failure };
    if (chunk === undefined) return { bytes };
    bytes = Buffer.concat([bytes, chunk]);
  }
  return { bytes };
}

/** What was read to find out the format, and then the rest, or the failure that came instead of it. */
async function* prepend(head: Uint8Array, rest: Chunks | Error): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  if (rest instanceof Error) throw rest;
  yield* rest;
}

/** The variant, if pcap-parser can read it: a whole header of version 2.4. */
function classicPcap(head: Buffer): ClassicPcap | undefined {
  const classic = CLASSIC_MAGICS[head.toString('hex', 0, 4)];
  if (classic === undefined || head.length < FILE_HEADER_BYTES) return undefined;
  const version = head.toString('hex', 4, 8);
  return version === (classic.bigEndian ? '00020004' : '02000400') ? classic : undefined;
}

function formatName(classic: ClassicPcap): string {
  return `pcap ${classic.nanoseconds ? 'ns' : 'µs'} ${classic.bigEndian ? 'be' : 'le'}`;
}

async function loadClassic(trace: NativeTrace, name: string, chunks: Chunks, classic: ClassicPcap): Promise<void> {
  trace.beginSource(name, { format: formatName(classic) });
  const progress = new ClassicProgress();
  const input = Readable.from(progress.counted(chunks, classic), { objectMode: false });
  await new Promise<void>((resolve, reject) => {
    const end = (reason: string): void => {
      if (!progress.end(reason)) return;
      input.destroy();
      resolve();
    };
    const guarded = (action: () => void): void => {
      try {
        action();
      } catch (error) {
        if (progress.end('')) reject(error);
        input.destroy();
      }
    };
    let linkType = 0;
    const parser = pcapParser.parse(input);
    parser.on('globalHeader', (header) => {
      linkType = header.linkLayerType & LINK_TYPE_MASK;
    });
    parser.on('packetHeader', (header) => {
      if (header.capturedLength > LARGEST_FRAME) {
        end(`captured length ${header.capturedLength} is above the ${LARGEST_FRAME} bytes a frame may have`);
      }
    });
    parser.on('packet', ({ header, data }) =>
      guarded(() => {
        if (progress.ended) return;
        const fits = trace.addPacket(linkType, timeOf(header, classic), header.originalLength, data);
        if (!fits) end(`frame length ${data.length} is above the ${LARGEST_FRAME} bytes a frame may have`);
        else progress.parsed += RECORD_HEADER_BYTES + data.length;
      }),
    );
    parser.on('end', () => end(progress.parsed === progress.arrived ? '' : 'the input ends inside a packet'));
    parser.on('error', (error) => {
      const reason = readingFailed(error);
      end(progress.parsed === progress.arrived ? reason : `the input ends inside a packet (${reason})`);
    });
  });
  trace.endSource(progress.reason === '' ? undefined : { reason: progress.reason, offset: progress.parsed });
}

function timeOf(header: PacketHeader, classic: ClassicPcap): bigint {
  const fraction = header.timestampMicroseconds * (classic.nanoseconds ? 1 : 1000);
  return BigInt(header.timestampSeconds) * 1_000_000_000n + BigInt(fraction);
}

/** What pcap-parser does not tell: how many bytes came in, how many of them are whole packets, and how it ended. */
class ClassicProgress {
  arrived = 0;
  parsed = FILE_HEADER_BYTES;
  ended = false;
  reason = '';

  /** The first end counts. */
  end(reason: string): boolean {
    if (this.ended) return false;
    this.ended = true;
    this.reason = reason;
    return true;
  }

  /** The bytes on their way to pcap-parser, with a magic that it knows; the first chunk holds the whole file header. */
  async *counted(chunks: Chunks, classic: ClassicPcap): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      const known = this.arrived > 0 ? chunk : withMicrosecondMagic(chunk, classic);
      this.arrived += chunk.length;
      yield known;
    }
  }
}

function withMicrosecondMagic(chunk: Uint8Array, classic: ClassicPcap): Uint8Array {
  const magic = classic.bigEndian ? MICROSECOND_MAGIC.big : MICROSECOND_MAGIC.little;
  return Buffer.concat([magic, chunk.subarray(magic.length)]);
}
