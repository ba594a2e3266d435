/** gzip and zstd: whole, in several parts, cut and corrupt. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadInputs } from '../../../replay/captures/load.js';
import { ZstdSource } from '../../../replay/captures/zstd.js';
import { type Contents, contents, failure, feed, loadFile, newTrace, stream, temporaryFile } from './helpers.js';
import { Bytes, packet, pcap } from './writer.js';

const written = Array.from({ length: 400 }, (_, index) => packet(60 + ((index * 37) % 1400), index));
const plain = pcap(written);

async function loadAny(bytes: Uint8Array, name?: string): Promise<Contents> {
  const trace = newTrace();
  await loadInputs(trace, [temporaryFile(bytes, name)]).loaded;
  return contents(trace);
}

describe('gzip', () => {
  it('gives the packets of the plain file', async () => {
    const read = await loadFile(gzipSync(plain));
    expect(read.packets).toEqual((await loadFile(plain)).packets);
    expect(read.source).toMatchObject({ format: 'gzip(pcap µs le)', truncated: null });
  });

  it('is recognised by its bytes, not by its name', async () => {
    expect((await loadAny(plain, 'plain.pcap.gz')).source.format).toBe('pcap µs le');
    expect((await loadAny(gzipSync(plain), 'packed.pcap')).source.format).toBe('gzip(pcap µs le)');
  });

  it('reads several members, cut anywhere, and zero padding after them', () => {
    const half = Math.floor(plain.length / 2) + 3;
    const members = [
      gzipSync(plain.subarray(0, half)),
      gzipSync(Buffer.alloc(0)),
      gzipSync(plain.subarray(half)),
      Buffer.alloc(700),
    ];
    const read = feed(Buffer.concat(members), [1, 1000, 7]);
    expect(read.packets.length).toBe(written.length);
    expect(read.source.truncated).toBeNull();
  });

  it('keeps what is whole of a cut stream, and says where it was cut', async () => {
    const packed = gzipSync(plain);
    for (const cut of [packed.length - 1, packed.length - 9, Math.floor(packed.length / 2)]) {
      const read = await loadFile(packed.subarray(0, cut));
      expect(read.source.truncated?.reason).toContain(`the gzip stream ends early, after compressed byte ${cut}`);
      expect(read.source.truncated?.packet).toBe(read.packets.length + 1);
      expect(read.packets).toEqual((await loadFile(plain)).packets.slice(0, read.packets.length));
    }
  });

  it('says where a stream is corrupt', async () => {
    const packed = gzipSync(plain);
    packed.writeUInt32LE(0xdeadbeef, packed.length - 8);
    expect((await loadFile(packed)).source.truncated?.reason).toMatch(
      /gzip data is corrupt near compressed byte \d+: incorrect data check/,
    );
    const refused = await failure(() => loadFile(Buffer.concat([packed.subarray(0, 10), Buffer.alloc(50, 0xff)])));
    expect(refused.message).toContain('gzip data is corrupt near compressed byte');
  });

  it('says what follows a stream that is not gzip', async () => {
    const packed = gzipSync(plain);
    const read = await loadFile(Buffer.concat([packed, Buffer.from('tail')]));
    expect(read.packets.length).toBe(written.length);
    expect(read.source.truncated?.reason).toBe(`what follows the gzip stream at compressed byte ${packed.length} is not gzip`);
  });

  it('refuses a second layer', async () => {
    expect((await failure(() => loadFile(gzipSync(gzipSync(plain))))).message).toContain('gzip inside a compressed file');
    expect((await failure(() => loadFile(Buffer.from('1f8b', 'hex')))).message).toContain(
      'the input is empty (the gzip stream ends early',
    );
  });
});

/** One zstd frame of raw and repeat blocks: what needs no compressor. */
function zstdFrame(data: Uint8Array, { checksum = false, window = 0x38 } = {}): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at === 0 || at < data.length; at += 1000) {
    const part = data.subarray(at, at + 1000);
    const last = at + 1000 >= data.length ? 1 : 0;
    const same = part.length > 1 && part.every((byte) => byte === part[0]);
    const word = (part.length << 3) | ((same ? 1 : 0) << 1) | last;
    blocks.push(Buffer.of(word & 255, (word >> 8) & 255, word >> 16), Buffer.from(same ? part.subarray(0, 1) : part));
  }
  const head = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, checksum ? 4 : 0, window);
  return Buffer.concat([head, ...blocks, Buffer.alloc(checksum ? 4 : 0)]);
}

function unzstd(bytes: Uint8Array, size: number): { data: Buffer; reason: string } {
  const parts: Buffer[] = [];
  const source = new ZstdSource((data) => {
    parts.push(Buffer.from(data));
    return true;
  });
  for (let at = 0; at < bytes.length; at += size) if (!source.feed(bytes.subarray(at, at + size))) break;
  return { data: Buffer.concat(parts), reason: source.incomplete() };
}

describe('zstd', () => {
  const skippable = new Bytes(false).u32(0x184d2a53).u32(5).raw(Buffer.from('notes')).done();

  it.each([1, 3, 17, 100_000])('decompresses frames in pieces of %i bytes', (size) => {
    const data = Buffer.concat([plain.subarray(0, 5000), Buffer.alloc(3000, 7), Buffer.of(1)]);
    const tiny = zstdFrame(Buffer.of(9), { checksum: true });
    const whole = Buffer.concat([
      skippable,
      zstdFrame(data, { checksum: true }),
      zstdFrame(Buffer.alloc(0)),
      tiny,
      skippable,
      zstdFrame(data),
    ]);
    const expected = Buffer.concat([data, Buffer.of(9), data]);
    expect(unzstd(whole, size)).toEqual({ data: expected, reason: '' });
  });

  it('does not recurse once per frame', () => {
    const whole = Buffer.concat(Array.from({ length: 50_000 }, () => skippable));
    expect(unzstd(Buffer.concat([whole, zstdFrame(Buffer.of(1))]), whole.length)).toEqual({ data: Buffer.of(1), reason: '' });
  });

  it('notices every cut', () => {
    const whole = zstdFrame(plain.subarray(0, 1500), { checksum: true });
    for (let cut = 1; cut < whole.length; cut += 1) {
      expect(unzstd(whole.subarray(0, cut), 400).reason).toBe(`the zstd stream ends early, after compressed byte ${cut}`);
    }
  });

  const header = (descriptor: number, ...rest: number[]): Buffer => Buffer.of(0x28, 0xb5, 0x2f, 0xfd, descriptor, ...rest);
  it.each([
    ['what begins no frame', Buffer.from('hello'), 'begins no zstd frame'],
    ['a window above 128 MiB', header(0, 0x89, 1, 0, 0), 'a window of 150994944 bytes'],
    ['a single segment above 128 MiB', header(0xa0, 0, 0, 0, 0x10), 'a window of 268435456 bytes'],
    ['a dictionary', header(1, 0x38, 5), 'a dictionary is needed'],
    ['a reserved header bit', header(8, 0x38), 'a reserved bit'],
    ['a reserved block type', header(0, 0x38, 7, 0, 0), 'reserved type'],
    ['a block above 128 KiB', header(0, 0x38, 1, 0, 0x20), 'a block of 262144 bytes'],
    [
      'nonsense in a compressed block',
      Buffer.concat([header(0, 0x38, 0x55, 0, 0), Buffer.alloc(30, 0xff)]),
      'zstd data is corrupt near',
    ],
  ])('refuses %s', (_name, bytes, reason) => {
    expect(unzstd(bytes, 1000).reason).toContain(reason);
  });

  it('is read from files and streams like the plain capture', async () => {
    const packed = Buffer.concat([
      zstdFrame(plain.subarray(0, 7000)),
      skippable,
      zstdFrame(plain.subarray(7000), { checksum: true }),
    ]);
    const read = await loadAny(packed, 'capture.pcap');
    expect(read.source).toMatchObject({ format: 'zstd(pcap µs le)', truncated: null });
    expect(read.packets).toEqual((await loadFile(plain)).packets);
    expect(await stream(packed, [1, 70000])).toEqual(read);
    const cut = await loadAny(packed.subarray(0, 9000));
    expect(cut.source.truncated?.reason).toContain('the zstd stream ends early, after compressed byte 9000');
    expect(cut.packets).toEqual(read.packets.slice(0, cut.packets.length));
  });

  it('refuses frames that hold no capture', async () => {
    expect(await failure(() => loadAny(zstdFrame(Buffer.from('not a capture'))))).toMatchObject({ code: 'CAPTURE_UNREADABLE' });
    expect((await failure(() => loadAny(zstdFrame(zstdFrame(plain))))).message).toContain('zstd inside another compression');
  });

  describe('as the zstd program writes it', () => {
    const available = spawnSync('zstd', ['--version']).status === 0;
    const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
    it.skipIf(!available).each([['-1'], ['-9'], ['-19'], ['--long=24'], ['--no-check', '-3']])('level %s', async (...flags) => {
      const large = Buffer.concat(
        Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? plain : Buffer.alloc(90_000, index))),
      );
      const packed = spawnSync('zstd', [...flags, '-c'], { input: large, maxBuffer: 1 << 28 }).stdout;
      const result = unzstd(packed, 65536);
      expect(result.reason).toBe('');
      expect(digest(result.data)).toBe(digest(large));
      /* Larger windows only make the same mistakes slower. */
      const step = flags.includes('-19') || flags.includes('-1') ? Math.ceil(packed.length / 40) : packed.length;
      for (let at = 6; at < packed.length; at += step) {
        const bad = Buffer.from(packed);
        bad[at] = (bad[at] ?? 0) ^ 0x55;
        expect(unzstd(bad, 65536).data.length).toBeLessThan(64 * 1024 * 1024);
      }
    });
  });
});
