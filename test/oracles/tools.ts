/**
 * Independent judges of what a replay writes: the built command line, tshark, and where captures to try are found.
 * Only tests may import this. Where a tool is missing the tests that need it are skipped, and counted as skipped.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'dist/harness/main.js');

/** `npm test` builds first; only a bare `vitest run` in an unbuilt checkout has no command line. */
export const commandLineBuilt = existsSync(MAIN);

/** Longest a replay of a small capture may take before it counts as hung. */
const REPLAY_LIMIT_MS = 20_000;
const TSHARK_LIMIT_MS = 60_000;

export interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function modelT(...words: readonly string[]): Finished {
  const done = spawnSync(process.execPath, [MAIN, ...words], {
    encoding: 'utf8',
    timeout: REPLAY_LIMIT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 26,
    input: '',
  });
  return { code: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr };
}

export const tsharkInstalled = spawnSync('tshark', ['--version'], { timeout: TSHARK_LIMIT_MS }).status === 0;

const CHECKSUM_OPTIONS = [
  'ip.check_checksum:TRUE',
  'tcp.check_checksum:TRUE',
  'udp.check_checksum:TRUE',
  'ip.defragment:FALSE',
  'ipv6.defragment:FALSE',
  'tcp.desegment_tcp_streams:FALSE',
  // Who talked to whom before must not change how a packet is read: addresses differ between the two files.
  'tcp.analyze_sequence_numbers:FALSE',
  'udp.process_info:FALSE',
];
const STATUS_FIELDS = ['ip', 'tcp', 'udp', 'icmp', 'icmpv6'].map((name) => `${name}.checksum.status`);

/**
 * One text per packet: what tshark says about the IP, TCP, UDP, ICMP and ICMPv6 checksums, as numbers
 * (0 bad, 1 good, 2 unverified, 3 absent), separated by `|`.
 */
export function checksumStatuses(capture: string): readonly string[] {
  const options = CHECKSUM_OPTIONS.flatMap((option) => ['-o', option]);
  const fields = STATUS_FIELDS.flatMap((field) => ['-e', field]);
  const done = spawnSync('tshark', ['-n', '-r', capture, ...options, '-T', 'fields', '-E', 'separator=|', ...fields], {
    encoding: 'utf8',
    timeout: TSHARK_LIMIT_MS,
    maxBuffer: 1 << 28,
  });
  if (done.error) throw done.error;
  // tshark answers 2 for a capture whose last record is cut, having printed every whole one; the counts are compared anyway.
  return done.stdout.split('\n').slice(0, -1);
}

export const isBad = (status: string): boolean => /(^|[|,])0/.test(status);

/** Folder of real captures that are not part of the project; null when this checkout has none. */
export const CORPUS: string | null = [process.env.MODEL_T_TRACES ?? ''].find(existsSync) ?? null;

export interface CorpusFile {
  readonly path: string;
  /** Packets by the manifest; null where the corpus' own reader could not read the file, or it is no capture. */
  readonly packets: number | null;
}

export function corpusFiles(): readonly CorpusFile[] {
  if (CORPUS === null) return [];
  const [, ...lines] = readFileSync(join(CORPUS, 'MANIFEST.tsv'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [path = '', , , packets = '-'] = line.split('\t');
    return { path, packets: packets === '-' ? null : Number(packets) };
  });
}
