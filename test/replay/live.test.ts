/**
 * Replays of captures that are still being written: packets pass as they arrive, laps and ends follow the end of the
 * stream, and what is cut or no capture is told. Streams are FIFOs here, and standard input of the built command line.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { ReplayRun, Trace } from '../../replay/index.js';
import { newFile, newPath, pcapRecords, traffic } from '../helpers/files.js';
import { hasCommandLine, launchModelT } from '../helpers/programs.js';
import { type Asked, digestOf, loaded, opened, pause, replay, start, until } from '../helpers/replay.js';

const PACKETS = 300;
/** A run that waits for a stream in vain must not hold up the others. */
const FEW_SECONDS = 8000;
const capture = traffic({
  packets: PACKETS,
  sizes: [
    [82, 2],
    [590, 1],
  ],
});
const records = pcapRecords(capture);
const RECORD_HEADER_BYTES = 16;
/** Byte offsets of the file at which packet n begins; the last one is the end of the file. */
const offsets = [24];
for (const { data } of records) offsets.push((offsets.at(-1) ?? 0) + RECORD_HEADER_BYTES + data.length);
const REWRITES: Asked['rewrites'] = [{ field: 'src', cidr: '10.0.0.0/8' }];

/** A capture that somebody writes bit by bit. */
class Feeder {
  readonly path = newPath('fifo');
  #writer: number | null = null;
  constructor() {
    if (spawnSync('mkfifo', [this.path]).status !== 0) throw new Error('mkfifo failed');
  }
  /** Begins to write as soon as somebody reads. */
  async open(): Promise<void> {
    await until('the FIFO is opened', () => {
      try {
        this.#writer = openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENXIO') return false; // nobody reads yet
        throw error;
      }
    });
  }
  /** Bytes up to the start of packet `to`; fewer than the buffer of a pipe holds. */
  packets(from: number, to: number): void {
    this.bytes(capture.subarray(from === 0 ? 0 : offsets[from], offsets[to]));
  }
  bytes(bytes: Uint8Array): void {
    if (this.#writer === null || writeSync(this.#writer, bytes) !== bytes.length) throw new Error('not written');
  }
  end(): void {
    if (this.#writer !== null) closeSync(this.#writer);
    this.#writer = null;
  }
}

const feeders: Feeder[] = [];
const traces: Trace[] = [];
afterEach(() => {
  for (const trace of traces.splice(0)) trace.close();
  for (const feeder of feeders.splice(0)) feeder.end();
});

async function live(): Promise<{ feeder: Feeder; trace: Trace }> {
  const feeder = new Feeder();
  feeders.push(feeder);
  const trace = await opened(feeder.path);
  traces.push(trace);
  await feeder.open();
  expect(trace.live).toBe(true);
  return { feeder, trace };
}

const delivered = (run: ReplayRun, packets: number): Promise<void> =>
  until(`${packets} packets are delivered`, () => run.snapshot().delivered === packets);

describe('a stream', { timeout: FEW_SECONDS }, () => {
  it('is replayed while it grows', async () => {
    const { feeder, trace } = await live();
    const run = start(trace, { rewrites: REWRITES });
    await pause(30);
    expect(run.snapshot().delivered).toBe(0);
    for (const [from, to] of [
      [0, 50],
      [50, 51],
      [51, 160],
    ] as const) {
      feeder.packets(from, to);
      await delivered(run, to);
      expect(run.snapshot()).toMatchObject({ phase: 'running', laps: 0, offered: to, dropped: 0 });
      expect(trace.info().packets).toBe(to);
    }
    feeder.packets(160, PACKETS);
    feeder.end();
    const outcome = await run.outcome;
    expect(outcome).toMatchObject({ conserved: true, stopped: 'end', verified: { ok: true, packets: PACKETS } });
    expect(outcome.totals).toMatchObject({ offered: PACKETS, delivered: PACKETS });
    expect(outcome.digest).toBe((await replay(await loaded(newFile('file.pcap', capture)), { rewrites: REWRITES })).digest);
    await trace.loaded;
  });

  it.each([{ loop: 3 }, { loop: 3, limit: PACKETS + 7 }, { loop: 0, limit: 10 * PACKETS + 1 }])(
    'is as good as a file: %o',
    async (request) => {
      const { feeder, trace } = await live();
      const run = start(trace, { ...request, rewrites: REWRITES });
      feeder.packets(0, 100);
      await delivered(run, 100);
      feeder.packets(100, PACKETS);
      feeder.end();
      const outcome = await run.outcome;
      const file = await replay(await loaded(newFile('file.pcap', capture)), { ...request, rewrites: REWRITES });
      expect(outcome).toMatchObject({ conserved: true, stopped: file.stopped, digest: file.digest, verified: { ok: true } });
      expect(outcome.totals.delivered).toBe(file.totals.delivered);
    },
  );

  it('ends at the limit although the stream goes on', async () => {
    const { feeder, trace } = await live();
    const run = start(trace, { limit: 42 });
    feeder.packets(0, 41);
    await delivered(run, 41);
    feeder.packets(41, 60);
    expect(await run.outcome).toMatchObject({ stopped: 'limit', conserved: true, digest: digestOf(records.slice(0, 42)) });
  });

  it('ends at stop() although nothing arrives', async () => {
    const { feeder, trace } = await live();
    const run = start(trace);
    feeder.packets(0, 5);
    await delivered(run, 5);
    run.stop();
    expect(await run.outcome).toMatchObject({ stopped: 'interrupted', conserved: true, digest: digestOf(records.slice(0, 5)) });
  });

  it('ends at its duration although nothing arrives', async () => {
    const { feeder, trace } = await live();
    const run = start(trace, { durationSeconds: 0.2, loop: 1 });
    feeder.packets(0, 5);
    await delivered(run, 5);
    const stopped = setTimeout(() => run.stop(), 3000);
    expect((await run.outcome).stopped).toBe('duration');
    clearTimeout(stopped);
  });

  it('that is cut replays what is whole, and says where it broke', async () => {
    const { feeder, trace } = await live();
    const run = start(trace);
    feeder.bytes(capture.subarray(0, (offsets[20] ?? 0) + 30));
    await delivered(run, 20);
    feeder.end();
    const outcome = await run.outcome;
    expect(outcome).toMatchObject({ stopped: 'end', conserved: true, digest: digestOf(records.slice(0, 20)) });
    expect(trace.info().sources[0]?.truncated).toMatchObject({ offset: offsets[20], packet: 21 });
  });

  it('that holds no packet gives a run without packets', async () => {
    const { feeder, trace } = await live();
    const run = start(trace, { loop: 5 });
    feeder.bytes(capture.subarray(0, 24));
    feeder.end();
    const outcome = await run.outcome;
    expect(outcome).toMatchObject({ stopped: 'end', conserved: true, totals: { offered: 0, delivered: 0 } });
  });

  it('that is no capture ends the run; what is wrong is told by `loaded`', async () => {
    const { feeder, trace } = await live();
    const run = start(trace);
    feeder.bytes(Buffer.from('this is no capture, but long enough to look like one'));
    feeder.end();
    await expect(trace.loaded).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(feeder.path) });
    expect(await run.outcome).toMatchObject({ conserved: true, totals: { offered: 0, delivered: 0 } });
  });

  it('of large frames fits a ring of automatic size', async () => {
    const { feeder, trace } = await live();
    const run = start(trace);
    const large = traffic({ packets: 3, sizes: [[20_000, 1]] });
    feeder.bytes(large);
    feeder.end();
    expect(await run.outcome).toMatchObject({ conserved: true, digest: digestOf(pcapRecords(large)) });
  });

  it('of frames that do not fit the ring that was asked for is an error that names the packet', async () => {
    const { feeder, trace } = await live();
    const run = start(trace, { ringBytes: 64 * 1024 });
    feeder.packets(0, 2);
    await delivered(run, 2);
    feeder.bytes(traffic({ packets: 1, sizes: [[40_000, 1]] }).subarray(24));
    await expect(run.outcome).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringContaining('packet 3') });
  });

  it.each([
    ['LIVE_RESIDENT', { payload: 'resident' }],
    ['LIVE_THREADS', { threads: 2 }],
  ] as const)('cannot be replayed in every way: %s', async (code, request) => {
    const { trace } = await live();
    expect(() => start(trace, request)).toThrow(expect.objectContaining({ code, exitCode: 2 }));
  });
});

describe.skipIf(!hasCommandLine)('standard input', { timeout: FEW_SECONDS }, () => {
  it('is replayed while it grows', async () => {
    const { child, ended, err } = launchModelT('replay', '-', '--loop', '2', '--stats', '50ms', '--json', '-');
    child.stdin?.write(capture.subarray(0, offsets[70]));
    await until('the first packets are told', () => / 70 packets, lap 0/.test(err()));
    child.stdin?.end(capture.subarray(offsets[70]));
    const { code, out } = await ended;
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      conserved: true,
      digest: digestOf([...records, ...records]),
      totals: { delivered: 2 * PACKETS },
    });
  });

  it('that is cut is replayed as far as it is whole, with a warning', async () => {
    const { child, ended } = launchModelT('replay', '-', '--json', '-');
    child.stdin?.end(capture.subarray(0, (offsets[9] ?? 0) + 3));
    const { code, out, err } = await ended;
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ digest: digestOf(records.slice(0, 9)) });
    expect(err).toMatch(/^model-t: warning: .*truncated at offset \d+[^\n]*\n$/);
  });

  it.each(['', 'no capture at all', 'x'.repeat(100)])('%j is one line and exit code 2', async (text) => {
    const { child, ended } = launchModelT('replay', '-');
    child.stdin?.end(text);
    const { code, err } = await ended;
    expect(code).toBe(2);
    expect(err).toMatch(/^model-t: [^\n]+\n$/);
  });
});
