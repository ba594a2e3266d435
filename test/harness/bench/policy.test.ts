/** `bench policy`: the pipeline and its cuts, how runs are read, bars and tables, and the command with made-up replays. */
import { describe, expect, it } from 'vitest';
import type { Answer, OwnCommand } from '../../../harness/bench/own-command.js';
import { benchPolicy, type PolicyFlags } from '../../../harness/bench/policy.js';
import {
  cutsOf,
  type PolicyMeasured,
  type PolicySample,
  policyBars,
  policyLines,
  policySampleOf,
  slowPipeline,
  withRates,
} from '../../../harness/bench/policy-table.js';
import type { Context } from '../../../harness/context.js';
import type { RunOutcome } from '../../../replay/index.js';
import { type ActionRecord, parsePipeline, planPipeline, unitsOf } from '../../../stack/index.js';
import { MACHINE, outcomeOf, planOf } from '../fake.js';

const ELEMENTS = ['source', 'intake', 'eth', 'burn'];
const BASE = outcomeOf(planOf({ inputs: ['a'] }), { stopped: 'duration' });
const FINAL = BASE.placement.final;

function action(seconds: number, containers: readonly number[] | null): ActionRecord {
  const placement = containers && { ...FINAL, containers };
  const told = { rule: '4', kind: 'migrate', reason: 'it costs more', path: 0, before: 1e6, after: 2e6, blockedSeconds: 1e-5 };
  return { ...told, seconds, ...(placement && { placement }) } as ActionRecord;
}

const ACTIONS = [
  action(0, [0, 0, 1, 1]),
  action(0.1, [0, 0, 0, 1]),
  action(0.4, [0, 0, 0, 1]),
  action(0.5, null),
  action(0.7, [0, 0, 1, 1]),
  action(0.9, [0, 0, 1, 1]),
];

function outcome(late: number, changes: Partial<RunOutcome['placement']> = {}): RunOutcome {
  const sample = (seconds: number, packets: number) => ({ seconds, packets, bytes: 0, ringDistance: 0 });
  const samples = [sample(0.5, 100), sample(1, 200), sample(1.5, 200 + late / 2), sample(2, 200 + late)];
  return { ...BASE, samples, placement: { ...BASE.placement, elements: ELEMENTS, ...changes } };
}

describe('the pipeline', () => {
  it.each([5, 10, 32])('of %i operations is as many units, the slow one in the middle', (operations) => {
    const text = slowPipeline(operations, 70);
    const steps = text.split(' | ');
    expect(steps).toHaveLength(operations);
    expect(steps.indexOf('burn 70')).toBe(Math.max(3, operations >> 1));
    expect(
      unitsOf(planPipeline(parsePipeline(text), { isas: ['scalar', 'avx2'], placement: 'fused', memoryWritable: true })),
    ).toHaveLength(operations);
  });

  it('has as many cuts as elements, the first of them none', () => {
    expect(cutsOf(3)).toEqual([
      [0, 0, 0],
      [0, 1, 1],
      [0, 0, 1],
    ]);
  });
});

describe('a run', () => {
  it('has the rate of its last half, and moves after the start that change where elements are', () => {
    const sample = policySampleOf(outcome(5000, { actions: ACTIONS }), [0, 1, 1, 1]);
    expect(sample).toMatchObject({ packetsPerSecond: 5000, moves: 2, lastMove: 0.7 });
    expect(sample.actions).toHaveLength(6);
    const there = [action(0, [0, 0, 0, 1]), action(0.3, [0, 0, 0, 1])];
    expect(policySampleOf(outcome(1, { actions: there }), [0, 1, 1, 1])).toMatchObject({ moves: 1, lastMove: 0.3 });
  });

  it('without samples has the rate of the whole run, and without moves a last one at 0', () => {
    expect(policySampleOf({ ...outcome(1), samples: [] }, [0, 0, 0, 0])).toMatchObject({
      packetsPerSecond: BASE.totals.packetsPerSecond,
      moves: 0,
      lastMove: 0,
    });
  });
});

const rate = (packetsPerSecond: number) =>
  ({ kind: 'measured', packetsPerSecond, bitsPerSecond: 0, ran: '', expectedPacketsPerSecond: null, expected: [] }) as const;
const fixed = (containers: number[], ...samples: PolicyMeasured['fixed'][number]['samples']) => ({ containers, samples });
const FIXED = [
  fixed([0, 0, 0, 0], rate(5e6), rate(7e6), rate(6e6)),
  fixed([0, 1, 1, 1], { kind: 'refused', why: 'it cannot be' }),
  fixed([0, 0, 0, 1], rate(9e6), rate(8e6), rate(30e6)),
] as const;

function measured(...scheduled: (readonly [number, number])[]): PolicyMeasured {
  const held: PolicySample = { packetsPerSecond: 100, final: [0, 0, 0, 1], actions: [], lastMove: 0, moves: 0 };
  const rounds = scheduled.map(([packetsPerSecond, lastMove]) => {
    return { held, scheduled: { ...held, packetsPerSecond, lastMove, actions: ACTIONS, moves: 2 } };
  });
  return { elements: ELEMENTS, fixed: FIXED, best: FIXED[2], worst: FIXED[0], rounds };
}

describe('samples', () => {
  it('are ranked by their medians, those without a rate left out', () => {
    expect(withRates(FIXED).map(({ containers }) => containers.join(''))).toEqual(['0001', '0000']);
  });

  it('bars: within 5 % of the best that is held, and moved for the last time within 2 s', () => {
    expect(policyBars(measured([95, 2], [94, 1], [99, 3])).map(({ isMet }) => isMet)).toEqual([true, true]);
    expect(policyBars(measured([94, 2.1]))).toMatchObject([{ isMet: false }, { isMet: false, unit: 's', atMost: true }]);
  });

  it('table: every placement, then every action with its rule', () => {
    const lines = policyLines(measured([95, 0.7]));
    expect(lines[1]).toMatch(/^worst +6\.0 Mpps +0\.67 +\[source, intake, eth, burn\]$/);
    expect(lines[2]).toMatch(/refused: it cannot be$/);
    expect(lines[3]).toMatch(/^best +9\.0 Mpps +1\.00 +\[source, intake, eth\] \[burn\]$/);
    expect(lines[5]).toBe('round 1, from the worst: 2 moves, the last after 0.70 s');
    expect(lines.filter((line) => line.includes('rule 4, migrate: it costs more'))).toHaveLength(6);
    expect(lines.at(-1)).toContain('[source, intake, eth] [burn]: 95 pps, the best held 100 pps');
  });
});

const FLAGS: PolicyFlags = { seconds: '1', rounds: '2', burn: '100', operations: '10', seed: '1' };

async function bench(flags: Partial<PolicyFlags> = {}, broken: (words: readonly string[]) => boolean = () => false) {
  const runs: string[] = [];
  const out: string[] = [];
  const modelT: OwnCommand = {
    run: async (words): Promise<Answer> => {
      if (words[0] === 'trace') return { code: 0, output: '', complaint: '' };
      runs.push(words.slice(words.indexOf('0,1') + 1).join(' '));
      if (broken(words)) return { code: 4, output: '', complaint: 'the ring is corrupt' };
      const place = words[words.indexOf('--place') + 1] ?? '';
      const ended = outcome(5000, { actions: words.includes('piped') ? ACTIONS : [] });
      const packetsPerSecond = place === '0,0,0,1' ? 9e6 : place === '0,1,1,1' ? 2e6 : 5e6;
      return { code: 0, output: JSON.stringify({ ...ended, totals: { ...ended.totals, packetsPerSecond } }), complaint: '' };
    },
    stop: () => {},
  };
  const context = {
    describeMachine: () => MACHINE,
    packageRoot: '/package',
    print: (line: string) => out.push(line),
    note: () => {},
    status: null,
    onInterrupt: () => () => {},
  } as unknown as Context;
  const end = await benchPolicy({ ...FLAGS, ...flags }, context, modelT).catch((error) => error as object);
  return { end, runs, out };
}

describe('the command', () => {
  it('measures every cut in every round, then the best and the policy from the worst in turns', async () => {
    const { end, runs, out } = await bench();
    expect(end).toBe(0);
    expect(runs).toHaveLength(1 + 2 * 4 + 2 * 2);
    expect(runs[0]).toContain('--limit');
    expect(runs.slice(1, 5).sort()).toEqual(runs.slice(5, 9).sort());
    const turn = ['--place 0,0,0,1 --duration 3s', '--placement piped --place 0,1,1,1 --duration 3s'];
    expect(runs.slice(9)).toEqual([...turn, ...turn].map((words) => `${words} --quiet --json -`));
    expect(out.filter((line) => line.startsWith('met '))).toHaveLength(2);
  });

  it('keeps every sample', async () => {
    const result = JSON.parse((await bench({ json: '-' })).out.join('\n'));
    expect(result).toMatchObject({ schema: 'model-t/bench-policy', settings: { cores: [0, 1], seed: 1, rounds: 2 } });
    expect(result.fixed).toHaveLength(4);
    expect(result.rounds).toHaveLength(2);
    expect(result.worst.containers).toEqual([0, 1, 1, 1]);
  });

  it('a run of the policy that cannot be believed is no figure', async () => {
    const { end, out } = await bench({}, (words) => words.includes('piped'));
    expect(end).toMatchObject({ exitCode: 4, message: expect.stringContaining('the ring is corrupt') });
    expect(out).toEqual([]);
    expect((await bench({}, (words) => words.includes('--duration'))).end).toMatchObject({ exitCode: 4 });
  });

  it.each([[{ operations: '4' }], [{ burn: '0' }], [{ rounds: 'x' }], [{ seconds: '0' }], [{ cores: '0,5' }]])(
    'refuses %o',
    async (flags) => {
      expect((await bench(flags)).end).toMatchObject({ exitCode: 2 });
    },
  );

  it('needs two CPUs', async () => {
    expect((await bench({ cores: '0' })).end).toMatchObject({ exitCode: 3 });
  });
});
