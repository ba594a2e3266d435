/**
 * What the user named (files, directories, `-`) as a list of things to load, in order.
 *
 * Looks at the file system, reads the first bytes of files, loads nothing. Directories are walked in bytewise name order,
 * so that the order of packets does not depend on locale or file system. Called by load.ts.
 */
import { closeSync, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { ModelTError } from '../../stack/index.js';

export type CaptureInput =
  /** A regular file that the native reader maps. */
  | { readonly kind: 'file'; readonly path: string }
  /** A regular file to be decompressed in JavaScript. */
  | { readonly kind: 'zstd'; readonly path: string }
  /** Standard input (`-`), or a FIFO or device with its path. */
  | { readonly kind: 'stream'; readonly path: string }
  /** A directory entry that begins like no capture: passed over, but told. */
  | { readonly kind: 'other'; readonly path: string };

export const STANDARD_INPUT = '-';

/** First bytes of what can be read: pcap µs, ns and modified in either byte order, pcapng, gzip, zstd. */
const MAGICS = ['d4c3b2a1', 'a1b2c3d4', '4d3cb2a1', 'a1b23c4d', '34cdb2a1', 'a1b2cd34', '0a0d0d0a', '1f8b', '28b52ffd'];
const ZSTD_MAGIC = '28b52ffd';
/** A zstd file may begin with a skippable frame: 0x184d2a50 to 0x184d2a5f, little-endian. */
const ZSTD_SKIPPABLE = /^5[0-9a-f]2a4d18$/;

/** True for the first four bytes of a zstd stream. */
export function isZstd(head: Uint8Array): boolean {
  const hex = Buffer.from(head.subarray(0, 4)).toString('hex');
  return hex === ZSTD_MAGIC || ZSTD_SKIPPABLE.test(hex);
}

/** All inputs in loading order. Throws ModelTError for what is missing, unreadable or empty of captures. */
export function resolveInputs(inputs: readonly string[]): CaptureInput[] {
  if (inputs.length === 0)
    throw new ModelTError('NO_INPUT', 'no capture was named', 2, "Name files, directories, or '-' for standard input");
  if (inputs.filter((input) => input === STANDARD_INPUT).length > 1) {
    throw new ModelTError('STDIN_TWICE', "'-' (standard input) was named more than once", 2, "Name '-' once");
  }
  return inputs.flatMap(resolveInput);
}

function resolveInput(input: string): CaptureInput[] {
  if (input === STANDARD_INPUT) return [{ kind: 'stream', path: STANDARD_INPUT }];
  const stats = look(input);
  if (!stats.isDirectory()) return [stats.isFile() ? sniffed(input, head(input)) : streamed(input, stats)];
  const found = walk(input);
  if (found.every((entry) => entry.kind === 'other')) {
    const what = found.length === 0 ? 'is an empty directory' : `holds no capture among its ${found.length} files`;
    throw new ModelTError('NO_CAPTURES', `${input} ${what}`, 2, 'Name a directory with pcap or pcapng files');
  }
  return found;
}

function sniffed(file: string, first: Uint8Array): CaptureInput {
  return { kind: isZstd(first) ? 'zstd' : 'file', path: file };
}

function streamed(file: string, stats: Stats): CaptureInput {
  if (stats.isFIFO() || stats.isCharacterDevice()) return { kind: 'stream', path: file };
  throw new ModelTError('NOT_READABLE', `${file} is neither a file, a directory nor a pipe`, 2, 'Name a capture file');
}

/** Entries in bytewise name order, directories in their place; links to directories are not followed (they may loop). */
function walk(directory: string): CaptureInput[] {
  const entries = attempt(directory, () => readdirSync(directory, { withFileTypes: true, encoding: 'buffer' }));
  entries.sort((a, b) => Buffer.compare(a.name, b.name));
  return entries.flatMap((entry): CaptureInput[] => {
    const file = path.join(directory, entry.name.toString());
    if (entry.isDirectory()) return walk(file);
    const stats = look(file);
    if (stats.isDirectory()) return [];
    const first = stats.isFile() ? head(file) : new Uint8Array();
    const hex = Buffer.from(first).toString('hex');
    const capture = isZstd(first) || MAGICS.some((magic) => hex.startsWith(magic));
    return [capture ? sniffed(file, first) : { kind: 'other', path: file }];
  });
}

function look(file: string): Stats {
  return attempt(file, () => statSync(file));
}

function head(file: string): Uint8Array {
  return attempt(file, () => {
    const descriptor = openSync(file, 'r');
    try {
      const bytes = new Uint8Array(4);
      return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0));
    } finally {
      closeSync(descriptor);
    }
  });
}

const EXPLANATIONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
  ENOTDIR: 'is below something that is not a directory',
  ELOOP: 'is a symbolic link that leads to itself',
};

function attempt<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new ModelTError(
      'NOT_READABLE',
      `${file} ${EXPLANATIONS[code] ?? `cannot be read (${code})`}`,
      2,
      'Check the path and its permissions',
    );
  }
}
