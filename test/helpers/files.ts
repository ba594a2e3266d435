/** A temporary folder per test file, and captures in it. Only tests may import this. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { DEFAULT_SPEC, generateCapture, type TrafficSpec } from '../../harness/generate.js';

export const ROOT = join(import.meta.dirname, '../..');

export const folder = mkdtempSync(join(tmpdir(), 'model-t-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

/** A path of its own in the folder. */
export function newPath(name: string): string {
  files += 1;
  return join(folder, `${files}-${name}`);
}

export function newFile(name: string, content: Uint8Array | string): string {
  const path = newPath(name);
  writeFileSync(path, content);
  return path;
}

/** Bytes of a generated pcap: every protocol, both IP versions, some VLAN tags, unless told otherwise. */
export function traffic(spec: Partial<TrafficSpec> & { readonly packets: number }): Buffer {
  const mixed: TrafficSpec = {
    ...DEFAULT_SPEC,
    sizes: [
      [82, 5],
      [590, 2],
      [1514, 1],
    ],
    protocols: [
      ['udp', 2],
      ['tcp', 2],
      ['icmp', 1],
    ],
    hosts: 40,
    flows: 160,
    ipv6: 0.3,
    vlan: 0.2,
  };
  return Buffer.concat([...generateCapture({ ...mixed, ...spec })].map((chunk) => Buffer.from(chunk)));
}

/** A generated pcap as a file. */
export function trafficFile(spec: Partial<TrafficSpec> & { readonly packets: number }): string {
  return newFile('traffic.pcap', traffic(spec));
}

export interface PcapRecord {
  readonly timeNs: bigint;
  readonly originalLength: number;
  readonly data: Buffer;
}

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const NANOSECOND_MAGIC = 0xa1b23c4d;

/** Records of a little-endian nanosecond pcap, which is what we write; throws when it is anything else or not whole. */
export function pcapRecords(bytes: Buffer): PcapRecord[] {
  if (bytes.readUInt32LE(0) !== NANOSECOND_MAGIC) throw new Error('no little-endian nanosecond pcap');
  const records: PcapRecord[] = [];
  let at = FILE_HEADER_BYTES;
  while (at < bytes.length) {
    const [seconds, nanoseconds, length, originalLength] = [0, 4, 8, 12].map((field) => bytes.readUInt32LE(at + field)) as [
      number,
      number,
      number,
      number,
    ];
    at += RECORD_HEADER_BYTES;
    if (at + length > bytes.length) throw new Error('the last record is cut');
    const timeNs = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
    records.push({ timeNs, originalLength, data: bytes.subarray(at, at + length) });
    at += length;
  }
  return records;
}
