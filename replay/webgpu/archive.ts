/**
 * Files out of a brotli-compressed tar archive, in memory: as much of the format as the SwiftShader package uses. Whatever is
 * odd in it is an error with the offset. Pure; called by swiftshader.ts.
 */
import { brotliDecompressSync } from 'node:zlib';
import { ModelTError } from '../../stack/index.js';

const BLOCK = 512;
/** The archive of 147.0.0 is 14.9 MB unpacked; more than this is not what was meant. */
const MAX_UNPACKED_BYTES = 64 * 2 ** 20;

/** The named regular files of the archive. All must be there; others, and their paths, are ignored. */
export function unpackArchive(compressed: Uint8Array, names: readonly string[], path: string): Map<string, Buffer> {
  const archive = decompress(compressed, path);
  const files = new Map<string, Buffer>();
  let offset = 0;
  while (offset + BLOCK <= archive.length && archive[offset] !== 0) {
    const header = archive.subarray(offset, offset + BLOCK);
    const bytes = headerBytes(header, offset, path);
    const end = offset + BLOCK + bytes;
    if (end > archive.length) throw broken(path, `the file at offset ${offset} (${bytes} bytes) reaches past its end`);
    const name = headerText(header, 0, 100);
    const isFile = header[156] === 0x30 || header[156] === 0;
    if (isFile && names.includes(name)) files.set(name, archive.subarray(offset + BLOCK, end));
    offset = offset + BLOCK + Math.ceil(bytes / BLOCK) * BLOCK;
  }
  const missing = names.filter((name) => !files.get(name)?.length);
  if (missing.length > 0) throw broken(path, `it holds no ${missing.join(', ')}`);
  return files;
}

function decompress(compressed: Uint8Array, path: string): Buffer {
  try {
    return brotliDecompressSync(compressed, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch (error) {
    throw broken(path, `it does not decompress (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** Length of the file after this header, which must add up to its own checksum. */
function headerBytes(header: Buffer, offset: number, path: string): number {
  const stated = Number.parseInt(headerText(header, 148, 8), 8);
  let sum = 8 * 0x20;
  for (let index = 0; index < BLOCK; index++) if (index < 148 || index >= 156) sum += header[index] ?? 0;
  if (stated !== sum) throw broken(path, `the header at offset ${offset} fails its checksum`);
  const text = headerText(header, 124, 12);
  if (!/^ *[0-7]+$/.test(text)) throw broken(path, `the header at offset ${offset} has no length ("${text}")`);
  return Number.parseInt(text, 8);
}

function headerText(header: Buffer, offset: number, bytes: number): string {
  const text = header.toString('latin1', offset, offset + bytes);
  return text.split('\0')[0]?.trimEnd() ?? '';
}

function broken(path: string, what: string): ModelTError {
  return new ModelTError(
    'SWIFTSHADER_BROKEN',
    `${path} is not the archive it should be: ${what}`,
    3,
    'Install @sparticuz/chromium again',
  );
}
