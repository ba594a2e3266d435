/** Synthetic traffic, read back by a parser and a checksum of its own: sizes, shares, addresses, checksums, determinism. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { DEFAULT_SPEC, generateCapture, randomSource, shuffledShares, type TrafficSpec } from '../../harness/generate.js';
import { trafficSpec } from '../../harness/traffic-options.js';
import { invoke } from './fake.js';

const folder = mkdtempSync(join(tmpdir(), 'model-t-generate-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Packet {
  readonly timeNs: bigint;
  readonly frame: Buffer;
  readonly vlan: number | null;
  readonly version: 4 | 6;
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly ip: Buffer;
  readonly l4: Buffer;
}

const generate = (changes: Partial<TrafficSpec>): Buffer => Buffer.concat([...generateCapture({ ...DEFAULT_SPEC, ...changes })]);

function readBack(file: Buffer): Packet[] {
  expect([file.readUInt32LE(0), file.readUInt16LE(4), file.readUInt16LE(6), file.readUInt32LE(20)]).toEqual([
    0xa1b23c4d, 2, 4, 1,
  ]);
  const packets: Packet[] = [];
  for (let at = 24; at < file.length; ) {
    const [seconds, nanos, captured, original] = [0, 4, 8, 12].map((field) => file.readUInt32LE(at + field)) as [
      number,
      number,
      number,
      number,
    ];
    expect(captured).toBe(original);
    expect(nanos).toBeLessThan(1e9);
    packets.push(dissect(file.subarray(at + 16, at + 16 + captured), BigInt(seconds) * 1_000_000_000n + BigInt(nanos)));
    at += 16 + captured;
    expect(at).toBeLessThanOrEqual(file.length);
  }
  return packets;
}

function dissect(frame: Buffer, timeNs: bigint): Packet {
  const tagged = frame.readUInt16BE(12) === 0x8100;
  const ip = frame.subarray(tagged ? 18 : 14);
  const version = frame.readUInt16BE(tagged ? 16 : 12) === 0x0800 ? 4 : 6;
  expect((ip[0] ?? 0) >> 4).toBe(version);
  const header = version === 4 ? 20 : 40;
  expect(version === 4 ? ip.readUInt16BE(2) : ip.readUInt16BE(4) + 40).toBe(ip.length);
  const [source, destination] =
    version === 4 ? [ip.subarray(12, 16), ip.subarray(16, 20)] : [ip.subarray(8, 24), ip.subarray(24, 40)];
  return {
    timeNs,
    frame,
    vlan: tagged ? frame.readUInt16BE(14) & 0xfff : null,
    version,
    protocol: (version === 4 ? ip[9] : ip[6]) ?? 0,
    source: source.toString('hex'),
    destination: destination.toString('hex'),
    ip,
    l4: ip.subarray(header),
  };
}

/** Sum over 16-bit words that is ffff when a checksum among them is right; bytes and bigints, unlike the code under test. */
function onesComplement(...parts: Buffer[]): number {
  const bytes = Buffer.concat(parts.map((part) => (part.length % 2 ? Buffer.concat([part, Buffer.alloc(1)]) : part)));
  let total = 0n;
  for (let at = 0; at < bytes.length; at += 2) total += BigInt(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  return Number(total % 0xffffn) || (total > 0n ? 0xffff : 0);
}

function pseudoHeader(packet: Packet): Buffer {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(packet.l4.length, 0);
  tail[7] = packet.protocol;
  return Buffer.concat([Buffer.from(packet.source + packet.destination, 'hex'), tail]);
}

function expectRightChecksums(packet: Packet): void {
  if (packet.version === 4) expect(onesComplement(packet.ip.subarray(0, 20))).toBe(0xffff);
  if (packet.protocol === 1) expect(onesComplement(packet.l4)).toBe(0xffff);
  else expect(onesComplement(pseudoHeader(packet), packet.l4)).toBe(0xffff);
  if (packet.protocol === 17) {
    expect(packet.l4.readUInt16BE(4)).toBe(packet.l4.length);
    expect(packet.l4.readUInt16BE(6)).not.toBe(0);
  }
}

const count = <Key>(keys: readonly Key[]): Map<Key, number> => {
  const counts = new Map<Key, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
};

describe('packets', () => {
  it('of every kind have right lengths and checksums', () => {
    const spec = fc.record({
      packets: fc.integer({ min: 1, max: 60 }),
      sizes: fc.array(fc.tuple(fc.integer({ min: 78, max: 2000 }), fc.integer({ min: 1, max: 5 })), {
        minLength: 1,
        maxLength: 4,
      }),
      protocols: fc.subarray(
        [
          ['udp', 1],
          ['tcp', 2],
          ['icmp', 1],
        ] as ['udp' | 'tcp' | 'icmp', number][],
        { minLength: 1 },
      ),
      hosts: fc.integer({ min: 1, max: 300 }),
      flows: fc.integer({ min: 1, max: 50 }),
      ipv6: fc.constantFrom(0, 0.5, 1),
      vlan: fc.constantFrom(0, 0.5, 1),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(spec, (changes) => {
        const packets = readBack(generate(changes));
        expect(packets).toHaveLength(changes.packets);
        packets.forEach(expectRightChecksums);
      }),
      { numRuns: 60 },
    );
  });

  it('share sizes exactly as the weights say, in every group, shuffled', () => {
    const sizes = readBack(generate({ packets: 1200 })).map((packet) => packet.frame.length);
    expect(count(sizes)).toEqual(
      new Map([
        [60, 700],
        [590, 400],
        [1514, 100],
      ]),
    );
    for (let group = 0; group < sizes.length; group += 12)
      expect(sizes.slice(group, group + 12).filter((size) => size === 60)).toHaveLength(7);
    expect(
      new Set(Array.from({ length: 100 }, (_, group) => sizes.slice(12 * group, 12 * group + 12).join())).size,
    ).toBeGreaterThan(50);
  });

  it('share flows, protocols, versions and tags as asked', () => {
    const spec = {
      packets: 2000,
      flows: 200,
      hosts: 20,
      sizes: [[200, 1]] as const,
      protocols: [
        ['udp', 3],
        ['tcp', 1],
      ] as const,
      ipv6: 0.25,
      vlan: 0.1,
    };
    const packets = readBack(generate(spec));
    const flows = count(
      packets.map((packet) => `${packet.source} ${packet.l4.readUInt32BE(0)} ${packet.protocol} ${packet.destination}`),
    );
    expect(flows.size).toBe(200);
    expect(new Set(flows.values())).toEqual(new Set([10]));
    expect(count(packets.map((packet) => packet.version))).toEqual(
      new Map([
        [4, 1500],
        [6, 500],
      ]),
    );
    expect(packets.filter((packet) => packet.vlan !== null)).toHaveLength(200);
    expect(packets.filter((packet) => packet.protocol === 17)).toHaveLength(1500);
    expect(new Set(packets.filter((packet) => packet.version === 4).map((packet) => packet.source)).size).toBeLessThanOrEqual(20);
  });

  it('carry TCP sequence numbers without holes within a flow', () => {
    const next = new Map<number, number>();
    for (const { l4 } of readBack(generate({ packets: 300, flows: 3, protocols: [['tcp', 1]] }))) {
      const flow = l4.readUInt32BE(0);
      expect(l4.readUInt32BE(4)).toBe(next.get(flow) ?? 1);
      next.set(flow, l4.readUInt32BE(4) + l4.length - 20);
    }
    expect(next.size).toBe(3);
  });

  it('leave the UDP checksum out for IPv4 only, when asked', () => {
    const packets = readBack(generate({ packets: 200, sizes: [[100, 1]], ipv6: 0.5, udpChecksum: 'zero' }));
    for (const packet of packets) {
      if (packet.version === 4) expect(packet.l4.readUInt16BE(6)).toBe(0);
      else expectRightChecksums(packet);
    }
  });

  it('are spaced by the interval, past whole seconds too', () => {
    const times = readBack(generate({ packets: 4, intervalNs: 400_000_001 })).map((packet) => packet.timeNs);
    expect(times.map((time) => time - (times[0] ?? 0n))).toEqual([0n, 400000001n, 800000002n, 1200000003n]);
  });
});

describe('determinism', () => {
  const digest = (changes: Partial<TrafficSpec>): string => createHash('sha256').update(generate(changes)).digest('hex');

  it('the same spec gives the same bytes, another seed others', () => {
    expect(digest({ packets: 500 })).toBe(digest({ packets: 500 }));
    expect(digest({ packets: 500, seed: 2 })).not.toBe(digest({ packets: 500 }));
  });

  it('the default is the same on every machine and in every version', () => {
    expect(digest({ packets: 1000 })).toBe('d4fddd0703899ef624998d8b3606b827400d11b168a547b7c28a3ed38fd6a004');
  });

  it('chunks split the file, never change it', () => {
    const chunks = [...generateCapture({ ...DEFAULT_SPEC, packets: 3000, sizes: [[1514, 1]] })];
    expect(chunks.length).toBeGreaterThan(3);
    expect(readBack(Buffer.concat(chunks))).toHaveLength(3000);
  });

  it('shares are exact whatever the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), fc.nat(), (weights, seed) => {
        const draw = shuffledShares(
          weights.map((weight, index) => [index, weight] as const),
          randomSource(seed),
        );
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const drawn = count(Array.from({ length: 2 * total }, draw));
        weights.forEach((weight, index) => {
          expect(drawn.get(index)).toBe(2 * weight);
        });
      }),
    );
  });
});

describe('trace gen', () => {
  it('writes the whole file under its name and leaves no other', async () => {
    const path = join(folder, 'out.pcap');
    const result = await invoke(['trace', 'gen', '-o', path, '--packets', '100', '--seed', '9', '--protocols', 'icmp']);
    expect(result).toMatchObject({ exitCode: 0, out: [expect.stringContaining('100 packets')] });
    expect(readFileSync(path)).toEqual(generate({ packets: 100, seed: 9, protocols: [['icmp', 1]] }));
    expect(readdirSync(folder)).toEqual(['out.pcap']);
  });

  it('a refused spec leaves no file and keeps the old one', async () => {
    const path = join(folder, 'kept.pcap');
    writeFileSync(path, 'before');
    expect((await invoke(['trace', 'gen', '-o', path, '--sizes', '60', '--protocols', 'tcp', '--ipv6', '1'])).exitCode).toBe(2);
    expect(readFileSync(path, 'utf8')).toBe('before');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('reads the same fields from JSON, under the flags', () => {
    const json = '{"packets": 12, "sizes": "100:3,200", "ipv6": 0.5, "udpChecksum": "zero", "interval": "2us"}';
    expect(trafficSpec({ packets: '7' }, json)).toEqual({
      ...DEFAULT_SPEC,
      packets: 7,
      sizes: [
        [100, 3],
        [200, 1],
      ],
      ipv6: 0.5,
      udpChecksum: 'zero',
      intervalNs: 2000,
    });
  });

  it.each([
    ['{', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['{"packet": 1}', '"packet"'],
    ['{"packets": null}', '"packets"'],
    ['{"packets": 1.5}', '"1.5"'],
    ['{"toString": 1}', '"toString"'],
  ])('refuses the spec %s', (json, culprit) => {
    expect(() => trafficSpec({}, json)).toThrow(culprit);
  });
});
