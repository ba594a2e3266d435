/**
 * Operations: what each declares against the text of its C++ body, and against what it says about packets of every kind in
 * a real run, for every instruction set this CPU has.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BODIES, DEFAULT_PIPELINE, MAX_VERDICTS, OPERATIONS, type Operation, parsePipeline } from '../../stack/index.js';
import { newFile, pcapRecords, ROOT, traffic } from '../helpers/files.js';
import { judgedPackets } from '../helpers/packets.js';
import { isas, loaded, replay } from '../helpers/replay.js';
import { pcap } from '../replay/captures/writer.js';

const FOLDER = join(ROOT, 'stack/ops');
const basenames = (extension: string): string[] =>
  readdirSync(FOLDER)
    .filter((name) => name.endsWith(extension) && name !== 'operation.ts')
    .map((name) => name.slice(0, -extension.length))
    .sort();

/** Bodies are named as their operation, with dashes or underscores. */
function bodyFile({ name }: Operation): string | null {
  return [`${name}.cc`, `${name.replaceAll('-', '_')}.cc`].find((file) => existsSync(join(FOLDER, file))) ?? null;
}

/** Operations that are declared and have no body yet: a body that appears must be taken off this list. */
const WITHOUT_BODY: readonly string[] = [];
const withBody = BODIES.filter((operation) => bodyFile(operation) !== null);

/** Columns that go under the name of another, or that every row has and nobody declares. */
const PARTNERS: Readonly<Record<string, string | null>> = { payload_lengths: 'payloads', stream_marks: 'streams', slots: null };
/** What bodies read through functions of stack/native: flow_key.h. What they copy along with a row nobody declares. */
const READING: Readonly<Record<string, readonly string[]>> = {
  flow_of: ['frames', 'types', 'networks', 'transports', 'ends', 'protocols', 'marks'],
  /* tcp-stream: of packets that wait for others it keeps the whole frame (tcp_holes.cc). */
  segment_of: ['lengths'],
};

/**
 * Columns of the burst that a body assigns to, and those it reads before it has assigned to them. Rows of its own making
 * (`rows`) have frames, lengths and times anyway.
 */
function columnsOf(operation: Operation): { reads: string[]; writes: string[] } {
  const text = readFileSync(join(FOLDER, bodyFile(operation) ?? ''), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const reads = new Set<string>();
  const writes = new Set<string>();
  for (const [, place, name = '', assigned] of text.matchAll(/\b(burst|rows)\.(\w+)\[\w+\](\s*=(?!=))?/g)) {
    const column = PARTNERS[name] === undefined ? name : PARTNERS[name];
    if (column === null) continue;
    if (assigned !== undefined) writes.add(column);
    else if (place === 'burst' && (operation.expands || !writes.has(column))) reads.add(column);
  }
  for (const [name, columns] of Object.entries(READING)) {
    if (text.includes(`${name}(burst`)) for (const column of columns) reads.add(column);
  }
  if (operation.expands) for (const column of ['frames', 'lengths', 'times']) writes.delete(column);
  /* Every operation that drops says so for each row. */
  if (operation.drops) writes.delete('leaves');
  return { reads: [...reads].sort(), writes: [...writes].sort() };
}

describe('declarations', () => {
  it('one declaration for each operation, all in the list; every body is declared', () => {
    expect(basenames('.ts')).toEqual(BODIES.map(({ name }) => name).sort());
    const names = BODIES.map(({ name }) => name);
    expect(basenames('.cc').filter((name) => !names.includes(name.replaceAll('_', '-')))).toEqual([]);
    expect(BODIES.filter((operation) => bodyFile(operation) === null).map(({ name }) => name)).toEqual(WITHOUT_BODY);
  });

  it('the native list knows exactly those that are compiled for each instruction set', () => {
    const text = readFileSync(join(ROOT, 'stack/native/stack_kernels.cc'), 'utf8');
    const known = [...text.matchAll(/\{"([\w-]+)", MODEL_T_STRING/g)].map((match) => match[1]);
    const kernels = withBody.filter(({ variants }) => variants.some(({ name }) => name === 'avx2'));
    expect([...known].sort()).toEqual(kernels.map(({ name }) => name).sort());
  });

  it.each(withBody)('$name: reads and writes the columns it declares, and no others', (operation) => {
    const { reads, writes } = columnsOf(operation);
    expect([...operation.reads, ...(operation.readsIfWritten ?? [])].sort()).toEqual(reads);
    /* What is filled in on demand may also be left to whoever shares the text. */
    const always = operation.writes.filter((column) => !operation.onDemand.includes(column));
    expect(always.filter((column) => !writes.includes(column))).toEqual([]);
    expect(writes.filter((column) => !operation.writes.some((declared) => declared === column))).toEqual([]);
  });

  it.each(BODIES)('$name: verdicts fit the statistics block and are told apart', ({ verdicts }) => {
    expect(verdicts.length).toBeGreaterThan(0);
    expect(verdicts.length).toBeLessThanOrEqual(MAX_VERDICTS);
    expect(new Set(verdicts).size).toBe(verdicts.length);
  });

  it.each(BODIES)('$name: declares nothing that contradicts itself', (operation) => {
    const {
      name,
      access,
      reads,
      readsIfWritten = [],
      writes,
      onDemand,
      rows,
      drops,
      last,
      expands,
      fusable,
      variants,
    } = operation;
    expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
    const touches = [...reads, ...readsIfWritten].some((column) => column === 'frames' || column === 'payloads');
    expect(access === 'none').toBe(!touches);
    expect(access === 'none').toBe(operation.bytesTouched === 0);
    expect(access === 'payload' || operation.bytesTouched === null || operation.bytesTouched <= 62).toBe(true);
    for (const column of onDemand) expect(writes).toContain(column);
    for (const column of readsIfWritten) expect(reads).not.toContain(column);
    if (last) expect(drops).toBe(true);
    if (expands) expect({ rows, onDemand, fusable }).toEqual({ rows: 'all', onDemand: [], fusable: false });
    if (fusable)
      expect({ drops, writesPacket: operation.writesPacket, state: operation.state }).toEqual({
        drops: false,
        writesPacket: 'no',
        state: 'none',
      });
    expect(new Set(variants.map((variant) => variant.name)).size).toBe(variants.length);
    expect(variants.length).toBeGreaterThan(0);
  });

  it.each(BODIES)('$name: arguments are told apart, and the first or the default is one', ({ argument }) => {
    if (argument.kind === 'choice') {
      expect(argument.choices.length).toBeGreaterThan(0);
      expect(new Set(argument.choices.map((choice) => choice.argument)).size).toBe(argument.choices.length);
      expect(new Set(argument.choices.map(({ value }) => value)).size).toBe(argument.choices.length);
    }
    if (argument.kind === 'number' && argument.default !== null) {
      expect(argument.default).toBeGreaterThanOrEqual(argument.min);
      expect(argument.default).toBeLessThanOrEqual(argument.max);
    }
    if (argument.kind === 'number') expect(argument.max).toBeLessThan(2 ** 32);
  });

  it('a second body says first what the first one says', () => {
    for (const { verdicts, alternative } of OPERATIONS) {
      if (alternative) expect(alternative.operation.verdicts.slice(0, verdicts.length)).toEqual(verdicts);
    }
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

/** What the default pipeline runs, `count` apart. */
const standard = parsePipeline(DEFAULT_PIPELINE).steps.map(({ operation }) => operation);
const judging = standard.filter(({ name }) => name !== 'count');

describe('verdicts', () => {
  it('the packets of this test bring about every verdict that is declared, and no other', () => {
    for (const { name, verdicts } of judging) expect(Object.keys(tally(name)).sort(), name).toEqual([...verdicts].sort());
  });

  it.each(isas)('%s: every packet gets the verdict it must', async (isa) => {
    const laps = 3;
    const { operations, totals, conserved } = await replay(await loaded(capture), { isa, loop: laps });
    expect(conserved).toBe(true);
    expect(operations.map(({ name }) => name)).toEqual(standard.map(({ name }) => name));
    for (const { name, verdicts } of operations.filter((operation) => operation.name !== 'count')) {
      const expected = Object.fromEntries(Object.entries(tally(name)).map(([verdict, packets]) => [verdict, packets * laps]));
      expect({ name, verdicts }).toEqual({ name, verdicts: expected });
    }
    for (const { packets, calls, variant, cyclesPerPacket, pass } of operations) {
      expect({ packets, variant }).toEqual({ packets: totals.delivered, variant: isa });
      expect(calls).toBeGreaterThan(0);
      if (pass === undefined) expect(cyclesPerPacket).toBeGreaterThan(0);
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

describe('the operations that schedulers are tried with', () => {
  const records = pcapRecords(traffic({ packets: 2000, hosts: 4, flows: 8, protocols: [['udp', 1]] }));
  const verdicts = async (file: string): Promise<readonly unknown[]> => {
    const pipeline = 'eth | ip4 | ip6 | order | burn 5';
    const { operations } = await replay(await loaded(file), { pipeline, loop: 5 });
    return operations.slice(3).map((operation) => operation.verdicts);
  };

  it('order finds nothing in a capture whose times go on, lap after lap', async () => {
    expect(await verdicts(newFile('ordered.pcap', pcap(records)))).toEqual([{ 'in-order': 10_000 }, { packets: 10_000 }]);
  });

  it('order finds one packet in each lap when two of a flow were exchanged', async () => {
    const frame = records[0]?.data ?? Buffer.alloc(0);
    const times = [1n, 3n, 2n, 4n].map((time) => ({ data: frame, timeNs: time * 1000n, originalLength: frame.length }));
    expect(await verdicts(newFile('exchanged.pcap', pcap(times)))).toEqual([
      { 'in-order': 15, 'out-of-order': 5 },
      { packets: 20 },
    ]);
  });
});
