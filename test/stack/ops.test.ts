/**
 * Operations: what each declares against the text of its C++ body, and against what it says about packets of every kind in
 * a real run, for every instruction set this CPU has.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MAX_VERDICTS, OPERATIONS, type Operation } from '../../stack/index.js';
import { newFile, ROOT, traffic } from '../helpers/files.js';
import { judgedPackets } from '../helpers/packets.js';
import { isas, loaded, replay } from '../helpers/replay.js';
import { pcap } from '../replay/captures/writer.js';

const FOLDER = join(ROOT, 'stack/ops');
const basenames = (extension: string): string[] =>
  readdirSync(FOLDER)
    .filter((name) => name.endsWith(extension) && name !== 'operation.ts')
    .map((name) => name.slice(0, -extension.length))
    .sort();

/** Columns of the burst that a body assigns to, and those it reads before it has assigned to them. */
function columnsOf({ name }: Operation): { reads: string[]; writes: string[] } {
  const text = readFileSync(join(FOLDER, `${name}.cc`), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const reads = new Set<string>();
  const writes = new Set<string>();
  for (const [, column = '', assigned] of text.matchAll(/\bburst\.(\w+)\[\w+\](\s*=(?!=))?/g)) {
    if (assigned !== undefined) writes.add(column);
    else if (!writes.has(column)) reads.add(column);
  }
  return { reads: [...reads].sort(), writes: [...writes].sort() };
}

describe('declarations', () => {
  it('one declaration and one body for each operation, all in the list', () => {
    const listed = OPERATIONS.map(({ name }) => name).sort();
    expect(basenames('.ts')).toEqual(listed);
    expect(basenames('.cc')).toEqual(listed);
  });

  it('the native list knows exactly these', () => {
    const text = readFileSync(join(ROOT, 'stack/native/stack_kernels.cc'), 'utf8');
    const known = [...text.matchAll(/\{"([\w-]+)", MODEL_T_STRING/g)].map((match) => match[1]);
    expect(known).toEqual(OPERATIONS.map(({ name }) => name));
  });

  it.each(OPERATIONS)('$name: reads and writes the columns it declares, and no others', (operation) => {
    const { reads, writes } = columnsOf(operation);
    expect({ reads: [...operation.reads].sort(), writes: [...operation.writes].sort() }).toEqual({ reads, writes });
  });

  it.each(OPERATIONS)('$name: verdicts fit the statistics block and are told apart', ({ verdicts }) => {
    expect(verdicts.length).toBeGreaterThan(0);
    expect(verdicts.length).toBeLessThanOrEqual(MAX_VERDICTS);
    expect(new Set(verdicts).size).toBe(verdicts.length);
  });

  it.each(OPERATIONS)('$name: arguments are told apart; what touches no frame byte has no access', (operation) => {
    const names = operation.parameters.map(({ argument }) => argument);
    expect(new Set(names).size).toBe(names.length);
    expect(operation.access === 'none').toBe(!operation.reads.includes('frames'));
    expect(operation.access === 'none').toBe(operation.bytesTouched === 0);
  });
});

/** Packet number i stands i+1 times in the capture, so that no two kinds of packets can take each other's place. */
const judged = judgedPackets();
const repeated = judged.flatMap((packet, index) => Array<typeof packet>(index + 1).fill(packet));
const capture = newFile(
  'judged.pcap',
  pcap(repeated.map(({ frame }, index) => ({ data: frame, timeNs: BigInt(index) * 1000n, originalLength: frame.length }))),
);

function tally(operation: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verdicts } of repeated) {
    const verdict = verdicts[operation] ?? 'missing';
    counts[verdict] = (counts[verdict] ?? 0) + 1;
  }
  return counts;
}

const judging = OPERATIONS.filter(({ name }) => name !== 'count');

describe('verdicts', () => {
  it('the packets of this test bring about every verdict that is declared, and no other', () => {
    for (const { name, verdicts } of judging) expect(Object.keys(tally(name)).sort(), name).toEqual([...verdicts].sort());
  });

  it.each(isas)('%s: every packet gets the verdict it must', async (isa) => {
    const laps = 3;
    const { operations, totals, conserved } = await replay(await loaded(capture), { isa, loop: laps });
    expect(conserved).toBe(true);
    expect(operations.map(({ name }) => name)).toEqual(OPERATIONS.map(({ name }) => name));
    for (const { name, verdicts } of operations.filter((operation) => operation.name !== 'count')) {
      const expected = Object.fromEntries(Object.entries(tally(name)).map(([verdict, packets]) => [verdict, packets * laps]));
      expect({ name, verdicts }).toEqual({ name, verdicts: expected });
    }
    for (const { packets, calls, variant, cyclesPerPacket } of operations) {
      expect({ packets, variant }).toEqual({ packets: totals.delivered, variant: isa });
      expect(calls).toBeGreaterThan(0);
      expect(cyclesPerPacket).toBeGreaterThan(0);
    }
    const bytes = repeated.reduce((sum, { frame }) => sum + frame.length, 0) * laps;
    expect(operations.at(-1)?.verdicts).toEqual({ packets: totals.delivered, bytesSum: bytes });
    expect(totals.bytes).toBe(bytes);
  });

  it.each(isas)('%s: each kind of packet alone, so that an error names its packet', async (isa) => {
    for (const { what, frame, verdicts } of judged) {
      const file = newFile('one.pcap', pcap([{ data: frame, timeNs: 0n, originalLength: frame.length }]));
      const { operations } = await replay(await loaded(file), { isa });
      const found = Object.fromEntries(
        operations
          .filter(({ name }) => name !== 'count')
          .map((operation) => [operation.name, Object.keys(operation.verdicts).join()]),
      );
      expect({ what, ...found }).toEqual({ what, ...verdicts });
    }
  });

  it.each(isas)('%s: checksum-verify header looks at the IPv4 header only', async (isa) => {
    const good = ['UDP', 'TCP with a changed payload', 'a later fragment', 'cut in the payload'];
    const { operations } = await replay(await loaded(capture), { isa, pipeline: 'eth | ip4 | ip6 | checksum-verify header' });
    const expected: Record<string, number> = {};
    for (const { what, verdicts } of repeated) {
      const wrong = what === 'a wrong header checksum';
      const broken = verdicts.ip4 === 'malformed' || verdicts.ip6 === 'malformed';
      const verdict = broken ? 'unverifiable' : verdicts.eth === 'ip4' ? (wrong ? 'bad' : 'good') : 'other';
      expected[verdict] = (expected[verdict] ?? 0) + 1;
    }
    expect(judged.filter(({ what, verdicts }) => good.includes(what) && verdicts.eth === 'ip4')).toHaveLength(good.length);
    expect(operations.at(-1)).toMatchObject({ name: 'checksum-verify header', verdicts: expected });
  });

  it.each(isas)('%s: an operation runs as often as it stands in the pipeline', async (isa) => {
    const file = newFile('traffic.pcap', traffic({ packets: 777 }));
    const { operations } = await replay(await loaded(file), { isa, pipeline: 'count | eth | count | count' });
    const verdicts = operations.filter(({ name }) => name === 'count').map((operation) => operation.verdicts);
    expect(verdicts).toHaveLength(3);
    expect(new Set(verdicts.map((counts) => JSON.stringify(counts))).size).toBe(1);
    expect(verdicts[0]?.packets).toBe(777);
  });

  it('a whole frame with EtherType 0 is no short frame', async () => {
    const file = newFile('zeros.pcap', pcap([{ data: Buffer.alloc(60), timeNs: 0n, originalLength: 60 }]));
    const { operations } = await replay(await loaded(file), { pipeline: 'eth' });
    expect(operations[0]?.verdicts).toEqual({ other: 1 });
  });
});
