/** Classic pcap: every variant and byte order, and everything that can be wrong with one. */
import { describe, expect, it } from 'vitest';
import { contents, failure, feed, loadFile, newTrace, temporaryFile } from './helpers.js';
import { Bytes, frame, packet, pcap, pcapHeader, pcapRecord } from './writer.js';

const VARIANTS = [
  { variant: 'us', big: false, format: 'pcap µs le', time: 1_700_000_000_123_456_000n },
  { variant: 'us', big: true, format: 'pcap µs be', time: 1_700_000_000_123_456_000n },
  { variant: 'ns', big: false, format: 'pcap ns le', time: 1_700_000_000_123_456_789n },
  { variant: 'ns', big: true, format: 'pcap ns be', time: 1_700_000_000_123_456_789n },
  { variant: 'modified', big: false, format: 'pcap modified µs le', time: 1_700_000_000_123_456_000n },
  { variant: 'modified', big: true, format: 'pcap modified µs be', time: 1_700_000_000_123_456_000n },
] as const;

describe.each(VARIANTS)('$format', ({ variant, big, format, time }) => {
  it('gives back the packets that were written', async () => {
    const written = [
      packet(60, 1, 1_700_000_000_123_456_789n),
      { data: frame(64, 2), timeNs: 2n ** 32n * 1_000_000_000n - 1n, originalLength: 1514 },
    ];
    const read = await loadFile(pcap(written, { variant, big }));
    expect(read.source.format).toBe(format);
    expect(read.source.truncated).toBeNull();
    expect(read.source.linkTypes).toEqual([{ value: 1, name: 'EN10MB', packets: 2 }]);
    expect(read.packets.map((one) => one.data)).toEqual(written.map((one) => Buffer.from(one.data).toString('hex')));
    expect(read.packets[0]?.timeNs).toBe(time);
    expect(read.packets[1]?.originalLength).toBe(1514);
  });

  it('keeps what is whole, wherever the file is cut', () => {
    const written = [packet(14, 1), packet(0, 2), packet(21, 3)];
    const whole = pcap(written, { variant, big });
    const ends = [24];
    for (const one of written) ends.push((ends.at(-1) ?? 0) + pcapRecord(one, { variant, big }).length);
    for (let cut = 24; cut <= whole.length; cut += 1) {
      const read = feed(whole.subarray(0, cut), [cut]);
      const kept = ends.filter((end) => end <= cut).length - 1;
      expect(read.packets.length).toBe(kept);
      const truncated = { offset: ends[kept], packet: kept + 1, reason: 'the input ends inside a packet' };
      expect(read.source.truncated).toEqual(ends.includes(cut) ? null : truncated);
    }
  });

  it('is unreadable when cut inside the file header', async () => {
    for (let cut = 1; cut < 24; cut += 1) {
      const { code, message } = await failure(() => loadFile(pcapHeader({ variant, big }).subarray(0, cut)));
      expect(code).toBe('CAPTURE_UNREADABLE');
      expect(message).toContain('the input ends inside its file header');
    }
  });
});

describe('odd but readable', () => {
  it('takes fractions beyond a second as they add up', async () => {
    const record = new Bytes(false).u32(10).u32(1_500_000).u32(0).u32(0).done();
    const read = await loadFile(Buffer.concat([pcapHeader(), record]));
    expect(read.packets[0]?.timeNs).toBe(11_500_000_000n);
  });

  it('raises an original length that is below the captured one', async () => {
    const read = await loadFile(pcap([{ data: frame(60), timeNs: 0n, originalLength: 0 }]));
    expect(read.packets[0]?.originalLength).toBe(60);
  });

  it('reads the link type without the bits that announce a frame check sequence', async () => {
    const read = await loadFile(pcap([packet(60)], { linkType: 0x24000001 }));
    expect(read.source.linkTypes).toEqual([{ value: 1, name: 'EN10MB', packets: 1 }]);
  });

  it('reads a capture of no packets', async () => {
    expect(await loadFile(pcapHeader())).toMatchObject({ packets: [], source: { packets: 0, bytes: 0, truncated: null } });
  });

  it('takes frames up to 256 KiB and no longer', async () => {
    const largest = packet(262144);
    expect((await loadFile(pcap([largest]))).packets[0]?.data.length).toBe(2 * 262144);
    const read = await loadFile(pcap([packet(60), packet(262145), packet(60)]));
    expect(read.packets.length).toBe(1);
    expect(read.source.truncated).toEqual({
      offset: 24 + 16 + 60,
      packet: 2,
      reason: 'captured length 262145 is above the 262144 bytes a frame may have',
    });
  });

  it('stops at a length that is nonsense, without waiting for the bytes', () => {
    const nonsense = new Bytes(false).u32(0).u32(0).u32(0xffffffff).u32(60).done();
    const trace = newTrace();
    trace.beginSource('fed');
    expect(trace.feed(pcap([packet(60)]))).toBe(true);
    expect(trace.feed(nonsense)).toBe(false);
    trace.endSource();
    expect(contents(trace).source.truncated?.reason).toContain('captured length 4294967295');
  });
});

describe('counts', () => {
  it('tells sizes, times and what is odd about them', async () => {
    const trace = newTrace();
    const written = [
      packet(60, 1, 5_000_000_000n),
      packet(1514, 2, 3_000_000_000n),
      { ...packet(100, 3, 9_000_000_000n), originalLength: 200 },
    ];
    await trace.load(temporaryFile(pcap(written)));
    await trace.load(temporaryFile(pcap([packet(61, 4, 1_000_000_000n)])));
    trace.complete();
    expect(trace.info()).toMatchObject({
      packets: 4,
      bytes: 60 + 1514 + 100 + 61,
      slotBytes: 64 + 1536 + 128 + 64,
      firstTimeNs: 1_000_000_000n,
      lastTimeNs: 9_000_000_000n,
      backwardTimestamps: 2,
      snaplenTruncated: 1,
      smallest: 60,
      largest: 1514,
      headerGiven: 0,
      sources: [{ packets: 3 }, { packets: 1, bytes: 61 }],
    });
  });
});

describe('unreadable', () => {
  const cases: [string, Buffer, string, string][] = [
    ['an empty file', Buffer.alloc(0), 'the input is empty', 'pcap or pcapng'],
    ['text', Buffer.from('hello, world, this is no capture'), '0x68656c6c', 'editcap'],
    ['version 2.2', pcapHeader({ version: [2, 2] }), 'pcap version 2.2 is not 2.4', 'editcap'],
    ['bzip2', Buffer.from('BZh91AY&SY'), 'bzip2', 'bunzip2'],
    ['xz', Buffer.from('fd377a585a0000', 'hex'), 'xz', 'unxz'],
    ['lz4', Buffer.from('04224d1864', 'hex'), 'lz4', 'unlz4'],
    ['zip', Buffer.from('504b0304', 'hex'), 'zip', 'Unpack'],
    ['snoop', Buffer.from('snoop\0\0\0'), 'snoop', 'editcap'],
  ];
  it.each(cases)('%s is refused with file, place, value and remedy', async (_name, bytes, reason, remedy) => {
    const file = temporaryFile(bytes);
    const refused = await failure(() => newTrace().load(file));
    expect(refused.code).toBe('CAPTURE_UNREADABLE');
    expect(refused.message).toContain(file);
    expect(refused.message).toContain('at byte 0');
    expect(refused.message).toContain(reason);
    expect(refused.remedy).toContain(remedy);
  });

  it('says so for what cannot be opened', async () => {
    const refused = await failure(() => newTrace().load('/nowhere/at all.pcap'));
    expect(refused.message).toContain('/nowhere/at all.pcap: cannot be opened: No such file');
    expect((await failure(() => newTrace().load('/dev/null'))).message).toContain('not a regular file');
  });
});
