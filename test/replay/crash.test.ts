/**
 * Processes that die in mid-run: the other side notices within a second, says so in one line and exits with 4; what a dead
 * producer left behind is reclaimed. And signals: the first drains, the second aborts.
 */
import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { newFile, pcapRecords, traffic } from '../helpers/files.js';
import {
  compileConsumer,
  consumed,
  freeze,
  hasCommandLine,
  hasGcc,
  launch,
  launchModelT,
  newRing,
  type Running,
  ringExists,
} from '../helpers/programs.js';
import { digestOf, loaded, pause, start, until } from '../helpers/replay.js';

/** The promise is one second; half a second more is for a machine that does something else as well. */
const LIMIT_MS = 1500;
const ONE_LINE = /^[^\n]+\n$/;

let consumer: string;
const bytes = traffic({ packets: 700 });
const capture = newFile('in.pcap', bytes);

beforeAll(() => {
  if (hasGcc) consumer = compileConsumer();
});

/** A replay without end into a ring with these readers, well under way. */
async function underWay(policies: readonly string[], ...flags: string[]) {
  const ring = newRing();
  const target = ['--to', `ring:${ring}`, '--readers', String(policies.length)];
  const replayer = launchModelT('replay', capture, '--loop', '0', ...target, '--stats', '50ms', ...flags);
  const readers = policies.map((policy) => launch(consumer, [ring, policy]));
  await until('packets pass', () => / [1-9][\d,]* packets, lap/.test(replayer.err()));
  return { ring, replayer, readers };
}

/** Ends and how long they took from now. */
async function timed({ ended }: Running) {
  const began = performance.now();
  const end = await ended;
  return { ...end, ms: performance.now() - began };
}

/** What a replayer said besides its interval lines. */
const said = (err: string): string =>
  err
    .split('\n')
    .filter((line) => line !== '' && !/packets?, lap |waiting for readers/.test(line))
    .map((line) => `${line}\n`)
    .join('');

/* Once more if it took too long: 200 ms is usual, but a test box may be busy compiling. */
describe.skipIf(!hasGcc || !hasCommandLine)('kill -9', { retry: 1 }, () => {
  it.each([[[]], [['--threads', '3']], [['--payload', 'resident']], [['--ring-size', '64MiB']]])(
    'of the only reader: the replayer ends, %j',
    async (flags) => {
      const { ring, replayer, readers } = await underWay(['block'], ...flags);
      readers[0]?.child.kill('SIGKILL');
      const { code, ms, out, err } = await timed(replayer);
      expect(ms).toBeLessThan(LIMIT_MS);
      expect(code).toBe(4);
      expect(said(err)).toMatch(ONE_LINE);
      expect(said(err)).toContain('A reader died');
      expect(out).toContain(`reader ${readers[0]?.child.pid} of ring ${ring}: died`);
      expect(out).toContain('conserved: NO');
      expect(ringExists(ring)).toBe(false);
    },
  );

  it('of a reader that waits in front of a stopped stream', async () => {
    const { replayer, readers } = await underWay(['block', 'block']);
    await freeze(readers[0] as Running); // the ring fills up, the producer waits
    readers[1]?.child.kill('SIGKILL');
    readers[0]?.child.kill('SIGKILL');
    const { code, ms } = await timed(replayer);
    expect({ code, soon: ms < LIMIT_MS }).toEqual({ code: 4, soon: true });
  });

  it('of one reader of two: the other goes on, and the run is not conserved', async () => {
    const { ring, replayer, readers } = await underWay(['block', 'block']);
    readers[0]?.child.kill('SIGKILL');
    const told = replayer.err().length;
    await until(
      'the run goes on',
      () =>
        (
          replayer
            .err()
            .slice(told)
            .match(/packets, lap/g) ?? []
        ).length > 6,
    );
    replayer.child.kill('SIGINT');
    const { code, out } = await replayer.ended;
    const other = await (readers[1] as Running).ended;
    expect(other.code).toBe(0);
    expect(code).toBe(4);
    expect(out).toContain(`reader ${readers[0]?.child.pid} of ring ${ring}: died`);
    expect(consumed(other.out).packets).toBe(Number(/offered (\d+)/.exec(out)?.[1]));
  });

  it.each(['block', 'lag', 'drop'])('of the replayer: a %s reader ends', async (policy) => {
    const { ring, replayer, readers } = await underWay([policy]);
    replayer.child.kill('SIGKILL');
    const { code, ms, out, err } = await timed(readers[0] as Running);
    expect(ms).toBeLessThan(LIMIT_MS);
    expect({ code, out }).toEqual({ code: 4, out: '' });
    expect(err).toMatch(ONE_LINE);
    expect(err).toMatch(
      new RegExp(`^consumer: the producer \\(pid ${replayer.child.pid}\\) died; \\d+ packets had been delivered`),
    );
    expect(ringExists(ring)).toBe(true);
    await reclaimed(ring);
  });

  it('of the replayer while it waits for readers', async () => {
    const ring = newRing();
    const replayer = launchModelT('replay', capture, '--to', `ring:${ring}`);
    await until('the ring is there', () => ringExists(ring));
    replayer.child.kill('SIGKILL');
    await replayer.ended;
    await reclaimed(ring);
  });
});

/** The next replay of that name takes the ring over, delivers everything, and leaves nothing. */
async function reclaimed(ring: string): Promise<void> {
  const replayer = launchModelT('replay', capture, '--loop', '2', '--to', `ring:${ring}`);
  await until('the ring is new', () => ringExists(ring));
  const seen = await launch(consumer, [ring]).ended;
  const records = pcapRecords(bytes);
  expect(consumed(seen.out)).toMatchObject({ packets: 1400, lost: 0, digest: digestOf([...records, ...records]) });
  expect(await replayer.ended).toMatchObject({ code: 0, err: '' });
  expect(readdirSync('/dev/shm').filter((name) => name.includes(ring))).toEqual([]);
}

describe.skipIf(!hasGcc || !hasCommandLine)('signals', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('%s: the reader gets everything that was offered, exit code 130', async (signal) => {
    const { ring, replayer, readers } = await underWay(['block']);
    replayer.child.kill(signal);
    const { code, out } = await replayer.ended;
    const seen = await (readers[0] as Running).ended;
    expect(code).toBe(130);
    expect(out.match(/^Actual: /gm)).toHaveLength(1);
    expect(out).toContain('conserved: yes');
    expect(seen).toMatchObject({ code: 0, err: '' });
    expect(consumed(seen.out).packets).toBe(Number(/offered (\d+)/.exec(out)?.[1]));
    expect(ringExists(ring)).toBe(false);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('a second %s does not wait for a reader that hangs', async (signal) => {
    const { ring, replayer, readers } = await underWay(['block']);
    const reader = readers[0] as Running;
    await freeze(reader);
    await pause(200); // the ring is full now, and the producer waits
    replayer.child.kill(signal);
    await until('it drains', () => replayer.err().includes('stopping'));
    await pause(300); // later than one keypress that arrives twice
    expect(replayer.child.exitCode).toBeNull();
    replayer.child.kill(signal);
    const { code, ms } = await timed(replayer);
    expect(ms).toBeLessThan(LIMIT_MS);
    reader.child.kill('SIGCONT');
    const { code: readerCode, err } = await reader.ended;
    expect({ readerCode, err }).toEqual({ readerCode: 4, err: expect.stringMatching(/^consumer: the producer [^\n]*\n$/) });
    expect(ringExists(ring)).toBe(false);
    expect(code).toBe(130);
  });

  it('SIGINT while it waits for readers ends it at once', async () => {
    const ring = newRing();
    const replayer = launchModelT('replay', capture, '--to', `ring:${ring}`, '--stats', '50ms');
    await until('it waits', () => replayer.err().includes('waiting for readers'));
    replayer.child.kill('SIGINT');
    const { code, ms } = await timed(replayer);
    expect({ code, soon: ms < LIMIT_MS }).toEqual({ code: 130, soon: true });
    expect(ringExists(ring)).toBe(false);
  });
});

describe.skipIf(!hasGcc)('a reader that leaves', () => {
  it('before the first packet is waited for again', async () => {
    const ring = newRing();
    const trace = await loaded(capture);
    const run = start(trace, { readers: 2, target: { kind: 'ring', name: ring } });
    const first = launch(consumer, [ring]);
    await until('it has joined or is about to', () => first.child.pid !== undefined && ringExists(ring));
    first.child.kill('SIGKILL');
    await first.ended;
    const others = [1, 2].map(() => launch(consumer, [ring]));
    for (const other of others) expect(consumed((await other.ended).out).packets).toBe(700);
    expect((await run.outcome).totals.offered).toBe(700);
  });
});
