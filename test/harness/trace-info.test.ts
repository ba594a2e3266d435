/** `model-t trace info` against made-up captures. */
import { describe, expect, it } from 'vitest';
import { invoke, SOURCE } from './fake.js';

describe('trace info', () => {
  it('says format, link types, counts, sizes, times and the average rate with its layers', async () => {
    const { out, exitCode, calls } = await invoke(['trace', 'info', 'a.pcap']);
    expect(exitCode).toBe(0);
    expect(calls).toEqual(['open', 'close']);
    expect(out).toEqual([
      'a.pcap: pcap µs le, 1,000 packets, 60,000 bytes',
      '  link types: Ethernet (1) 1,000',
      'total: 1,000 packets, 60,000 bytes captured, 62.5 KiB of slots',
      'sizes: 60 to 60 bytes, mean 60.0',
      'time: 1970-01-01T00:00:01.000000000Z to 1970-01-01T00:00:03.000000000Z',
      'duration: 2.000000000 s',
      'average rate: 500 pps, 240.0 kbit/s L2, 336.0 kbit/s wire',
    ]);
  });

  it('says what was left out, made up and cut', async () => {
    const trace = {
      sources: [
        { ...SOURCE, skipped: { 'unknown link type 147': 2 }, truncated: { offset: 99, packet: 3, reason: 'ends in a record' } },
      ],
      headerGiven: 7,
      snaplenTruncated: 1,
    };
    const text = (await invoke(['trace', 'info', 'a.pcap'], { trace })).out.join('\n');
    expect(text).toContain('not replayed: unknown link type 147 2');
    expect(text).toContain('given an Ethernet header: 7 packets');
    expect(text).toContain('warning: a.pcap: truncated at offset 99, in packet 3: ends in a record');
    expect(text).toContain('warning: 1 packet captured in part only');
  });

  it('an empty capture has no sizes, times or rate', async () => {
    const trace = { packets: 0, bytes: 0, slotBytes: 0, firstTimeNs: null, lastTimeNs: null, smallest: 0, largest: 0 };
    const { out } = await invoke(['trace', 'info', 'a.pcap'], { trace });
    expect(out.at(-1)).toBe('total: 0 packets, 0 bytes captured, 0 B of slots');
    const json = JSON.parse((await invoke(['trace', 'info', '--json', 'a.pcap'], { trace })).out.join('\n')) as object;
    expect(json).toMatchObject({ packets: 0, durationSeconds: null, mean: null, packetsPerSecond: null });
  });

  it('a single packet has a time but no rate', async () => {
    const { out } = await invoke(['trace', 'info', 'a.pcap'], { trace: { packets: 1, firstTimeNs: 5n, lastTimeNs: 5n } });
    expect(out).toContain('duration: 0.000000000 s');
    expect(out.join('\n')).not.toContain('rate');
  });

  it('times no calendar has are printed as they are', async () => {
    const { out } = await invoke(['trace', 'info', 'a.pcap'], { trace: { firstTimeNs: 0n, lastTimeNs: 2n ** 64n - 1n } });
    expect(out.join('\n')).toMatch(/to 2554-07-21T23:34:33\.709551615Z/);
    const beyond = await invoke(['trace', 'info', 'a.pcap'], { trace: { firstTimeNs: 0n, lastTimeNs: 10n ** 22n } });
    expect(beyond.out.join('\n')).toContain(`to ${10n ** 22n} ns since 1970`);
  });

  it('--json holds everything, nanoseconds as text', async () => {
    const { out } = await invoke(['trace', 'info', '--json', 'a.pcap']);
    expect(JSON.parse(out.join('\n'))).toMatchObject({
      schema: 'model-t/trace-info',
      packets: 1000,
      firstTimeNs: '1000000000',
      durationSeconds: 2,
      mean: 60,
      bitsPerSecond: 240000,
    });
  });
});
