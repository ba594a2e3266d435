/** `bench replay` from options to result, with a command line that answers with made-up figures. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import { afterAll, describe, expect, it } from 'vitest';
import type { Answer, OwnCommand } from '../../../harness/bench/own-command.js';
import { benchReplay } from '../../../harness/bench/replay.js';
import type { ReplayBenchOptions } from '../../../harness/bench/replay-flags.js';
import type { CellSummary, MeasuredCell } from '../../../harness/bench/replay-table.js';
import type { Context } from '../../../harness/context.js';
import { type AdapterDescription, type GpuOutcome, planReplay, type RunOutcome, type Trace } from '../../../replay/index.js';
import { GPU, invoke, MACHINE, outcomeOf, planOf, TRACE } from '../fake.js';

const MIB = 2 ** 20;
const SOFT = GPU.adapters[0] as AdapterDescription;
const HARD: AdapterDescription = { ...SOFT, name: 'Made-up GPU 9000', kind: 'discrete' };
const OPTIONS: ReplayBenchOptions = {
  isQuick: true,
  rounds: 2,
  seconds: 1,
  sizes: [512],
  batches: null,
  buffers: null,
  gpu: null,
  target: 'null',
  isChecked: false,
  seed: 7,
  json: null,
};
const folder = mkdtempSync(join(tmpdir(), 'model-t-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const flag = (words: readonly string[], name: string): string => words[words.indexOf(name) + 1] ?? '';
const say = (value: unknown): Answer => ({ code: 0, output: JSON.stringify(value), complaint: '' });

/** 10 Mpps of 60-byte frames in 64-byte slots, as the made-up trace has them: 640 MB/s of slots, 600 MB/s captured. */
function runOutcome(words: readonly string[], changes: Partial<RunOutcome> = {}): RunOutcome {
  const outcome = outcomeOf(planOf({ inputs: ['a.pcap'] }), { stopped: 'duration' });
  const totals = { ...outcome.totals, packetsPerSecond: 10e6, bitsPerSecond: 4.8e9 };
  const gpu: GpuOutcome = {
    adapter: flag(words, '--gpu'),
    kind: 'software',
    driver: 'Soft driver 5',
    why: 'asked for by name',
    insert: 'push',
    batchBytes: Number(flag(words, '--batch')),
    buffers: Number(flag(words, '--buffers')),
    workgroupSize: 64,
    packetsPerInvocation: 8,
    checked: false,
    laps: 1,
    tiles: 1,
    streamed: false,
    tuning: [],
    batches: 100,
    hostCopiedBytes: 0,
    timed: { batches: 4, bytes: 4096, kernelSeconds: 0.01, copySeconds: 0.09, totalSeconds: 0.4 },
    threadShare: 0.2,
  };
  const isGpu = flag(words, '--engine') === 'webgpu';
  return { ...outcome, totals, engine: { ...outcome.engine, ...(isGpu && { name: 'webgpu', gpu }) }, ...changes };
}

interface Fake {
  readonly adapters?: readonly AdapterDescription[];
  readonly answer?: (words: readonly string[]) => Answer | null;
}

/** Runs the bench; `interrupt` is given to each command, as a signal would come while it runs. */
async function bench(options: Partial<ReplayBenchOptions>, fake: Fake = {}, interruptAt = Number.POSITIVE_INFINITY) {
  const asked: string[][] = [];
  const out: string[] = [];
  const err: string[] = [];
  let interrupt = (): void => {};
  let stops = 0;
  const modelT: OwnCommand = {
    run: async (words) => {
      asked.push([...words]);
      if (asked.length === interruptAt) {
        interrupt();
        return { code: 130, output: '', complaint: 'Interrupted' };
      }
      const own = fake.answer?.(words);
      if (own) return own;
      if (words[0] === 'replay') return say(runOutcome(words));
      if (words[1] === 'read-back') return say({ bytesPerSecond: 800e6 });
      return say({ bytesPerSecond: 1200e6 });
    },
    stop: () => {
      stops++;
    },
  };
  const trace = { inputs: [], live: false, loaded: Promise.resolve(), info: () => TRACE, close: () => {} } as unknown as Trace;
  const context = {
    replay: {
      surveyGpu: async () => ({ ...GPU, adapters: fake.adapters ?? [SOFT], problem: null }),
      openTrace: async () => trace,
      planReplay,
    },
    describeMachine: () => MACHINE,
    print: (line: string) => out.push(line),
    note: (line: string) => err.push(line),
    status: null,
    onInterrupt: (callback: () => void) => {
      interrupt = callback;
      return () => {};
    },
  } as unknown as Context;
  const finish = async (): Promise<{ exitCode: number; error: Error | null }> => {
    try {
      return { exitCode: await benchReplay({ ...OPTIONS, ...options }, context, modelT), error: null };
    } catch (error) {
      return { exitCode: (error as { exitCode: number }).exitCode, error: error as Error };
    }
  };
  return { ...(await finish()), asked, out, err, stops: () => stops };
}

const runs = (asked: readonly string[][]): string[][] => asked.filter(([first]) => first === 'replay');

describe('a benchmark', () => {
  it('makes the captures, then measures each cell of each round with its limits right behind it', async () => {
    const { asked, exitCode } = await bench({});
    expect(exitCode).toBe(0);
    expect(asked[0]?.slice(0, 2)).toEqual(['trace', 'gen']);
    const kinds = asked.slice(1).map((words) => (words[0] === 'replay' ? flag(words, '--engine') : words[1]));
    const text = kinds.join(' ');
    expect(text.match(/webgpu read-back memory-copy/g)).toHaveLength(2);
    expect(text.match(/native memory-copy/g)).toHaveLength(2);
    expect(kinds).toHaveLength(2 * (3 + 2));
  });

  it('puts bytes of slots against the read-back limit and captured bytes against memcpy', async () => {
    const { out } = await bench({ json: '-' });
    const { cells } = JSON.parse(out.join('\n')) as { cells: (MeasuredCell & { summary: CellSummary })[] };
    expect(cells.map(({ name }) => name)).toEqual(['512 B, native', `512 B, webgpu on ${SOFT.name}, 4 MiB × 3`]);
    expect(cells[0]?.summary).toMatchObject({ partOfReadBack: null, kernelShare: null, partOfCopy: { median: 0.5 } });
    expect(cells[1]?.summary.partOfReadBack?.median).toBeCloseTo(0.8);
    expect(cells[1]?.summary.kernelShare?.median).toBeCloseTo(0.1);
    expect(cells[1]?.summary.threadShare?.median).toBeCloseTo(0.2);
    expect(cells[1]?.samples.map(({ round }) => round)).toEqual([1, 2]);
  });

  it('measures the limits with the geometry that ran, which may be another than asked for', async () => {
    const larger = (words: readonly string[]): Answer | null => {
      if (flag(words, '--engine') !== 'webgpu') return null;
      const outcome = runOutcome(words);
      const gpu = { ...(outcome.engine.gpu as GpuOutcome), batchBytes: 8 * MIB };
      return say({ ...outcome, engine: { ...outcome.engine, gpu } });
    };
    const { asked } = await bench({ rounds: 1 }, { answer: larger });
    const limits = asked.filter((words) => words.includes('--batch') && words[0] === 'bench');
    expect(limits.map((words) => flag(words, '--batch'))).toEqual([`${8 * MIB}`, `${8 * MIB}`]);
  });

  it('says the seed, which decides the order, and writes the order down', async () => {
    const sizes = [60, 512, 1514, 'imix'] as const;
    const orderOf = async (seed: number) => {
      const { out, err, asked } = await bench({ sizes, seed, rounds: 3, json: '-' });
      expect(err.join('\n')).toContain(`--seed ${seed}`);
      return { order: (JSON.parse(out.join('\n')) as { order: string[][] }).order, runs: runs(asked) };
    };
    const first = await orderOf(7);
    const engines = first.order.flat().map((name) => (name.includes('native') ? 'native' : 'webgpu'));
    expect(first.runs.map((words) => flag(words, '--engine'))).toEqual(engines);
    expect((await orderOf(7)).order).toEqual(first.order);
    expect((await orderOf(8)).order).not.toEqual(first.order);
    expect(first.order).toHaveLength(3);
  });

  it('takes one adapter when quick, all otherwise', async () => {
    const adapters = [SOFT, HARD];
    const quick = await bench({ rounds: 1 }, { adapters });
    expect(runs(quick.asked).map((words) => flag(words, '--engine') === 'webgpu' && flag(words, '--gpu'))).toContain(HARD.name);
    expect(runs(quick.asked)).toHaveLength(2);
    const full = await bench({ rounds: 1, isQuick: false, batches: [MIB], buffers: [2] }, { adapters });
    expect(runs(full.asked)).toHaveLength(3);
  });

  it('without an adapter measures the native engine and says in one line why', async () => {
    const { exitCode, out, err, asked } = await bench({}, { adapters: [] });
    expect(exitCode).toBe(0);
    expect(runs(asked).every((words) => flag(words, '--engine') === 'native')).toBe(true);
    expect(err.filter((line) => line.includes('left out'))).toHaveLength(1);
    expect(out).toHaveLength(2);
  });
});

describe('what does not count', () => {
  const broken = (changes: Partial<RunOutcome>) => (words: readonly string[]) =>
    words[0] === 'replay' ? say(runOutcome(words, changes)) : null;

  it.each<[string, (words: readonly string[]) => Answer | null]>([
    ['packets that are missing', broken({ conserved: false })],
    ['bytes that are wrong', broken({ verified: { laps: 1, packets: 5, ok: false } })],
    ['bytes that nobody looked at', broken({ verified: { laps: 0, packets: 0, ok: true } })],
    ['a run that was cut short', broken({ stopped: 'interrupted' })],
    ['another engine', broken({ engine: { name: 'webgpu', isa: 'avx2', threads: 1 } })],
    ['output that is no result', (words) => (words[0] === 'replay' ? say({ schema: 'other' }) : null)],
    ['a run that fails', (words) => (words[0] === 'replay' ? { code: 4, output: '', complaint: 'The GPU is lost.' } : null)],
    ['a run that hangs', (words) => (words[0] === 'replay' ? { code: null, output: '', complaint: '' } : null)],
  ])('%s: exit code 4, the cell is named, nothing is reported', async (_name, answer) => {
    const { exitCode, error, out } = await bench({}, { answer });
    expect(exitCode).toBe(4);
    expect(error?.message).toMatch(/^512 B, (native|webgpu on .*): the run does not count: /);
    expect(out).toEqual([]);
  });

  it('a limit that cannot be had is no limit', async () => {
    const answer = (words: readonly string[]): Answer | null => (words[1] === 'read-back' ? say({}) : null);
    const { exitCode, error } = await bench({}, { answer });
    expect(exitCode).toBe(3);
    expect(error?.message).toContain('limit could not be measured');
  });

  it.each([1, 2, 4])('a signal while command %i runs ends it: 130, nothing is reported', async (at) => {
    const { exitCode, out, asked, stops } = await bench({}, {}, at);
    expect(exitCode).toBe(130);
    expect(out).toEqual([]);
    expect(asked).toHaveLength(at);
    expect(stops()).toBe(1);
  });

  it.each<[Partial<ReplayBenchOptions>, string]>([
    [{ batches: [1000] }, '--batch 1000'],
    [{ buffers: [99] }, '--buffers 99'],
    [{ json: join(folder, 'missing/a.json') }, 'cannot be written'],
    [{ gpu: 'other' }, 'names no adapter'],
  ])('%j is refused before anything is measured', async (options, message) => {
    const { exitCode, error, asked } = await bench(options);
    expect(exitCode).toBe(2);
    expect(error?.message).toContain(message);
    expect(asked).toEqual([]);
  });
});

describe('the result', () => {
  const schema = JSON.parse(readFileSync(new URL('../../../harness/schema/bench-replay.schema.json', import.meta.url), 'utf8'));
  const validate = new Ajv2020.default({ strict: true, allErrors: true, strictRequired: true, allowUnionTypes: true }).compile(
    schema as object,
  );

  it('is what the schema says, in a file too', async () => {
    const path = join(folder, 'result.json');
    const { out } = await bench({ json: path, sizes: [60, 512, 'imix'] }, { adapters: [HARD] });
    const result = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    expect(validate(result), JSON.stringify(validate.errors)).toBe(true);
    expect(out.length).toBeGreaterThan(6);
    expect(result).toMatchObject({ schema: 'model-t/bench-replay', schemaVersion: '1.0.0', seed: 7, rounds: 2 });
    for (const key of Object.keys(result)) {
      const { [key]: _left, ...rest } = result;
      expect(validate(rest)).toBe(false);
    }
  });

  it('is what the schema says without an adapter', async () => {
    const { out } = await bench({ json: '-' }, { adapters: [] });
    expect(validate(JSON.parse(out.join('\n'))), JSON.stringify(validate.errors)).toBe(true);
  });
});

describe('the commands behind it', () => {
  it('read-back prints what it measured, with the geometry', async () => {
    const { exitCode, out } = await invoke(['bench', 'read-back', '--gpu', 'Soft', '--batch', '4MiB', '--buffers', '3']);
    expect(exitCode).toBe(0);
    const expected = { adapter: 'Soft', bytesPerSecond: 10e9, batchBytes: 4 * MIB, buffers: 3, seconds: 0.5 };
    expect(JSON.parse(out.join(''))).toMatchObject(expected);
  });

  it('memory-copy copies into staged buffers, or into a ring', async () => {
    const staged = await invoke(['bench', 'memory-copy', 'a.pcap', '--batch', '4MiB', '--buffers', '3', '--seconds', '0.25']);
    expect(JSON.parse(staged.out.join(''))).toEqual({ bytesPerSecond: 11e9, batchBytes: 4 * MIB, buffers: 3 });
    expect(staged.calls).toEqual(['open', 'close']);
    const ring = await invoke(['bench', 'memory-copy', 'a.pcap']);
    expect(JSON.parse(ring.out.join(''))).toEqual({ bytesPerSecond: 12e9 });
  });

  it('refuse half a geometry, and are hidden', async () => {
    expect((await invoke(['bench', 'memory-copy', 'a.pcap', '--batch', '4MiB'])).exitCode).toBe(2);
    expect((await invoke(['bench', 'read-back'])).exitCode).toBe(2);
    const help = (await invoke(['bench', '--help'])).out.join('\n');
    expect(help).toContain('peers');
    expect(help).not.toMatch(/^ {2}(read-back|memory-copy)/m);
  });
});
