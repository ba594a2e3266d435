/** Properties: what was written is read back, however it arrives; file, push and stream reader agree packet by packet. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { feed, loadFile, stream } from './helpers.js';
import { block, enhanced, iface, obsolete, pcap, pcapHeader, section, simple, type TestPacket } from './writer.js';

const bytes = fc.uint8Array({ maxLength: 200 });
const microseconds = fc.bigInt({ min: 0n, max: 2n ** 32n * 1_000_000n - 1n });
const packets: fc.Arbitrary<TestPacket[]> = fc.array(
  fc
    .record({ data: bytes, timeNs: microseconds.map((time) => time * 1000n), extra: fc.nat(3000) })
    .map(({ data, timeNs, extra }) => ({
      data,
      timeNs,
      originalLength: data.length + extra,
    })),
  { maxLength: 12 },
);
const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 6 });
const options = fc.record({
  big: fc.boolean(),
  variant: fc.constantFrom('us' as const, 'ns' as const, 'modified' as const),
  linkType: fc.constantFrom(1, 0, 101, 113, 127, 276),
});
const damage = fc.option(fc.record({ at: fc.nat(), value: fc.nat(255) }), { nil: undefined });

function damaged(whole: Buffer, change: { at: number; value: number } | undefined, from: number): Buffer {
  const copy = Buffer.from(whole);
  if (change !== undefined && copy.length > from) copy[from + (change.at % (copy.length - from))] = change.value;
  return copy;
}

it('pcap: what was written is read', async () => {
  await fc.assert(
    fc.asyncProperty(
      packets,
      fc.boolean(),
      fc.constantFrom('us' as const, 'ns' as const, 'modified' as const),
      async (written, big, variant) => {
        const read = await loadFile(pcap(written, { big, variant }));
        const expected = written.map((one) => ({ ...one, data: Buffer.from(one.data).toString('hex'), kind: 'ethernet' }));
        expect(read.packets).toEqual(expected);
      },
    ),
    { numRuns: 100 },
  );
});

it('pcap: file, pieces and stream agree, damaged, cut or whole', async () => {
  await fc.assert(
    fc.asyncProperty(packets, options, sizes, damage, fc.nat(), async (written, option, cuts, change, cut) => {
      const whole = damaged(pcap(written, option), change, pcapHeader().length);
      const kept = whole.subarray(0, cut % 2 === 0 ? whole.length : Math.max(24, cut % whole.length));
      const file = await loadFile(kept);
      expect(feed(kept, cuts)).toEqual(file);
      expect(await stream(kept, cuts)).toEqual(file);
    }),
    { numRuns: 300 },
  );
});

const blocks = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('enhanced' as const), data: bytes, ticks: fc.bigInt({ min: 0n, max: 2n ** 50n }) }),
    fc.record({ kind: fc.constant('obsolete' as const), data: bytes, ticks: fc.bigInt({ min: 0n, max: 2n ** 50n }) }),
    fc.record({ kind: fc.constant('simple' as const), data: bytes, ticks: fc.constant(0n) }),
    fc.record({ kind: fc.constant('unknown' as const), data: bytes, ticks: fc.constant(0n) }),
    fc.record({ kind: fc.constant('section' as const), data: bytes, ticks: fc.constant(0n) }),
  ),
  { maxLength: 12 },
);

it('pcapng: file, pieces and stream agree with what was written, and with each other when damaged', async () => {
  await fc.assert(
    fc.asyncProperty(blocks, fc.boolean(), sizes, damage, async (written, big, cuts, change) => {
      const write = { enhanced, obsolete };
      const parts = written.map(({ kind, data, ticks }) => {
        if (kind === 'simple') return simple(big, data);
        if (kind === 'unknown') return block(big, 0x7777, data);
        if (kind === 'section') return Buffer.concat([section(big), iface(big)]);
        return write[kind](big, 0, ticks, data);
      });
      const whole = Buffer.concat([section(big), iface(big), ...parts]);
      const file = await loadFile(whole);
      const expected = written.filter(({ kind }) => kind !== 'unknown' && kind !== 'section');
      expect(file.source.truncated).toBeNull();
      expect(file.packets.map((one) => one.data)).toEqual(expected.map(({ data }) => Buffer.from(data).toString('hex')));
      const bad = damaged(whole, change, section(big).length);
      const read = await loadFile(bad);
      expect(feed(bad, cuts)).toEqual(read);
      expect(await stream(bad, cuts)).toEqual(read);
    }),
    { numRuns: 200 },
  );
});
