/**
 * Named rings: the C consumer of stack/examples against live replays, several readers with different policies, and what
 * either side does when names, files, geometry, cursors or descriptors are not what they should be.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ReplayRun, RunOutcome, Trace } from '../../replay/index.js';
import { READER_SLOT, RING_HEADER } from '../../stack/index.js';
import { ATTACHED, FakeProducer, SharedStruct } from '../helpers/fake-producer.js';
import { newFile, newPath, pcapRecords, traffic } from '../helpers/files.js';
import {
  type Consumed,
  compileConsumer,
  compileProbe,
  consumed,
  hasGcc,
  launch,
  newRing,
  type Running,
  ringExists,
  ringPath,
} from '../helpers/programs.js';
import { type Asked, digestOf, loaded, replay, start, until } from '../helpers/replay.js';

const KIB = 1024;
const PACKETS = 1200;
const REWRITES: Asked['rewrites'] = [{ field: 'src', cidr: '10.0.0.0/8' }];
let consumer: string;
let probe: string;
let trace: Trace;
const capture = traffic({ packets: PACKETS });
const records = pcapRecords(capture);

beforeAll(async () => {
  trace = await loaded(newFile('in.pcap', capture));
  if (!hasGcc) return;
  consumer = compileConsumer();
  probe = compileProbe();
});

const active: ReplayRun[] = [];
const producers: FakeProducer[] = [];
afterEach(() => {
  for (const run of active.splice(0)) run.abort();
  for (const producer of producers.splice(0)) producer.close();
});

function ringRun(name: string, request: Asked = {}): ReplayRun {
  const run = start(trace, { ...request, target: { kind: 'ring', name } });
  active.push(run);
  return run;
}

async function printed(running: Running): Promise<Consumed> {
  const { code, out, err } = await running.ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return consumed(out);
}

const readersOf = (outcome: RunOutcome): RunOutcome['rings'][number]['readers'] => outcome.rings[0]?.readers ?? [];

describe.skipIf(!hasGcc)('a consumer in C', () => {
  const plans: Asked[] = [
    {},
    { loop: 3, rewrites: REWRITES, ringBytes: 64 * KIB },
    { loop: 5, rewrites: REWRITES, unique: 'packet', threads: 3, ringBytes: 4096 * KIB },
    { loop: 4, rewrites: REWRITES, payload: 'resident' },
    { loop: 0, limit: 100_003, ringBytes: 128 * KIB + 64 },
  ];
  it.each(plans)('sees what the stack sees: %j', async (request) => {
    const name = newRing();
    const reader = launch(consumer, [name]); // before the ring: it waits for it
    const outcome = await ringRun(name, request).outcome;
    const seen = await printed(reader);
    const stack = await replay(trace, request);
    expect(seen).toEqual({ packets: stack.totals.delivered, bytes: stack.totals.bytes, lost: 0, digest: stack.digest });
    expect(outcome).toMatchObject({ conserved: true, digest: null, stopped: stack.stopped, verified: { ok: true } });
    expect(outcome.totals).toMatchObject({ delivered: stack.totals.delivered, bytes: stack.totals.bytes, dropped: {} });
    expect(readersOf(outcome)).toEqual([
      { pid: reader.child.pid, policy: 'block', delivered: seen.packets, lost: 0, state: 'drained' },
    ]);
    expect(ringExists(name)).toBe(false);
  });

  it('says how it is used', async () => {
    for (const words of [[], ['x', 'sometimes'], ['x', 'lag', 'more']]) {
      expect(await launch(consumer, words).ended).toMatchObject({
        code: 2,
        out: '',
        err: 'usage: consumer RING [block|lag|drop]\n',
      });
    }
    for (const name of ['../x', '.x', 'x'.repeat(65), '']) {
      const { code, err } = await launch(consumer, [name]).ended;
      expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(/^consumer: '.*' is no ring name[^\n]*\n$/) });
    }
  });

  it('several at once, waiting for all of them, see the same', async () => {
    const name = newRing();
    const run = ringRun(name, { readers: 3, loop: 3, ringBytes: 64 * KIB });
    const readers = [1, 2, 3].map(() => launch(consumer, [name]));
    const seen = await Promise.all(readers.map(printed));
    const digest = digestOf([...records, ...records, ...records]);
    expect(seen.map((one) => ({ packets: one.packets, lost: one.lost, digest: one.digest }))).toEqual(
      Array(3).fill({ packets: 3 * PACKETS, lost: 0, digest }),
    );
    const outcome = await run.outcome;
    expect(outcome).toMatchObject({ conserved: true, verified: { ok: true } });
    expect(
      readersOf(outcome)
        .map(({ pid }) => pid)
        .sort(),
    ).toEqual(readers.map(({ child }) => child.pid).sort());
  });

  it('block, lag and drop side by side: every packet of each is accounted for', async () => {
    const name = newRing();
    const run = ringRun(name, { readers: 3, loop: 0, limit: 150_000, ringBytes: 64 * KIB });
    const readers = ['block', 'lag', 'drop'].map((policy) => [policy, launch(consumer, [name, policy])] as const);
    const outcome = await run.outcome;
    const { offered, dropped } = outcome.totals;
    const producerDropped = dropped['ring full (reader policy drop)'] ?? 0;
    expect(outcome).toMatchObject({ conserved: true, stopped: 'limit' });
    expect(offered).toBe(150_000);
    for (const [policy, running] of readers) {
      const seen = await printed(running);
      const told = readersOf(outcome).find(({ pid }) => pid === running.child.pid);
      expect(told).toEqual({ pid: running.child.pid, policy, delivered: seen.packets, lost: seen.lost, state: 'drained' });
      expect({ policy, packets: seen.packets + seen.lost }).toEqual({ policy, packets: offered - producerDropped });
      if (policy !== 'lag') expect(seen.lost).toBe(0);
    }
  });

  it('that comes later sees the rest', async () => {
    const name = newRing();
    const run = ringRun(name, { loop: 0 });
    const first = launch(consumer, [name]);
    await until('the first one reads', () => run.snapshot().offered > 1000);
    const second = launch(consumer, [name]);
    const file = openSync(ringPath(name), 'r+');
    const slot = new SharedStruct(file, READER_SLOT, RING_HEADER.bytes + READER_SLOT.bytes);
    await until('the second one reads', () => slot.read('delivered') > 0n);
    closeSync(file);
    run.stop();
    const outcome = await run.outcome;
    const [all, rest] = await Promise.all([printed(first), printed(second)]);
    expect(all.packets).toBe(outcome.totals.offered);
    expect(rest.packets).toBeGreaterThan(0);
    expect(rest.packets).toBeLessThan(all.packets);
    expect(outcome).toMatchObject({ conserved: true, stopped: 'interrupted' });
    expect(outcome.totals.delivered).toBe(all.packets); // the late one answers for its own share only
    expect(readersOf(outcome).map(({ state }) => state)).toEqual(['drained', 'drained']);
  });

  it('a drop reader is refused where packets cannot be dropped', async () => {
    const name = newRing();
    ringRun(name, { threads: 2 });
    const { code, err } = await launch(consumer, [name, 'drop']).ended;
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(/^consumer: .*refused this policy[^\n]*\n$/) });
  });

  it('a seventeenth reader is refused', async () => {
    const name = newRing();
    const producer = new FakeProducer(name);
    producers.push(producer);
    for (let slot = 0; slot < 16; slot++) producer.slot(slot).write({ state: ATTACHED });
    const { code, out } = await launch(probe, [name]).ended;
    expect({ code, out }).toEqual({ code: 2, out: 'all 16 reader slots of the ring are taken\n' });
  });
});

describe('the file of a ring', () => {
  it('is of mode 0600, whatever the umask, and gone with the run', async () => {
    const name = newRing();
    const before = process.umask(0);
    const run = ringRun(name);
    process.umask(before);
    expect(statSync(ringPath(name)).mode & 0o7777).toBe(0o600);
    run.stop();
    await run.outcome;
    expect(ringExists(name)).toBe(false);
  });

  it('is not made through a symbolic link', async () => {
    const name = newRing();
    const victim = newFile('victim', 'precious');
    for (const target of [victim, newPath('not there')]) {
      symlinkSync(target, ringPath(name));
      expect(() => ringRun(name)).toThrow(expect.objectContaining({ code: 'RUN_IMPOSSIBLE', exitCode: 2 }));
      unlinkSync(ringPath(name));
    }
    expect(readFileSync(victim, 'utf8')).toBe('precious');
  });

  it.skipIf(!hasGcc)('is not read through a symbolic link', async () => {
    const name = newRing();
    const real = newRing();
    ringRun(real);
    symlinkSync(ringPath(real), ringPath(name));
    const { code, out } = await launch(probe, [name]).ended;
    expect({ code, out }).toEqual({ code: 2, out: expect.stringContaining('symbolic links') });
  });

  it('is not made where something else is', () => {
    const name = newRing();
    for (const content of ['no ring', Buffer.alloc(8192, 1)]) {
      writeFileSync(ringPath(name), content);
      expect(() => ringRun(name)).toThrow(expect.objectContaining({ message: expect.stringContaining(ringPath(name)) }));
      expect(readFileSync(ringPath(name))).toEqual(Buffer.from(content));
      unlinkSync(ringPath(name));
    }
    mkdirSync(ringPath(name));
    expect(() => ringRun(name)).toThrow(expect.objectContaining({ code: 'RUN_IMPOSSIBLE' }));
    rmdirSync(ringPath(name));
  });

  it('is made where a producer died before it had laid out its ring', async () => {
    for (const content of ['', Buffer.alloc(8192)]) {
      const name = newRing();
      writeFileSync(ringPath(name), content);
      const run = ringRun(name);
      expect(readFileSync(ringPath(name)).length).toBeGreaterThan(64 * 1024);
      run.abort();
      await expect(run.outcome).rejects.toMatchObject({ code: 'ABORTED' });
    }
  });

  it('is not taken from a producer that lives', async () => {
    const name = newRing();
    const run = ringRun(name);
    const inode = statSync(ringPath(name)).ino;
    expect(() => ringRun(name)).toThrow(
      expect.objectContaining({
        code: 'RUN_IMPOSSIBLE',
        exitCode: 2,
        message: expect.stringContaining(`in use by process ${process.pid}`),
      }),
    );
    expect(statSync(ringPath(name)).ino).toBe(inode);
    run.stop();
    await run.outcome;
  });

  it('is taken over when its producer is gone, also when its number is in use again', async () => {
    for (const lie of [{ producer_pid: 2 ** 22 + 1 }, { producer_pid_start: 1 }]) {
      const name = newRing();
      new FakeProducer(name, lie).close();
      const run = ringRun(name);
      run.stop();
      expect((await run.outcome).totals.offered).toBe(0);
      expect(ringExists(name)).toBe(false);
    }
  });
});
