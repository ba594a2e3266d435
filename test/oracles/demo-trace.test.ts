/** The recording in traces/: it is the file its manifest describes, made of the traffic its README names, all checksums right. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCapture } from './capture-file.js';
import { checksumStatuses, isBad, ROOT, tsharkInstalled } from './tools.js';

interface Entry {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly packets: number;
}
const { captures } = JSON.parse(readFileSync(join(ROOT, 'traces/MANIFEST.json'), 'utf8')) as { captures: readonly Entry[] };

const LONGEST_FRAME = 1514;
const MOST_BYTES = 1_000_000;

describe.each(captures)('traces/$path', ({ path, bytes, sha256, packets }) => {
  const file = join(ROOT, 'traces', path);

  it('is the file of the manifest', () => {
    const content = readFileSync(file);
    expect(content.length).toBe(bytes);
    expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    expect(bytes).toBeLessThan(MOST_BYTES);
  });

  it('holds whole Ethernet frames of IPv4, IPv6 and ARP', () => {
    const found = readCapture(file);
    expect(found.length).toBe(packets);
    expect(new Set(found.map(({ linkType }) => linkType))).toEqual(new Set([1]));
    expect(Math.max(...found.map(({ data }) => data.length))).toBe(LONGEST_FRAME);
    const types = new Set(found.map(({ data }) => data.readUInt16BE(12)));
    expect(types).toEqual(new Set([0x0800, 0x86dd, 0x0806]));
  });

  it('names no machine but its own', () => {
    const own = /^(192\.0\.2\.|198\.51\.100\.)/;
    for (const { data } of readCapture(file)) {
      if (data.readUInt16BE(12) !== 0x0800) continue;
      for (const at of [26, 30]) expect(data.subarray(at, at + 4).join('.')).toMatch(own);
    }
  });

  it.skipIf(!tsharkInstalled)('has no bad checksum', () => {
    const statuses = checksumStatuses(file);
    expect(statuses.length).toBe(packets);
    expect(statuses.filter(isBad)).toEqual([]);
    expect(statuses.filter((status) => status.includes('1')).length).toBeGreaterThan(packets / 2);
  });
});
