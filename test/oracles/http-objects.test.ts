/**
 * Bodies that `eth | defrag | ip4 | ip6 | tcp | http | gunzip` finds in captures against the objects that tshark exports:
 * the same sizes and bytes, each as often. Then the same captures in other packets (tcp-variants.ts), against themselves.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BODIES, type NativePackets, native, type Operation, parsePipeline, planPipeline, programOf } from '../../stack/index.js';
import { newPath } from '../helpers/files.js';
import { readCapture } from './capture-file.js';
import { doubled, fragmented, overlapped, reordered } from './tcp-variants.js';
import { CORPUS, ROOT, tsharkInstalled } from './tools.js';

const ETHERNET = 1;
const STREAM_HEAD = 8;
const TSHARK_LIMIT_MS = 60_000;

/** Objects that only tshark has, and why. */
const CAPTURES: readonly { readonly file: string; readonly onlyTshark?: number; readonly why?: string }[] = [
  { file: '1000-requests-one-dropped-response.pcap.gz', onlyTshark: 1, why: 'the head of that body was not captured' },
  { file: 'get-gzip.pcap' },
  { file: 'get-to-ssh-server.pcap' },
  { file: 'http-post-large.pcap' },
  { file: 'http-qinq-0.pcap' },
  { file: 'http-vlan-0.pcap' },
  { file: 'ipv6-http-atomic-frag.pcap', onlyTshark: 4, why: 'HTTP/0.9: there are no heads' },
  { file: 'localhost-bad-chksum.pcap' },
  { file: 'methods.pcap', onlyTshark: 17, why: 'requests without a valid first line, exported as if they were bodies' },
  { file: 'mime-header-size-limit.pcap.gz' },
  { file: 'missing-zlib-header.pcap' },
  { file: 'pipelined-requests.pcap' },
  { file: 'var-services-std-ports.pcap' },
  { file: 'vlan-qinqinq.pcap' },
  { file: 'zero-length-bodies-with-drops.pcap' },
];

const hash = (bytes: Uint8Array): string => `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`;

function packetsOf(frames: readonly Buffer[]): NativePackets {
  const lengths = Uint32Array.from(frames, (frame) => frame.length);
  const offsets = new Uint32Array(frames.length);
  for (let i = 1; i < frames.length; i++) offsets[i] = (offsets[i - 1] ?? 0) + (lengths[i - 1] ?? 0);
  return { bytes: Buffer.concat(frames), offsets, lengths };
}

const plan = planPipeline(parsePipeline('eth | defrag | ip4 | ip6 | tcp | http | gunzip'), {
  isas: ['scalar'],
  placement: 'fused',
  memoryWritable: false,
  endReads: ['payloads', 'streams'],
});

const run = (frames: readonly Buffer[]) =>
  native.runProgram({
    program: programOf(plan.records, ['payloads', 'streams']),
    packets: packetsOf(frames),
    collect: true,
    seconds: 0,
  });

/** A verdict of a step of the pipeline. */
function verdict(frames: readonly Buffer[], step: Operation, name: string): number {
  const index = plan.choices.findIndex(({ operation }) => operation === step.name);
  return run(frames).steps[index]?.verdicts[step.verdicts.indexOf(name)] ?? Number.NaN;
}

/** Size and hash of every body, sorted. */
function bodiesIn(frames: readonly Buffer[]): string[] {
  const { rows } = run(frames);
  const bodies = new Map<bigint, Uint8Array[]>();
  for (const { stream, mark, bytes } of rows) {
    if ((mark & STREAM_HEAD) !== 0) continue;
    const pieces = bodies.get(stream);
    if (pieces) pieces.push(bytes);
    else bodies.set(stream, [bytes]);
  }
  return [...bodies.values()].map((pieces) => hash(Buffer.concat(pieces))).sort();
}

function objectsOf(capture: string): string[] {
  const folder = newPath('objects');
  mkdirSync(folder);
  spawnSync('tshark', ['-q', '-n', '-r', capture, '--export-objects', `http,${folder}`], { timeout: TSHARK_LIMIT_MS });
  return readdirSync(folder)
    .map((name) => hash(readFileSync(join(folder, name))))
    .sort();
}

/** What is left of `list` without `others`, each taken away as often as it stands there. */
function without(list: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const one of others) left.set(one, (left.get(one) ?? 0) + 1);
  return list.filter((one) => {
    const count = left.get(one) ?? 0;
    left.set(one, count - 1);
    return count <= 0;
  });
}

const framesOf = (path: string): Buffer[] =>
  readCapture(path)
    .filter(({ linkType }) => linkType === ETHERNET)
    .map(({ data }) => data);

const VARIANTS = { doubled, reordered, overlapped, fragmented };

function expectSameInAll(frames: readonly Buffer[], bodies: readonly string[]): void {
  for (const [name, vary] of Object.entries(VARIANTS)) {
    const found = bodiesIn(vary(frames));
    expect({ name, missing: without(bodies, found), more: without(found, bodies) }).toEqual({ name, missing: [], more: [] });
  }
  expect(bodiesIn(fragmented(reordered(overlapped(frames))))).toEqual(bodies);
}

const folder = join(CORPUS ?? '', 'zeek');

describe.skipIf(!tsharkInstalled)('HTTP objects', () => {
  it('of our own capture, in all its variants', () => {
    const path = join(ROOT, 'traces/demo.pcapng');
    const frames = framesOf(path);
    const bodies = bodiesIn(frames);
    expect(bodies.length).toBeGreaterThan(100);
    expect(bodies).toEqual(objectsOf(path));
    expectSameInAll(frames, bodies);
  });

  it('of variants that are none are no proof: each does what its name says', () => {
    const frames = framesOf(join(ROOT, 'traces/demo.pcapng'));
    const streams = BODIES.find(({ name }) => name === 'tcp-stream') as Operation;
    const defrag = BODIES.find(({ name }) => name === 'defrag') as Operation;
    const before = { reordered: verdict(frames, streams, 'reordered'), retransmitted: verdict(frames, streams, 'retransmitted') };
    expect(verdict(doubled(frames), streams, 'retransmitted')).toBeGreaterThan(before.retransmitted + 100);
    expect(verdict(reordered(frames), streams, 'reordered')).toBeGreaterThan(before.reordered + 100);
    expect(verdict(overlapped(frames), streams, 'retransmitted')).toBeGreaterThan(before.retransmitted + 100);
    expect(verdict(overlapped(frames), streams, 'reordered')).toBeGreaterThan(before.reordered + 50);
    expect(verdict(fragmented(frames), defrag, 'reassembled')).toBeGreaterThan(300);
  });

  describe.skipIf(CORPUS === null || !existsSync(folder))('of the corpus', () => {
    it.each(CAPTURES)('$file', ({ file, onlyTshark = 0 }) => {
      const path = join(folder, file);
      const frames = framesOf(path);
      const bodies = bodiesIn(frames);
      const objects = objectsOf(path);
      expect(without(bodies, objects)).toEqual([]);
      expect(without(objects, bodies)).toHaveLength(onlyTshark);
      expectSameInAll(frames, bodies);
    });
  });
});
