/** The native class itself: misuse, closing, memory limits, and the headroom it computes from /proc and /sys. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { failure, newTrace, pieces, Trace, temporaryFile, temporaryPath } from './helpers.js';
import { packet, pcap } from './writer.js';

describe('misuse is an exception, never a crash', () => {
  it('of arguments', () => {
    const trace = newTrace();
    const loose = trace as unknown as Record<string, (...values: unknown[]) => unknown>;
    expect(() => loose.load?.(7)).toThrow('path must be a string');
    expect(() => loose.beginSource?.()).toThrow('name must be a string');
    trace.beginSource('bytes');
    expect(() => loose.feed?.('text')).toThrow('data must be a Uint8Array');
    expect(() => loose.feed?.(new Uint16Array(4))).toThrow('data must be a Uint8Array');
    expect(() => loose.packet?.(-1)).toThrow('index must be a number');
    expect(() => loose.addPacket?.(1, 0n, 1, new Uint8Array(1))).toThrow('takes bytes, not packets');
  });

  it('of packets', () => {
    const trace = newTrace();
    const loose = trace as unknown as Record<string, (...values: unknown[]) => unknown>;
    trace.beginSource('packets', { format: 'pcap µs le' });
    expect(() => loose.addPacket?.(1, 0, 1, new Uint8Array(1))).toThrow('timeNs must be a bigint');
    expect(() => loose.addPacket?.(-1, 0n, 1, new Uint8Array(1))).toThrow('linkType must be');
    expect(() => loose.addPacket?.(1, 0n, Number.NaN, new Uint8Array(1))).toThrow('originalLength must be');
    expect(() => trace.feed(new Uint8Array(1))).toThrow('takes packets, not bytes');
    expect(trace.addPacket(1, 0n, 1, new Uint8Array(262145))).toBe(false);
    expect(trace.addPacket(1, 0n, 1, new Uint8Array(262144))).toBe(true);
  });

  it('of order', () => {
    const trace = newTrace();
    expect(() => trace.feed(new Uint8Array(1))).toThrow('no source is open');
    expect(() => trace.endSource()).toThrow('no source is open');
    trace.beginSource('one');
    expect(() => trace.beginSource('two')).toThrow('a source is open');
    expect(() => trace.load('x')).toThrow('a source is open');
    expect(() => trace.complete()).toThrow('a source is open');
    for (const piece of pieces(pcap([]), [24])) trace.feed(piece);
    trace.endSource();
    trace.complete();
    expect(() => trace.beginSource('late')).toThrow('the trace is complete');
  });

  it('while a file is loaded', async () => {
    const trace = newTrace();
    const loading = trace.load(temporaryFile(pcap([packet(60)])));
    expect(() => trace.beginSource('meanwhile')).toThrow('being loaded');
    expect(() => trace.load('x')).toThrow('being loaded');
    await loading;
    expect(trace.info().packets).toBe(1);
  });

  it('after close, which may be called twice and in mid-load', async () => {
    const trace = newTrace();
    const loading = trace.load(temporaryFile(pcap(Array.from({ length: 1000 }, (_, index) => packet(1000, index)))));
    trace.close();
    trace.close();
    expect(await failure(() => loading)).toMatchObject({ code: 'TRACE_CLOSED' });
    expect(() => trace.info()).toThrow('the trace is closed');
  });
});

describe('memory', () => {
  it('refuses what does not fit, by file and by bytes, without losing the counts', async () => {
    const whole = pcap(Array.from({ length: 2000 }, (_, index) => packet(1000, index)));
    const trace = newTrace(1024 * 1024);
    const file = temporaryFile(whole);
    const refused = await failure(() => trace.load(file));
    expect(refused).toMatchObject({ code: 'CAPTURE_TOO_LARGE', remedy: expect.stringContaining('fewer or smaller') });
    /* 1000 bytes take 16 lines, which is a multiple of 1 KiB, so they get a seventeenth. */
    const fitting = Math.floor((1024 * 1024) / (17 * 64));
    expect(refused.message).toContain(
      `no memory is left for more packets (at byte ${24 + fitting * 1016}, packet ${fitting + 1})`,
    );
    expect(trace.info()).toMatchObject({ packets: fitting, slotBytes: fitting * 17 * 64 });
    trace.beginSource('more');
    expect((await failure(() => trace.feed(whole))).code).toBe('CAPTURE_TOO_LARGE');
  });

  it('reserves address space, not memory', () => {
    const before = process.memoryUsage.rss();
    const traces = Array.from({ length: 4 }, () => newTrace(64 * 1024 ** 3));
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
    expect(traces.every((trace) => trace.info().packets === 0)).toBe(true);
  });

  const root = (files: Readonly<Record<string, string>>): string => {
    const directory = temporaryPath('root');
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
      writeFileSync(path.join(directory, name), text);
    }
    return directory;
  };
  const meminfo = 'MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable:   4000 kB\n';
  const version2 = (path: string, max: string): Record<string, string> => ({
    [`sys/fs/cgroup${path}/memory.max`]: max,
    [`sys/fs/cgroup${path}/memory.current`]: '1000000',
    [`sys/fs/cgroup${path}/memory.stat`]: 'anon 5\ninactive_file 300000\nactive_file 200000\n',
  });
  it.each([
    ['the machine alone', { 'proc/meminfo': meminfo }, 4000 * 1024],
    [
      'a v2 group without limit',
      { 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/a\n', ...version2('/a', 'max\n') },
      4000 * 1024,
    ],
    ['a v2 group', { 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/a\n', ...version2('/a', '2000000\n') }, 1_500_000],
    [
      'its parent',
      { 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/a/b\n', ...version2('/a/b', 'max'), ...version2('/a', '700000') },
      200_000,
    ],
    ['the root of a namespace', { 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/\n', ...version2('', '500001') }, 1],
    ['a full group', { 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/\n', ...version2('', '400000') }, 0],
    [
      'a v1 group',
      {
        'proc/meminfo': meminfo,
        'proc/self/cgroup': '5:cpu,memory:/d\n1:name=systemd:/d\n',
        'sys/fs/cgroup/memory/d/memory.limit_in_bytes': '900000',
        'sys/fs/cgroup/memory/d/memory.usage_in_bytes': '800000',
        'sys/fs/cgroup/memory/d/memory.stat': 'total_inactive_file 100\ntotal_active_file 10\n',
      },
      100_110,
    ],
  ])('knows the headroom of %s', (_name, files, expected) => {
    expect(Trace.memoryHeadroom(root(files as Record<string, string>))).toBe(expected);
  });
});
