/** Streams: pcap-parser and its guards, formats by their first bytes, live growth, and a real pipe. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadInputs } from '../../../replay/captures/load.js';
import { loadStream } from '../../../replay/captures/stream.js';
import { contents, failure, loadFile, newTrace, stream, temporaryFile } from './helpers.js';
import { Bytes, enhanced, frame, iface, packet, pcap, pcapHeader, pcapRecord, section } from './writer.js';

const written = Array.from({ length: 40 }, (_, index) => packet(40 + index, index, BigInt(index) * 1_000_000_001n));

/** Waits until `condition` holds; the test's own time limit ends the waiting. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('classic pcap through pcap-parser', () => {
  it.each([
    ['us', false],
    ['us', true],
    ['ns', false],
    ['ns', true],
  ] as const)('%s, big-endian %s: equals the file reader, cut anywhere', async (variant, big) => {
    const whole = pcap(written.slice(0, 3), { variant, big });
    for (let cut = 24; cut <= whole.length; cut += 1) {
      const kept = whole.subarray(0, cut);
      expect(await stream(kept, [11, 64])).toEqual(await loadFile(kept));
    }
  });

  it('refuses a captured length that would make pcap-parser wait for ever', async () => {
    const source = new PassThrough();
    const trace = newTrace();
    const loading = loadStream(trace, 'live', source);
    source.write(pcap([packet(60)]));
    source.write(new Bytes(false).u32(1).u32(1).u32(262145).u32(60).done());
    await loading;
    expect(contents(trace).source).toMatchObject({
      packets: 1,
      truncated: { offset: 100, packet: 2, reason: 'captured length 262145 is above the 262144 bytes a frame may have' },
    });
  });

  it('stops at a packet whose made-up header makes it too long, as the file reader does', async () => {
    const bytes = pcap([packet(20, 2), { data: Buffer.alloc(262144, 0x45), timeNs: 0n, originalLength: 262144 }, packet(20)], {
      linkType: 101,
    });
    expect(await stream(bytes, [65536])).toEqual(await loadFile(bytes));
  });

  it('ends with the error of the stream and keeps what came before', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield pcap([packet(60), packet(61)]);
      throw new Error('the cable was pulled');
    }
    const trace = newTrace();
    await loadStream(trace, 'stream', broken());
    expect(contents(trace).source).toMatchObject({
      packets: 2,
      truncated: { offset: 177, packet: 3, reason: 'reading failed: the cable was pulled' },
    });
  });

  it('passes on what the trace refuses', async () => {
    const trace = newTrace(64 * 1024);
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield pcapHeader();
      for (;;) yield pcapRecord(packet(1000));
    }
    expect(await failure(() => loadStream(trace, 'big', endless()))).toMatchObject({ code: 'CAPTURE_TOO_LARGE' });
  });
});

describe('other formats', () => {
  const plain = pcap(written);
  const blocks = Buffer.concat([section(true), iface(true), enhanced(true, 0, 5n, frame(60))]);
  it.each([
    ['pcapng', blocks, 'pcapng be'],
    ['modified pcap', pcap(written, { variant: 'modified' }), 'pcap modified µs le'],
    ['gzip', gzipSync(plain), 'gzip(pcap µs le)'],
    ['gzip of pcapng', gzipSync(blocks), 'gzip(pcapng be)'],
  ])('%s is known by its first bytes', async (_name, bytes, format) => {
    const read = await stream(bytes, [1, 50]);
    expect(read).toEqual(await loadFile(bytes));
    expect(read.source).toMatchObject({ format, truncated: null });
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'the input is empty'],
    ['a cut file header', pcapHeader().subarray(0, 20), 'the input ends inside its file header'],
    ['another version', pcapHeader({ version: [2, 3] }), 'pcap version 2.3 is not 2.4'],
    ['text', Buffer.from('x'.repeat(100)), '0x78787878'],
  ])('%s is refused under the name of the stream', async (_name, bytes, reason) => {
    const refused = await failure(() => stream(bytes, [7]));
    expect(refused.code).toBe('CAPTURE_UNREADABLE');
    expect(refused.message).toContain('stream: ');
    expect(refused.message).toContain(reason);
  });
});

describe('live', () => {
  it.each([
    ['pcap', pcapHeader(), (index: number) => pcapRecord(packet(60, index))],
    ['pcapng', Buffer.concat([section(false), iface(false)]), (index: number) => enhanced(false, 0, 1n, frame(60, index))],
  ])('%s packets are in the trace as soon as they arrive', async (_name, header, record) => {
    const source = new PassThrough();
    const trace = newTrace();
    const loading = loadInputs(trace, ['-'], source);
    expect(loading.live).toBe(true);
    source.write(header);
    for (let count = 1; count <= 5; count += 1) {
      source.write(record(count));
      await until(() => trace.info().packets === count);
      expect(trace.info().sources).toMatchObject([{ path: '-', packets: count, truncated: null }]);
    }
    source.end();
    await loading.loaded;
    expect(trace.info().packets).toBe(5);
  });

  it('stops waiting when told to, and says so', async () => {
    const source = new PassThrough();
    const loading = loadInputs(newTrace(), ['-'], source);
    source.write(pcap([packet(60)]));
    loading.stop();
    expect(await failure(() => loading.loaded)).toMatchObject({ code: 'TRACE_CLOSED' });
    expect(source.destroyed).toBe(true);
  });

  it('closes a pipe that it reads no further', async () => {
    const source = new PassThrough();
    const loading = loadInputs(newTrace(), ['-'], source);
    source.write(Buffer.concat([pcapHeader(), Buffer.alloc(16, 0xff)]));
    await loading.loaded;
    expect(source.destroyed).toBe(true);
  });

  it('reads a pipe of the system, without warnings', async () => {
    const file = temporaryFile(pcap(written));
    const child = spawn('cat', [file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const warnings: Error[] = [];
    const listener = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listener);
    const trace = newTrace();
    await loadInputs(trace, ['-'], child.stdout).loaded;
    await once(child, 'close');
    process.off('warning', listener);
    expect(trace.info().packets).toBe(written.length);
    expect(warnings).toEqual([]);
  });

  it('reads a FIFO by its path', async () => {
    const fifo = temporaryFile(Buffer.alloc(0), 'unused').replace('unused', 'fifo');
    await once(spawn('mkfifo', [fifo]), 'close');
    const writer = spawn('sh', ['-c', 'cat "$0" > "$1"', temporaryFile(pcap(written)), fifo]);
    const trace = newTrace();
    const loading = loadInputs(trace, [fifo]);
    expect(loading.live).toBe(true);
    await loading.loaded;
    expect(trace.info()).toMatchObject({ packets: written.length, sources: [{ path: fifo }] });
    expect(writer.pid).toBeGreaterThan(0);
  });
});

it('reads a stream of Node in its own chunks', async () => {
  const trace = newTrace();
  await loadStream(trace, 'file', createReadStream(temporaryFile(pcap(written)), { highWaterMark: 100 }));
  expect(trace.info().packets).toBe(written.length);
});
