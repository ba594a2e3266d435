/**
 * Filters against libpcap: its programs (`tcpdump -ddd`) and ours, both run over the same frames, and what `tcpdump -r` lets
 * through. On made-up frames of all lengths always; on every Ethernet capture of the corpus where there is one.
 * A packet's length is its captured length here; so libpcap's programs are given the same.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode } from '../../stack/bpf/bytecode.js';
import { compileFilter } from '../../stack/bpf/compile.js';
import { native } from '../../stack/native.js';
import { fromDecimal, interpret } from '../helpers/bpf.js';
import { judgedPackets } from '../helpers/packets.js';
import { EXPRESSIONS } from './bpf-expressions.js';
import { type CapturedPacket, readCapture, writeFrames } from './capture-file.js';
import { CORPUS, corpusFiles, ROOT } from './tools.js';

const tcpdumpInstalled = spawnSync('tcpdump', ['--version']).status === 0;
/** No packet can match these. */
const NOBODY: readonly string[] = ['src host 16.0.0.1 and 48.0.0.1', 'ip and arp', 'tcp and not ip and not ip6'];
const MAX_BUFFER = 1 << 28;
const run = promisify(execFile);

/** Frames as bpfRun takes them. */
class Blob {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;

  constructor(readonly frames: readonly Uint8Array[]) {
    this.bytes = Buffer.concat(frames);
    this.lengths = Uint32Array.from(frames, (frame) => frame.length);
    this.offsets = new Uint32Array(frames.length);
    for (let i = 1; i < frames.length; i++) this.offsets[i] = (this.offsets[i - 1] ?? 0) + (this.lengths[i - 1] ?? 0);
  }

  verdicts(code: Uint8Array, variant: string): Uint8Array {
    return native.bpfRun(code, variant, this.bytes, this.offsets, this.lengths);
  }
}

interface Pair {
  readonly expression: string;
  readonly ours: Uint8Array;
  readonly libpcap: Uint8Array;
}

/** Two tcpdumps at a time. */
async function compileAll(expressions: readonly string[]): Promise<Pair[]> {
  const pairs: Pair[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < expressions.length; index = next++) {
      const expression = expressions[index] ?? '';
      const { stdout } = await run('tcpdump', ['-ddd', '-y', 'EN10MB', '--', expression]);
      pairs.push({ expression, ours: encode(compileFilter(expression)), libpcap: encode(fromDecimal(stdout)) });
    }
  };
  await Promise.all([worker(), worker()]);
  return pairs;
}

/** Expressions with frames on which a verdict differs, as text; and how many frames matched. */
function differences(pairs: readonly Pair[], blob: Blob): { readonly different: string[]; readonly matches: number } {
  const different: string[] = [];
  let matches = 0;
  for (const { expression, ours, libpcap } of pairs) {
    const wanted = blob.verdicts(libpcap, 'interpreter');
    for (const variant of ['interpreter', 'native']) {
      const got = blob.verdicts(ours, variant);
      const at = got.findIndex((verdict, index) => verdict !== wanted[index]);
      const frame = Buffer.from(blob.frames[at] ?? []).toString('hex');
      if (at >= 0)
        different.push(
          `${variant} '${expression}' ${got[at]} for ${wanted[at]}: ${frame.length / 2} bytes ${frame.slice(0, 128)}`,
        );
    }
    matches += wanted.reduce((sum, verdict) => sum + verdict, 0);
  }
  return { different, matches };
}

const ETHERNET = 1;
const ethernetOf = (packets: readonly CapturedPacket[]): Buffer[] =>
  packets.filter(({ linkType }) => linkType === ETHERNET).map(({ data }) => data);

/** Tags, labels and sessions before the IP header of a frame. */
function wrapped(frame: Buffer): Buffer[] {
  const before = frame.subarray(0, 12);
  const from = (type: number[], more: number[]) => Buffer.concat([before, Buffer.from([...type, ...more]), frame.subarray(14)]);
  const type = [...frame.subarray(12, 14)];
  const ppp = type[0] === 0x08 ? [0x00, 0x21] : [0x00, 0x57];
  return [
    from([0x81, 0x00], [0x00, 0x7b, ...type]),
    from([0x88, 0xa8], [0x20, 0x01, 0x81, 0x00, 0x00, 0xc8, ...type]),
    from([0x88, 0x47], [0x00, 0x40, 0x01, 0x40]),
    from([0x88, 0x47], [0x00, 0x01, 0x00, 0x40, 0x00, 0x01, 0x11, 0x40]),
    from([0x88, 0x64], [0x11, 0x00, 0x00, 0x01, 0x00, 0x40, ...ppp]),
    from([0x00, 0x26], [0xfe, 0xfe, 0x03, 0x83]),
  ];
}

function madeUpFrames(): Buffer[] {
  const judged = judgedPackets().map(({ frame }) => frame);
  const demo = ethernetOf(readCapture(join(ROOT, 'traces/demo.pcapng'))).slice(0, 150);
  const whole = [...judged, ...demo, ...judged.filter((frame) => frame.length > 14).flatMap(wrapped)];
  const cut = whole
    .filter((_, index) => index % 5 === 0)
    .flatMap((frame) => Array.from({ length: 80 }, (_, bytes) => frame.subarray(0, bytes)));
  return [...whole, ...cut];
}

describe.skipIf(!tcpdumpInstalled)('filters and libpcap', () => {
  const possible = EXPRESSIONS.filter((text) => !NOBODY.includes(text));
  let pairs: Pair[] = [];
  let folder = '';
  const frames = madeUpFrames();
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'model-t-bpf-'));
    pairs = await compileAll(possible);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('libpcap and we refuse the same contradictions', () => {
    for (const expression of NOBODY) {
      expect(spawnSync('tcpdump', ['-ddd', '-y', 'EN10MB', '--', expression]).status).toBe(1);
      expect(() => compileFilter(expression)).toThrow('no packet can match');
    }
  });

  it(`${possible.length} expressions decide alike on made-up frames of all lengths`, () => {
    expect(possible.length).toBeGreaterThan(300);
    const { different, matches } = differences(pairs, new Blob(frames));
    expect(different).toEqual([]);
    expect(matches).toBeGreaterThan(frames.length);
  });

  it('the interpreter does what a plainer one does', () => {
    const some = frames.filter((_, index) => index % 40 === 0);
    for (const { expression, ours } of pairs) {
      const program = compileFilter(expression);
      const wanted = some.map((frame) => (interpret(program, frame) ? 1 : 0));
      expect([...new Blob(some).verdicts(ours, 'interpreter')], expression).toEqual(wanted);
    }
  });

  it('most programs are no longer than libpcap makes them', () => {
    const sum = (which: 'ours' | 'libpcap') => pairs.reduce((bytes, pair) => bytes + pair[which].length, 0);
    expect(sum('ours')).toBeLessThan(sum('libpcap') * 1.02);
    for (const { expression, ours, libpcap } of pairs) expect(ours.length, expression).toBeLessThan(libpcap.length * 1.25 + 16);
  });

  it('tcpdump lets the same packets through', () => {
    const file = join(folder, 'frames.pcap');
    writeFrames(file, frames);
    for (const { expression, ours } of pairs.filter((_, index) => index % 12 === 0)) {
      expect(packetsThrough(file, expression), expression).toEqual(kept(frames, ours));
    }
  });

  const captures = CORPUS === null ? [] : corpusFiles().map(({ path }) => path);
  describe.skipIf(captures.length === 0)('the corpus', () => {
    it('all expressions on all Ethernet captures', { timeout: 180_000 }, () => {
      let compared = 0;
      for (const path of captures) {
        const packets = readable(path);
        if (packets.length === 0) continue;
        expect({ path, ...differences(pairs, new Blob(packets)) }).toMatchObject({ path, different: [] });
        compared++;
      }
      expect(compared).toBeGreaterThan(100);
    });

    it('tcpdump -r lets the same packets through', { timeout: 120_000 }, () => {
      let compared = 0;
      for (const [index, path] of captures.entries()) {
        const packets = readable(path);
        const pair = pairs.filter(({ expression }) => !/len|less|greater/.test(expression))[(index * 7) % pairs.length];
        if (packets.length === 0 || !pair) continue;
        const through = packetsThrough(join(CORPUS ?? '', path), pair.expression);
        if (through === null) continue;
        compared++;
        expect(through, `${path} ${pair.expression}`).toEqual(kept(packets, pair.ours));
      }
      expect(compared).toBeGreaterThan(80);
    });
  });
});

/** Frames of a capture that holds Ethernet only. */
function readable(path: string): Buffer[] {
  let packets: readonly CapturedPacket[] = [];
  try {
    packets = readCapture(join(CORPUS ?? '', path));
  } catch {
    return []; // no capture, or one that our plain reader does not know
  }
  return packets.every(({ linkType }) => linkType === ETHERNET) ? ethernetOf(packets) : [];
}

const kept = (frames: readonly Buffer[], code: Uint8Array): string[] => {
  const verdicts = new Blob(frames).verdicts(code, 'native');
  return frames.filter((_, index) => verdicts[index]).map((frame) => frame.toString('latin1'));
};

/** What `tcpdump -r` lets through; null when it does not read the file to its end. */
function packetsThrough(file: string, expression: string): string[] | null {
  const out = `${file.startsWith(tmpdir()) ? file : join(tmpdir(), `model-t-bpf-${process.pid}`)}.out`;
  const done = spawnSync('tcpdump', ['-r', file, '-w', out, '--', expression], { maxBuffer: MAX_BUFFER });
  const packets = done.status === 0 ? readCapture(out).map(({ data }) => data.toString('latin1')) : null;
  rmSync(out, { force: true });
  return packets;
}
