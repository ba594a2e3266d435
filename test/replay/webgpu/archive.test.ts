/** Archives that are what they should be, and such that are not: cut off, altered, padded to bombs, hostile names. */
import { brotliCompressSync, constants } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { unpackArchive } from '../../../replay/webgpu/archive.js';

interface Entry {
  readonly name: string;
  readonly text: string;
  readonly type?: string;
  readonly change?: (header: Buffer) => void;
}

function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, text, type = '0', change }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write(type, 156);
    let sum = 8 * 32;
    for (const byte of header) sum += byte;
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    change?.(header);
    return [header, Buffer.concat([Buffer.from(text), Buffer.alloc(-text.length & 511)])];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const GOOD: Entry[] = [
  { name: 'a.so', text: 'first'.repeat(300) },
  { name: 'other', text: 'x' },
  { name: 'b.json', text: '{}' },
];
const NAMES = ['a.so', 'b.json'];
const unpack = (archive: Buffer): Map<string, Buffer> => unpackArchive(brotliCompressSync(archive), NAMES, 'x.tar.br');

describe('an archive', () => {
  it('gives the files asked for', () => {
    const files = unpack(tar(GOOD));
    expect([...files].map(([name, bytes]) => [name, bytes.toString()])).toEqual([
      ['a.so', 'first'.repeat(300)],
      ['b.json', '{}'],
    ]);
  });

  it('may end without its two empty blocks', () => {
    expect(unpack(tar(GOOD).subarray(0, -1024)).size).toBe(2);
  });

  it('cut off anywhere is an error of ours, and never a file that is not whole', () => {
    const whole = tar(GOOD);
    const lastPadding = 512 - 2;
    const end = whole.length - 1024 - lastPadding;
    for (let bytes = 0; bytes < end; bytes += 37) {
      expect(() => unpack(whole.subarray(0, bytes)), `${bytes} bytes`).toThrow(/not the archive it should be/);
    }
  });

  it('cut off while compressed is an error of ours', () => {
    const compressed = brotliCompressSync(tar(GOOD));
    for (let bytes = 0; bytes < compressed.length; bytes++) {
      expect(() => unpackArchive(compressed.subarray(0, bytes), NAMES, 'x')).toThrow(/not the archive it should be/);
    }
  });

  it.each<[string, Entry[], RegExp]>([
    ['a wrong checksum', [{ name: 'a.so', text: 'x', change: (header) => header.writeUInt8(0x41, 1) }], /fails its checksum/],
    ['a link in place of a file', [{ name: 'a.so', text: '', type: '2' }], /holds no a\.so, b\.json/],
    ['an empty file', [{ name: 'a.so', text: '' }, GOOD[2] as Entry], /holds no a\.so/],
    ['the name with a path before it', [{ name: '../a.so', text: 'x' }, GOOD[2] as Entry], /holds no a\.so/],
    ['nothing', [], /holds no a\.so, b\.json/],
  ])('with %s is refused', (_name, entries, message) => {
    expect(() => unpack(tar(entries))).toThrow(expect.objectContaining({ exitCode: 3, message: expect.stringMatching(message) }));
  });

  it.each([
    ['no number', 'zzzzzzzzzzz\0', /has no length/],
    ['a negative number', '-0000000001\0', /has no length/],
    ['more than there is', '77777777777\0', /reaches past its end/],
  ])('whose length field says %s is refused', (_name, text, message) => {
    const archive = tar([{ name: 'a.so', text: 'x' }]);
    const before = archive.subarray(124, 136).reduce((sum, byte) => sum + byte, 0);
    archive.write(text, 124, 'latin1');
    const after = archive.subarray(124, 136).reduce((sum, byte) => sum + byte, 0);
    const sum = Number.parseInt(archive.toString('latin1', 148, 154), 8) + after - before;
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    expect(() => unpack(archive)).toThrow(message);
  });

  it('that unpacks to more than the real one is refused before it fills the memory', () => {
    const bomb = brotliCompressSync(Buffer.alloc(65 * 2 ** 20), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
    expect(() => unpackArchive(bomb, NAMES, 'x')).toThrow(/does not decompress/);
  });

  it('that is none is refused with its name', () => {
    expect(() => unpackArchive(Buffer.from('hello'), NAMES, '/p/x.tar.br')).toThrow(/^\/p\/x\.tar\.br is not/);
  });
});
