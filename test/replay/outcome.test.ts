/**
 * How runs end and what they report: laps, limits, durations, stop and abort, readers that do not wait, and an outcome that
 * adds up. What the packets are is the business of run.test.ts.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { measureTraceCopy, type RunOutcome, type Trace } from '../../replay/index.js';
import { newFile, newPath, type PcapRecord, pcapRecords, ROOT, traffic, trafficFile } from '../helpers/files.js';
import { type Asked, isas, loaded, machine, pause, replay, start, until } from '../helpers/replay.js';
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

beforeAll(async () => {
  const capture = traffic({ packets: PACKETS });
  input = pcapRecords(capture);
  trace = await loaded(newFile('in.pcap', capture));
});

function expectWhole(outcome: RunOutcome, packets: number): void {
  const { offered, delivered, dropped } = outcome.totals;
  expect({ offered, delivered, dropped }).toEqual({ offered: packets, delivered: packets, dropped: {} });
  expect(outcome).toMatchObject({ conserved: true, verified: { ok: true } });
}

describe('when a run ends', () => {
  it('after its laps', async () => {
    const outcome = await replay(trace, { loop: 5 });
    expect(outcome.stopped).toBe('end');
    expectWhole(outcome, 5 * PACKETS);
    expect(outcome.verified.packets).toBe(5 * PACKETS);
  });

  it('after its laps, if the limit is further away', async () => {
    const outcome = await replay(trace, { loop: 2, limit: 2 * PACKETS + 1 });
    expect(outcome.stopped).toBe('end');
    expectWhole(outcome, 2 * PACKETS);
  });

  it('at the limit, in endless laps too', async () => {
    const outcome = await replay(trace, { loop: 0, limit: 100_001, threads: 2 });
    expect(outcome.stopped).toBe('limit');
    expectWhole(outcome, 100_001);
  });

  it.each([1, 2, 3])('after its duration, whole, %i thread(s)', async (threads) => {
    const began = performance.now();
    const outcome = await replay(trace, { durationSeconds: 0.19, threads, rewrites: REWRITES });
    expect(performance.now() - began).toBeLessThan(2000);
    expect(outcome.stopped).toBe('duration');
    expect(outcome.totals.seconds).toBeGreaterThanOrEqual(0.19);
    expect(outcome.totals.seconds).toBeLessThan(1.5);
    expectWhole(outcome, outcome.totals.offered);
    expect(outcome.totals.offered).toBeGreaterThan(PACKETS);
  });

  it('after its laps, if the duration is longer', async () => {
    expect(await replay(trace, { loop: 1, durationSeconds: 20 })).toMatchObject({ stopped: 'end' });
  });

  it('at stop(): what is under way is drained', async () => {
    const run = start(trace, { loop: 0, threads: 2 });
    await until('it runs', () => run.snapshot().delivered > 0);
    run.stop();
    const outcome = await run.outcome;
    expect(outcome.stopped).toBe('interrupted');
    expectWhole(outcome, outcome.totals.offered);
    run.stop();
    run.abort(); // both are harmless now
  });

  it('at stop() right after the start: whatever was offered is accounted for', async () => {
    for (let attempt = 0; attempt < 30; attempt++) {
      const run = start(trace, { loop: 0 });
      if (attempt % 3 > 0) await pause(attempt % 3);
      run.stop();
      const outcome = await run.outcome;
      expect(outcome.stopped).toBe('interrupted');
      expectWhole(outcome, outcome.totals.offered);
    }
  });

  it('a container that was paused goes on; one that is killed ends the run, which says how far it had come', async () => {
    const paused = start(trace, { loop: 20, placement: 'fused' });
    paused.control?.(1, 'pause');
    await new Promise((resolve) => setTimeout(resolve, 50));
    paused.control?.(1, 'resume');
    const whole = await paused.outcome;
    expectWhole(whole, 20 * PACKETS);
    const killed = start(trace, { loop: 0, placement: 'fused' });
    await until('it runs', () => killed.snapshot().delivered > 0);
    killed.control?.(1, 'stop');
    await expect(killed.outcome).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(/container 1 .* was stopped in mid-run: of \d+ packets offered \d+ had been delivered/),
    });
  });

  it('at abort(): at once, without a result', async () => {
    const run = start(trace, { loop: 0 });
    await until('it runs', () => run.snapshot().delivered > 0);
    const began = performance.now();
    run.abort();
    await expect(run.outcome).rejects.toMatchObject({ code: 'ABORTED', exitCode: 130 });
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe('readers that do not wait', () => {
  it('lag: delivered and lost are what was offered', async () => {
    const outcome = await replay(trace, { readerPolicy: 'lag', loop: 0, limit: 500_000, ringBytes: 64 * KIB });
    const { offered, delivered, dropped } = outcome.totals;
    const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    expect({ offered, sum: delivered + lost, conserved: outcome.conserved }).toEqual({
      offered: 500_000,
      sum: offered,
      conserved: true,
    });
    expect(Object.keys(dropped).every((reason) => reason.includes('lag'))).toBe(true);
  });

  it('drop: delivered and dropped are what was offered', async () => {
    const outcome = await replay(trace, { readerPolicy: 'drop', loop: 0, limit: 500_000, ringBytes: 64 * KIB });
    const { offered, delivered, dropped } = outcome.totals;
    const gone = Object.values(dropped).reduce((sum, count) => sum + count, 0);
    expect({ offered, sum: delivered + gone, conserved: outcome.conserved }).toEqual({
      offered: 500_000,
      sum: offered,
      conserved: true,
    });
    expect(Object.keys(dropped).every((reason) => reason.includes('drop'))).toBe(true);
    expect(outcome.verified.ok && outcome.verified.packets > 0).toBe(true);
  });

  it('drop, when one-line slots fill the ring to its last descriptor: the end of the stream waits', async () => {
    const small = await loaded(trafficFile({ packets: 1000, sizes: [[60, 1]], protocols: [['udp', 1]], ipv6: 0, vlan: 0 }));
    for (let round = 0; round < 5; round++) {
      const outcome = await replay(small, { readerPolicy: 'drop', loop: 300, ringBytes: 64 * KIB });
      expect(outcome.conserved).toBe(true);
    }
  });
});

describe('the outcome', () => {
  it('is the published schema, and plain JSON', async () => {
    const schema = JSON.parse(readFileSync(join(ROOT, 'harness/schema/run.schema.json'), 'utf8')) as object;
    const validate = new Ajv2020.default({ strict: true }).compile(schema);
    const targets: Asked[] = [PLAN, { target: { kind: 'null' } }, { target: { kind: 'pcap', path: newPath('x.pcap') } }];
    for (const request of targets) {
      const outcome = await replay(trace, request);
      const stored: unknown = JSON.parse(JSON.stringify(outcome));
      expect(stored).toEqual(outcome);
      expect(validate(stored), JSON.stringify(validate.errors)).toBe(true);
    }
  });

  it('adds up: bytes, rates, laps, trace', async () => {
    const outcome = await replay(trace, PLAN);
    const bytes = LAPS * input.reduce((sum, { data }) => sum + data.length, 0);
    const { totals } = outcome;
    expect(totals.bytes).toBe(bytes);
    expect(totals.packetsPerSecond).toBeCloseTo(totals.delivered / totals.seconds);
    expect(totals.bitsPerSecond).toBeCloseTo((8 * bytes) / totals.seconds);
    expect(totals.wireBitsPerSecond).toBeCloseTo((8 * (bytes + 24 * totals.delivered)) / totals.seconds);
    expect(outcome.trace).toMatchObject({ packets: PACKETS, bytes: bytes / LAPS, unchanged: {} });
    expect(outcome.verified).toEqual({ laps: LAPS, packets: LAPS * PACKETS, ok: true });
    expect(outcome.rings[0]?.readers).toEqual([
      { pid: process.pid, policy: 'block', delivered: totals.delivered, lost: 0, state: 'drained' },
    ]);
  });

  it('the period is how often laps can have sources of their own', async () => {
    const hosts = new Set(input.filter(({ data }) => ip4Source(data) !== null).map(({ data }) => ip4Source(data)));
    const { trace: told } = await replay(trace, { rewrites: [{ field: 'src', cidr: '10.0.0.0/22' }] });
    expect(told.periodLaps).toBe(Math.floor(1024 / hosts.size));
    expect(Object.values(told.unchanged)).toEqual([input.filter(({ data }) => ip4Source(data) === null).length]);
    expect((await replay(trace, {})).trace.periodLaps).toBeNull();
  });

  it('without a reader: nothing is hashed, everything is accounted for', async () => {
    for (const payload of ['copy', 'resident'] as const) {
      const outcome = await replay(trace, { ...PLAN, payload, target: { kind: 'null' } });
      expectWhole(outcome, PACKETS * LAPS);
      expect(outcome).toMatchObject({ digest: null, operations: [], stopped: 'end' });
      expect(outcome.verified.packets).toBeGreaterThan(0);
    }
  });

  it('samples show the run go on', async () => {
    const { samples, totals } = await replay(trace, { durationSeconds: 0.6 });
    expect(samples.length).toBeGreaterThan(2);
    const packets = samples.map((sample) => sample.packets);
    expect(packets).toEqual([...packets].sort((a, b) => a - b));
    expect(packets.at(-1)).toBeLessThanOrEqual(totals.delivered);
  });

  it('the snapshot moves while a run goes on and ends at the outcome', async () => {
    const run = start(trace, { durationSeconds: 0.3 });
    await until('it runs', () => run.snapshot().phase === 'running');
    const first = run.snapshot();
    await pause(50);
    const second = run.snapshot();
    expect(second.delivered).toBeGreaterThan(first.delivered);
    expect(second.laps).toBeGreaterThan(first.laps);
    expect(second.seconds).toBeGreaterThan(first.seconds);
    const { totals } = await run.outcome;
    expect(run.snapshot()).toMatchObject({
      phase: 'done',
      offered: totals.offered,
      delivered: totals.delivered,
      bytes: totals.bytes,
    });
  });
});

/** Source address of a plain or tagged IPv4 packet of the generator. */
function ip4Source(frame: Buffer): string | null {
  const at = frame.readUInt16BE(12) === 0x8100 ? 16 : 12;
  return frame.readUInt16BE(at) === 0x0800 ? frame.toString('hex', at + 14, at + 18) : null;
}

describe('what cannot run', () => {
  it('an empty capture', async () => {
    const empty = await loaded(newFile('empty.pcap', pcap([])));
    expect(() => start(empty)).toThrow(expect.objectContaining({ code: 'TRACE_EMPTY', exitCode: 2 }));
  });

  it('a frame that is larger than half the ring', async () => {
    const large = await loaded(newFile('large.pcap', pcap([packet(60_000)])));
    expect(() => start(large, { ringBytes: 64 * KIB })).toThrow(
      expect.objectContaining({ code: 'RUN_IMPOSSIBLE', exitCode: 2, message: expect.stringContaining('65536') }),
    );
    expectWhole(await replay(large, { ringBytes: 128 * KIB }), 1);
    expectWhole(await replay(large), 1);
  });

  it.each(['', '.hidden', 'a/b', 'x'.repeat(65), 'a b', 'ä'])('a ring called %j', (name) => {
    expect(() => start(trace, { target: { kind: 'ring', name } })).toThrow(
      expect.objectContaining({ code: 'RUN_IMPOSSIBLE', exitCode: 2, message: expect.stringContaining(`'${name}'`) }),
    );
  });

  it('a trace that was closed', async () => {
    const closed = await loaded(trafficFile({ packets: 10 }));
    closed.close();
    expect(() => start(closed)).toThrow();
  });
});

describe('runs side by side', () => {
  it('of one trace, each with a plan of its own', async () => {
    const outcomes = await Promise.all([1, 2, 3].map((seed) => replay(trace, { ...PLAN, seed })));
    for (const [index, outcome] of outcomes.entries()) {
      expectWhole(outcome, PACKETS * LAPS);
      expect(outcome.digest).toBe((await replay(trace, { ...PLAN, seed: index + 1 })).digest);
    }
  });

  it('a trace closed under a run lets it finish', async () => {
    const mine = await loaded(trafficFile({ packets: 500 }));
    const run = start(mine, { durationSeconds: 0.25 }); // longer than it takes to a sample
    mine.close();
    const outcome = await run.outcome;
    expectWhole(outcome, outcome.totals.offered);
    expect(outcome.trace.packets).toBe(500);
    expect(mine.info().packets).toBe(500);
  });
});

it('measureTraceCopy copies at a believable rate and refuses what makes no sense', () => {
  const rate = measureTraceCopy(trace, 512 * KIB, 0.05);
  expect(rate).toBeGreaterThan(1e8);
  expect(rate).toBeLessThan(1e12);
  expect(() => measureTraceCopy(trace, 1, 0.05)).toThrow('out of range');
  expect(() => measureTraceCopy(trace, 512 * KIB, 0)).toThrow('out of range');
});

it('instruction sets: the addon and the machine agree', () => {
  expect(isas).toEqual(machine.isas);
});

it('-w /dev/null writes to the device and leaves it one', async () => {
  const before = statSync('/dev/null').rdev;
  expectWhole(await replay(trace, { target: { kind: 'pcap', path: '/dev/null' } }), PACKETS);
  expect(statSync('/dev/null').rdev).toBe(before);
});
