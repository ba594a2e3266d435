/**
 * Runs: the same plan gives the same packets whatever the instruction set, threads, ring size and target, and every packet
 * is accounted for. The yardstick is the file that `-w` writes, whose digest is added up here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunOutcome, Trace } from '../../replay/index.js';
import { newFile, newPath, type PcapRecord, pcapRecords, traffic } from '../helpers/files.js';
import { type Asked, digestOf, isas, loaded, replay, start, until } from '../helpers/replay.js';
import { packet, pcap } from './captures/writer.js';

const KIB = 1024;
const PACKETS = 1499; // prime: no burst, no thread count and no ring divides it
const LAPS = 3;
const REWRITES: Asked['rewrites'] = [
  { field: 'src', cidr: '10.0.0.0/8' },
  { field: 'src', cidr: 'fd00::/16' },
];
const PLAN: Asked = { loop: LAPS, seed: 7, rewrites: REWRITES };

let trace: Trace;
let input: PcapRecord[];
let writtenFile: Buffer;
let written: PcapRecord[];
let digest: string;

async function writtenBy(request: Asked, of: Trace = trace): Promise<{ records: PcapRecord[]; outcome: RunOutcome }> {
  const path = newPath('out.pcap');
  const outcome = await replay(of, { ...request, target: { kind: 'pcap', path } });
  return { records: pcapRecords(readFileSync(path)), outcome };
}

beforeAll(async () => {
  const capture = traffic({ packets: PACKETS });
  input = pcapRecords(capture);
  trace = await loaded(newFile('in.pcap', capture));
  const path = newPath('written.pcap');
  await replay(trace, { ...PLAN, isa: 'scalar', target: { kind: 'pcap', path } });
  writtenFile = readFileSync(path);
  written = pcapRecords(writtenFile);
  digest = digestOf(written);
});

function expectWhole(outcome: RunOutcome, packets: number): void {
  const { offered, delivered, dropped } = outcome.totals;
  expect({ offered, delivered, dropped }).toEqual({ offered: packets, delivered: packets, dropped: {} });
  expect(outcome).toMatchObject({ conserved: true, verified: { ok: true } });
}

/** Temporary files that were to become this one. */
function leftovers(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.`));
}

describe('the digest of a replay', () => {
  it('is that of the packets in the file', () => {
    expect(written).toHaveLength(PACKETS * LAPS);
    expect(digest).not.toBe(digestOf(input));
    expect(digest).toMatch(/^[0-9a-f]{16}$/);
  });

  const everyIsa = isas.flatMap((isa) => [1, 2, 3].flatMap((threads) => ['copy', 'resident'].map((how) => [isa, threads, how])));
  it.each(everyIsa as ['scalar', number, 'copy'][])('%s, %i thread(s), %s', async (isa, threads, payload) => {
    const outcome = await replay(trace, { ...PLAN, isa, threads, payload });
    expect(outcome.digest).toBe(digest);
    expect(outcome.engine).toEqual({ name: 'native', isa, threads });
    expectWhole(outcome, PACKETS * LAPS);
  });

  const sizes = [64, 64 + 64 / 1024, 100 + 192 / 1024, 512, 4 * KIB, 64 * KIB];
  it.each(sizes.flatMap((size) => [1, 3].map((threads) => [size, threads])))(
    'ring of %f KiB, %i thread(s)',
    async (size, threads) => {
      const outcome = await replay(trace, { ...PLAN, ringBytes: size * KIB, threads });
      expect(outcome.digest).toBe(digest);
      expectWhole(outcome, PACKETS * LAPS);
      expect(outcome.rings[0]).toMatchObject({ name: '', bytes: size * KIB });
    },
  );

  it.each([1, 2, 255, 256, 257, PACKETS - 1, PACKETS, PACKETS + 1, 4000, PACKETS * LAPS - 1])(
    'first %i packets',
    async (limit) => {
      for (const [isa, threads] of isas.map((name, index) => [name, index + 1] as const)) {
        const outcome = await replay(trace, { ...PLAN, limit, isa, threads, ringBytes: 128 * KIB });
        expect({ isa, digest: outcome.digest }).toEqual({ isa, digest: digestOf(written.slice(0, limit)) });
        expect(outcome.stopped).toBe('limit');
        expectWhole(outcome, limit);
      }
    },
  );

  it.each(isas)('%s: of the headers covers two lines of each packet', async (isa) => {
    const outcome = await replay(trace, { ...PLAN, isa, digest: 'headers' });
    expect(outcome).toMatchObject({ digest: digestOf(written, 2), digestScope: 'headers' });
    expect(outcome.digest).not.toBe(digest);
  });

  it.each(['flow', 'packet', 'off'] as const)('of --unique %s is the file’s, for every instruction set', async (unique) => {
    const { records } = await writtenBy({ ...PLAN, unique, isa: 'scalar' });
    for (const isa of isas)
      expect((await replay(trace, { ...PLAN, unique, isa, threads: 2 })).digest, isa).toBe(digestOf(records));
  });

  it('differs for another seed, and is the input’s without rewrites', async () => {
    expect((await replay(trace, { ...PLAN, seed: 8 })).digest).not.toBe(digest);
    const plain = digestOf([...input, ...input]);
    for (const isa of isas) expect((await replay(trace, { loop: 2, isa })).digest, isa).toBe(plain);
  });

  it.each(isas)('%s: of packets of every length, and tiny captures in many laps', async (isa) => {
    const lengths = [1, 2, 13, 14, 15, 61, 62, 63, 64, 126, 127, 190, 1514, 9000, 20_000, 65_535];
    const packets = lengths.map((length, index) => packet(length, index + 1));
    const odd = await loaded(newFile('lengths.pcap', pcap(packets)));
    const one = await loaded(newFile('one.pcap', pcap(packets.slice(3, 4))));
    for (const payload of ['copy', 'resident'] as const) {
      expect((await replay(odd, { isa, payload, loop: 5 })).digest).toBe(digestOf(Array(5).fill(packets).flat()));
      expect((await replay(one, { isa, payload, loop: 1000 })).digest).toBe(digestOf(Array(1000).fill(packets[3])));
    }
  });
});

describe('the file that -w writes', () => {
  it('without rewrites: every byte, length and time of the input', async () => {
    const { records, outcome } = await writtenBy({});
    expect(records.map(({ timeNs, originalLength }) => [timeNs, originalLength])).toEqual(
      input.map(({ timeNs, originalLength }) => [timeNs, originalLength]),
    );
    expect(records.every(({ data }, index) => data.equals(input[index]?.data ?? Buffer.alloc(0)))).toBe(true);
    expectWhole(outcome, PACKETS);
    expect(outcome.digest).toBe(digestOf(input));
  });

  it('says what the captured length was, and keeps backward times', async () => {
    const packets = [
      { ...packet(60, 1), originalLength: 1514 },
      { ...packet(200, 2), timeNs: 5_000_000_123n },
      { ...packet(70, 3), timeNs: 4_999_999_999n },
    ];
    const cut = await loaded(newFile('cut.pcap', pcap(packets, { variant: 'ns' })));
    const { records } = await writtenBy({}, cut);
    expect(records.map(({ timeNs, originalLength, data }) => ({ timeNs, originalLength, data: Uint8Array.from(data) }))).toEqual(
      packets.map(({ timeNs, originalLength, data }) => ({ timeNs, originalLength, data: Uint8Array.from(data) })),
    );
  });

  it('laps follow each other in time, each as long as the first', () => {
    const lap = (number: number): PcapRecord[] => written.slice(number * PACKETS, (number + 1) * PACKETS);
    expect(lap(0).map(({ timeNs }) => timeNs)).toEqual(input.map(({ timeNs }) => timeNs));
    const shift = (lap(1)[0]?.timeNs ?? 0n) - (lap(0)[0]?.timeNs ?? 0n);
    expect(shift).toBeGreaterThan((input.at(-1)?.timeNs ?? 0n) - (input[0]?.timeNs ?? 0n));
    for (const number of [1, 2]) {
      expect(lap(number).map(({ timeNs }) => timeNs)).toEqual(input.map(({ timeNs }) => timeNs + BigInt(number) * shift));
      expect(lap(number).map(({ originalLength }) => originalLength)).toEqual(input.map(({ originalLength }) => originalLength));
    }
  });

  it('is the same for every instruction set, thread count and ring size', async () => {
    for (const isa of isas) {
      for (const threads of [1, 2, 3]) {
        const path = newPath('again.pcap');
        await replay(trace, { ...PLAN, isa, threads, ringBytes: (64 + 64 * threads) * KIB, target: { kind: 'pcap', path } });
        expect(readFileSync(path).equals(writtenFile), `${isa} ${threads}`).toBe(true);
      }
    }
  });

  it('takes the place of an older file only when it is whole', async () => {
    const path = newFile('old.pcap', 'old');
    const run = start(trace, { limit: 200_000, loop: 0, target: { kind: 'pcap', path } });
    expect(readFileSync(path, 'utf8')).toBe('old');
    const { totals } = await run.outcome;
    expect(pcapRecords(readFileSync(path))).toHaveLength(totals.delivered);
    expect(leftovers(path)).toEqual([]);
  });

  it('after abort() the older file is still there', async () => {
    const path = newFile('old.pcap', 'old');
    const run = start(trace, { limit: 50_000_000, loop: 0, target: { kind: 'pcap', path } });
    await until('packets are written', () => run.snapshot().delivered > 10_000);
    run.abort();
    await expect(run.outcome).rejects.toMatchObject({ code: 'ABORTED', exitCode: 130 });
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(leftovers(path)).toEqual([]);
  });

  it('a full disk is an error, with exit code 4 and the reason', async () => {
    await expect(replay(trace, { target: { kind: 'pcap', path: '/dev/full' } })).rejects.toMatchObject({
      code: 'RUN_FAILED',
      exitCode: 4,
      message: expect.stringContaining('No space left'),
    });
  });

  it('a file that cannot be made is an error before the run', () => {
    const path = '/nonexistent/out.pcap';
    expect(() => start(trace, { target: { kind: 'pcap', path } })).toThrow(
      expect.objectContaining({ code: 'OUTPUT_UNWRITABLE', exitCode: 2, message: expect.stringContaining(path) }),
    );
  });

  it('captures of several link types do not fit into one file', async () => {
    const mixed = [1, 127].map((linkType) => newFile('mixed.pcap', pcap([packet(60)], { linkType })));
    const both = await loaded(...mixed);
    const path = newPath('mixed-out.pcap');
    expect(() => start(both, { target: { kind: 'pcap', path } })).toThrow(expect.objectContaining({ code: 'LINK_TYPES_MIXED' }));
    expect(existsSync(path)).toBe(false);
    expectWhole(await replay(both), 2);
  });
});
