/** `bench sizing`: curves, what is near the best and when, tables and bars, and the command with made-up replays and readers. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Answer, OwnCommand } from '../../../harness/bench/own-command.js';
import { benchSizing, type SizingFlags, type StartReader } from '../../../harness/bench/sizing.js';
import {
  bestFixed,
  curveOf,
  type SizingCell,
  type SizingSample,
  secondsTo,
  settledRate,
  sizingBars,
  sizingSampleOf,
  sizingTable,
  summarizeSizing,
} from '../../../harness/bench/sizing-curve.js';
import type { Context } from '../../../harness/context.js';
import type { RunOutcome } from '../../../replay/index.js';
import { newPath, ROOT } from '../../helpers/files.js';
import { STRICT } from '../../helpers/programs.js';
import { MACHINE, outcomeOf, planOf } from '../fake.js';

/** Samples every 100 ms with these packets per second, in millions. */
function samples(...mpps: number[]): RunOutcome['samples'] {
  let packets = 0;
  return mpps.map((rate, index) => {
    packets += rate * 1e5;
    return { seconds: (index + 1) / 10, packets: Math.round(packets), bytes: 0, ringDistance: 0 };
  });
}
const RING: RunOutcome['rings'][number] = {
  name: '',
  bytes: 2 ** 21,
  descriptors: 1,
  hugePages: '',
  finalBytes: 2 ** 21,
  events: [],
  readers: [],
};
const sample = (...mpps: number[]): SizingSample => sizingSampleOf({ samples: samples(...mpps), rings: [RING] });
const tenth = (mpps: number): number[] => Array<number>(10).fill(mpps);

describe('throughput over time', () => {
  it('is that between samples; two that lie close together count as one', () => {
    const curve = curveOf([...samples(10, 20), { seconds: 0.201, packets: 3_000_001, bytes: 0, ringDistance: 0 }]);
    expect(curve.map(({ packetsPerSecond }) => Math.round(packetsPerSecond / 1e6))).toEqual([10, 20]);
    expect(curveOf([])).toEqual([]);
  });

  it('has settled from one second on', () => {
    expect(settledRate(sample(...tenth(5), 20, 30, 25)) / 1e6).toBeCloseTo(25);
    expect(settledRate(sample(5, 6))).toBeNaN();
  });

  it('reaches a rate at the end of the first interval that had it, or never', () => {
    const one = sample(5, 9.4, 9.6, 2, 10);
    expect(secondsTo(9.5e6, one)).toBeCloseTo(0.3);
    expect(secondsTo(11e6, one)).toBe(Number.POSITIVE_INFINITY);
  });

  it('comes with how often the ring changed and its size at the end', () => {
    const event = { seconds: 0, distance: 1, packetsPerSecond: 1e6, reason: 'smaller' } as const;
    const events = [2 ** 22, 2 ** 19, 2 ** 19].map((bytes) => ({ ...event, bytes }));
    const resized = sizingSampleOf({ samples: samples(1), rings: [{ ...RING, finalBytes: 2 ** 19, events }] });
    expect(resized).toMatchObject({ ringBytes: 2 ** 19, events });
    const cell = { scenario: 'stack', ring: 'auto', samples: [resized] };
    expect(summarizeSizing([cell])).toMatchObject([{ ringBytes: 2 ** 19, changes: 1 }]);
    expect(sizingSampleOf({ samples: samples(1), rings: [RING] })).toMatchObject({ ringBytes: 2 ** 21, events: [] });
  });
});

const cell = (ring: string, ...all: SizingSample[]): SizingCell => ({ scenario: 'the stack', ring, samples: all });
const steady = (mpps: number): SizingSample => sample(...tenth(mpps), ...tenth(mpps));
const CELLS = [
  cell('128KiB', steady(10), steady(10)),
  cell('2MiB', steady(20), steady(22)),
  cell('64MiB', steady(15), steady(15)),
  cell('auto', sample(5, ...tenth(21), ...tenth(21)), sample(5, 5, 5, ...tenth(20), ...tenth(20))),
  cell('auto:64MiB', sample(...tenth(5), ...tenth(5), 25)),
];

describe('rings', () => {
  it('the best fixed one is that with the highest median; a ring that sizes itself is none', () => {
    expect(bestFixed(CELLS)?.ring).toBe('2MiB');
    expect(bestFixed(CELLS)?.packetsPerSecond).toBeCloseTo(21e6);
    expect(bestFixed([cell('auto', steady(1))])).toBeNull();
    expect(bestFixed([cell('2MiB', sample(1))])).toBeNull();
  });

  it('bars: within a second at 95 % of it, and there to stay', () => {
    const bars = sizingBars(CELLS);
    expect(bars.map(({ what, isMet }) => [what, isMet])).toEqual([
      ['the stack, auto against 2MiB: 95 % after', true],
      ['the stack, auto against 2MiB: then', true],
      ['the stack, auto:64MiB against 2MiB: 95 % after', false],
      ['the stack, auto:64MiB against 2MiB: then', false],
    ]);
    expect(bars[0]?.value.median).toBeCloseTo(0.3);
    expect(sizingBars([cell('2MiB', steady(20)), cell('auto', sample(...tenth(4)))])[0]).toMatchObject({ isMet: false });
  });

  it('table: never is said as such', () => {
    const lines = sizingTable([...CELLS.slice(0, 4), cell('auto:64MiB', sample(...tenth(5), ...tenth(5)))]);
    expect(lines).toHaveLength(6);
    expect(lines[2]).toContain('21.0 Mpps');
    expect(lines[4]).toContain('0.3 s');
    expect(lines[5]).toContain('never');
  });
});

const FLAGS: SizingFlags = { rounds: '1', seconds: '2', seed: '3' };

async function bench(flags: Partial<SizingFlags> = {}, readerCode = 0, changes: Partial<RunOutcome> = {}) {
  const runs: string[][] = [];
  const readers: string[] = [];
  const killed: string[] = [];
  const out: string[] = [];
  const modelT: OwnCommand = {
    run: async (words): Promise<Answer> => {
      if (words[0] === 'trace') return { code: 0, output: '', complaint: '' };
      runs.push([...words]);
      const outcome = outcomeOf(planOf({ inputs: ['a'] }), {
        stopped: 'duration',
        samples: samples(...tenth(9), ...tenth(9)),
        rings: [RING],
      });
      return { code: 0, output: JSON.stringify({ ...outcome, ...changes }), complaint: '' };
    },
    stop: () => {},
  };
  const startReader: StartReader = (ring, words) => {
    readers.push(`${ring.replace(/\d+/, 'N')} ${words.join(' ')}`);
    const process = { kill: () => killed.push(ring) } as never;
    return { ended: Promise.resolve(readerCode), complaint: () => 'the producer died', process };
  };
  const context = {
    describeMachine: () => MACHINE,
    print: (line: string) => out.push(line),
    note: () => {},
    status: null,
    onInterrupt: () => () => {},
  } as unknown as Context;
  const end = await benchSizing({ ...FLAGS, ...flags }, context, modelT, async () => startReader).catch(
    (error) => error as object,
  );
  return { end, runs, readers, killed, out };
}

const asked = (words: readonly string[], flag: string): string => words[words.indexOf(flag) + 1] ?? '';

describe('the command', () => {
  it('runs each ring size into the stack once a round, in an order of the seed', async () => {
    const { end, runs, out, readers } = await bench({ rounds: '2' });
    expect(end).toBe(0);
    expect(readers).toEqual([]);
    expect(runs).toHaveLength(16);
    expect(new Set(runs.slice(0, 8).map((words) => asked(words, '--ring-size'))).size).toBe(8);
    expect(runs.every((words) => asked(words, '--to') === 'stack' && asked(words, '--cores') === '0,1')).toBe(true);
    expect(runs.slice(0, 8)).not.toEqual(runs.slice(8));
    expect(out.filter((line) => line.startsWith('met '))).toHaveLength(4);
  });

  it('--stall: the same into a reader that stalls, and into two of unequal speed', async () => {
    const { end, runs, readers } = await bench({ stall: true });
    expect(end).toBe(0);
    expect(runs).toHaveLength(24);
    expect(readers.filter((words) => words === 'sizing-N 0 2 400000')).toHaveLength(8);
    expect(readers.filter((words) => words === 'sizing-N 50 0 1')).toHaveLength(8);
    expect(runs.filter((words) => asked(words, '--readers') === '2')).toHaveLength(8);
    expect(
      runs.filter((words) => asked(words, '--to').startsWith('ring:')).every((words) => asked(words, '--cores') === '0'),
    ).toBe(true);
  });

  it('keeps every sample in the result', async () => {
    const { out } = await bench({ json: '-' });
    const result = JSON.parse(out.join('\n'));
    expect(result).toMatchObject({ schema: 'model-t/bench-sizing', settings: { cores: [0, 1], seconds: 2 } });
    expect(result.cells.map(({ ring }: SizingCell) => ring)).toContain('auto:64MiB');
    expect(result.cells[0].samples[0].curve).toHaveLength(20);
  });

  it('a reader that fails, and a run that lost packets, end it; readers are not left behind', async () => {
    const failed = await bench({ stall: true }, 4);
    expect(failed.end).toMatchObject({
      exitCode: 4,
      message: expect.stringContaining('a reader ended with 4: the producer died'),
    });
    expect(failed.killed.length).toBeGreaterThan(0);
    expect((await bench({}, 0, { conserved: false })).end).toMatchObject({ exitCode: 4 });
  });

  it.each([[{ cores: '9' }], [{ seconds: '1' }], [{ rounds: '0' }]])('refuses %o', async (flags) => {
    expect((await bench(flags)).end).toMatchObject({ exitCode: 2 });
  });
});

describe('examples/slow_reader.c', () => {
  const source = join(ROOT, 'stack/examples/slow_reader.c');
  it.skipIf(spawnSync('gcc', ['--version']).error !== undefined)('compiles without a warning, and says how it is used', () => {
    const program = newPath('slow_reader');
    const done = spawnSync('gcc', ['-std=c11', '-O2', ...STRICT, source, '-o', program], { encoding: 'utf8' });
    expect(`${done.status} ${done.stderr}`).toBe('0 ');
    for (const words of [[], ['r', 'x', '0', '1'], ['r', '0', '-1', '1'], ['r', '0', '0', '0']]) {
      expect(spawnSync(program, words, { encoding: 'utf8' })).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/^usage/),
      });
    }
  });
});
