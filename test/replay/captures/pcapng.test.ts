/** pcapng: every packet block, byte order, resolution and section, and everything that can be wrong with them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failure, feed, loadFile } from './helpers.js';
import { Bytes, block, enhanced, frame, iface, obsolete, option, section, simple } from './writer.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Microseconds, unless an interface says otherwise. */
const TICKS = 1_700_000_000_123_456n;

describe.each([{ big: false }, { big: true }])('big-endian: $big', ({ big }) => {
  const order = big ? 'be' : 'le';

  it('reads enhanced, simple and obsolete packet blocks, and skips the others', async () => {
    const parts = [
      section(big),
      block(big, 0x80000001, frame(13)),
      iface(big, { snapLength: 100 }),
      enhanced(big, 0, TICKS, frame(61, 1), 1000),
      block(big, 4, frame(40)),
      simple(big, frame(70, 2)),
      block(big, 0x0bad, frame(3)),
      obsolete(big, 0, TICKS + 1n, frame(62, 3), 2000),
      block(big, 5, frame(8)),
      simple(big, frame(100, 4), 300),
    ];
    const read = await loadFile(Buffer.concat(parts));
    expect(read.source).toMatchObject({ format: `pcapng ${order}`, truncated: null, packets: 4 });
    expect(read.packets).toEqual([
      { data: hex(frame(61, 1)), timeNs: TICKS * 1000n, originalLength: 1000, kind: 'ethernet' },
      { data: hex(frame(70, 2)), timeNs: TICKS * 1000n, originalLength: 70, kind: 'ethernet' },
      { data: hex(frame(62, 3)), timeNs: (TICKS + 1n) * 1000n, originalLength: 2000, kind: 'ethernet' },
      { data: hex(frame(100, 4)), timeNs: (TICKS + 1n) * 1000n, originalLength: 300, kind: 'ethernet' },
    ]);
  });

  it('counts interfaces anew in each section, and changes byte order with it', async () => {
    const parts = [
      section(big),
      iface(big),
      iface(big, { linkType: 127 }),
      enhanced(big, 1, 5n, frame(20, 1)),
      section(!big, 1, 12345n),
      iface(!big, { resolution: 9 }),
      enhanced(!big, 0, 5n, frame(20, 2)),
    ];
    const read = await loadFile(Buffer.concat(parts));
    expect(read.source.format).toBe('pcapng be+le');
    expect(read.packets.map((one) => [one.timeNs, one.kind])).toEqual([
      [5000n, 'opaque'],
      [5n, 'ethernet'],
    ]);
    expect(read.source.linkTypes).toEqual([
      { value: 1, name: 'EN10MB', packets: 1 },
      { value: 127, name: 'IEEE802_11_RADIO', packets: 1 },
    ]);
  });

  it.each([
    ['seconds', 0, 0n, 7n, 7_000_000_000n],
    ['milliseconds', 3, 0n, 7n, 7_000_000n],
    ['nanoseconds', 9, 0n, TICKS, TICKS],
    ['picoseconds, cut', 12, 0n, 1_999n, 1n],
    ['10^-127', 127, 0n, 2n ** 64n - 1n, 0n],
    ['2^-0', 0x80, 0n, 7n, 7_000_000_000n],
    ['2^-10', 0x8a, 0n, 1025n, 1_000_976_562n],
    ['2^-32 with all bits', 0xa0, 0n, 2n ** 64n - 1n, 4_294_967_295_999_999_999n],
    ['2^-127', 0xff, 0n, 2n ** 64n - 1n, 0n],
    ['an offset', 6, 1_000n, 1n, 1_000_000_001_000n],
    ['an offset backwards', 9, -3n, 5_000_000_000n, 2_000_000_000n],
    ['times before 1970, held at 0', 9, -3n, 1n, 0n],
    ['times beyond 2554, held at the last', 0, 0n, 2n ** 64n - 1n, 2n ** 64n - 1n],
    ['offsets beyond any time', 6, 2n ** 63n - 1n, 0n, 2n ** 64n - 1n],
  ])('converts %s exactly', async (_name, resolution, offsetSeconds, ticks, expected) => {
    const parts = [section(big), iface(big, { resolution, offsetSeconds }), enhanced(big, 0, ticks, frame(60))];
    expect((await loadFile(Buffer.concat(parts))).packets[0]?.timeNs).toBe(expected);
  });

  it('keeps what is whole, wherever the file is cut', () => {
    const parts = [
      section(big),
      iface(big),
      enhanced(big, 0, 1n, frame(14)),
      block(big, 99, frame(9)),
      simple(big, frame(3)),
      obsolete(big, 0, 1n, frame(5)),
    ];
    const holds = [0, 0, 1, 0, 1, 1];
    const whole = Buffer.concat(parts);
    const ends = parts.map((_, index) => Buffer.concat(parts.slice(0, index + 1)).length);
    for (let cut = 16; cut <= whole.length; cut += 1) {
      const read = feed(whole.subarray(0, cut), [cut]);
      const blocks = ends.filter((end) => end <= cut).length;
      const kept = holds.slice(0, blocks).reduce((sum, one) => sum + one, 0);
      expect(read.packets.length).toBe(kept);
      const truncated = { offset: ends[blocks - 1] ?? 0, packet: kept + 1, reason: 'the input ends inside a block' };
      expect(read.source.truncated).toEqual(ends.includes(cut) ? null : truncated);
    }
  });

  const start = [section(big), iface(big), enhanced(big, 0, 1n, frame(60))];
  const words = (...values: number[]): Buffer => values.reduce((bytes, value) => bytes.u32(value), new Bytes(big)).done();
  const wrongEnd = (bytes: Buffer): Buffer => Buffer.concat([bytes.subarray(0, -4), words(4)]);
  const broken: [string, Buffer, string][] = [
    ['a block length below 12', words(6, 8, 8), 'block length 8 is not'],
    ['a block length that is no multiple of 4', words(6, 33, 0, 0, 0, 0, 0, 0, 0), 'block length 33 is not'],
    ['a packet block above 16 MiB', words(6, 0x1000004), 'block length 16777220 is above'],
    ['a repeated length that differs', wrongEnd(enhanced(big, 0, 1n, frame(60))), 'is repeated as 4'],
    ['a skipped block whose repeated length differs', wrongEnd(block(big, 77, frame(8))), 'block length 20 is repeated as 4'],
    ['an interface that does not exist', enhanced(big, 1, 1n, frame(60)), 'interface 1 is not among the 1'],
    ['an obsolete block of no interface', obsolete(big, 0xffff, 1n, frame(60)), 'interface 65535 is not among the 1'],
    ['a captured length beyond the block', block(big, 6, words(0, 0, 0, 61, 61, 0)), 'captured length 61 is beyond the 4 bytes'],
    ['a simple packet beyond the block', simple(big, frame(8), 9), 'captured length 9 is beyond the 8 bytes'],
    ['an enhanced block without its fields', block(big, 6, words(0, 0, 0)), 'packet block of 24 bytes'],
    ['a simple block without its fields', block(big, 3, Buffer.alloc(0)), 'packet block of 12 bytes'],
    ['an interface block without its fields', block(big, 1, words(1)), 'interface block of 16 bytes'],
    [
      'an option beyond its block',
      block(big, 1, Buffer.concat([words(1, 0), option(big, 2, frame(8)).subarray(0, 8)])),
      'option 2 of 8 bytes',
    ],
    ['a frame above 256 KiB', enhanced(big, 0, 1n, frame(262145)), 'frame length 262145 is above'],
    ['a section of another byte-order magic', block(big, 0x0a0d0d0a, words(0x12345678, 0, 0, 0)), 'byte-order magic 0x'],
    ['a section of version 2', section(big, 2), 'pcapng version 2.0 is not 1.x'],
  ];
  it.each(broken)('stops at %s and keeps what was before', async (_name, bad, reason) => {
    const read = await loadFile(Buffer.concat([...start, bad, ...start]));
    expect(read.packets.length).toBe(1);
    expect(read.source.truncated).toMatchObject({ offset: Buffer.concat(start).length, packet: 2 });
    expect(read.source.truncated?.reason).toContain(reason);
  });

  it('needs an interface for a simple packet', async () => {
    const read = await loadFile(Buffer.concat([section(big), simple(big, frame(8))]));
    expect(read.source.truncated?.reason).toContain('interface 0 is not among the 0');
  });
});

it('skips unknown blocks of any size without holding them', () => {
  const huge = block(false, 0x40000bad, Buffer.alloc(17 * 1024 * 1024));
  const file = Buffer.concat([section(false), iface(false), huge, enhanced(false, 0, 1n, frame(60))]);
  expect(feed(file, [65536])).toMatchObject({ packets: [{ data: hex(frame(60)) }], source: { truncated: null } });
});

it('refuses more than 65536 interfaces in a section', () => {
  const one = block(false, 1, Buffer.alloc(8));
  const read = feed(Buffer.concat([section(false), Buffer.concat(Array.from({ length: 65537 }, () => one))]), [1 << 20]);
  expect(read.source.truncated?.reason).toContain('more than 65536 interfaces');
});

it.each([
  ['the byte-order magic', block(false, 0x0a0d0d0a, Buffer.alloc(16)), '0x00000000'],
  ['the version', section(false, 7), 'pcapng version 7.0'],
])('a first section with a wrong %s is unreadable', async (_name, bytes, reason) => {
  const refused = await failure(() => loadFile(bytes));
  expect(refused.code).toBe('CAPTURE_UNREADABLE');
  expect(refused.message).toContain(reason);
});

/** The conversion in arbitrary precision, against the native one. */
function referenceNs(ticks: bigint, resolution: number, offsetSeconds: bigint): bigint {
  const exponent = BigInt(resolution & 0x7f);
  const ns =
    ((resolution & 0x80) !== 0 ? (ticks * 1_000_000_000n) >> exponent : (ticks * 1_000_000_000n) / 10n ** exponent) +
    offsetSeconds * 1_000_000_000n;
  return ns < 0n ? 0n : ns > 2n ** 64n - 1n ? 2n ** 64n - 1n : ns;
}

it('converts times as arbitrary precision does', () => {
  const cases = fc.tuple(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.nat(255),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  const near = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(255), fc.bigInt({ min: -1000n, max: 1000n }));
  fc.assert(
    fc.property(fc.oneof(cases, near), ([ticks, resolution, offsetSeconds]) => {
      const bytes = Buffer.concat([
        section(true),
        iface(true, { resolution, offsetSeconds }),
        enhanced(true, 0, ticks, frame(1)),
      ]);
      expect(feed(bytes, [bytes.length]).packets[0]?.timeNs).toBe(referenceNs(ticks, resolution, offsetSeconds));
    }),
    { numRuns: 300 },
  );
});
