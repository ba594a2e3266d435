/** `bench placement`: cells, how a sample is read, tables, bars and predictions, and the command with made-up replays. */
import { describe, expect, it } from 'vitest';
import type { Answer, OwnCommand } from '../../../harness/bench/own-command.js';
import { benchPlacement, type PlacementFlags } from '../../../harness/bench/placement.js';
import {
  PLACEMENT_CAPTURES,
  type PlacementSample,
  placementCells,
  placementWords,
  sampleOf,
  WORKS,
  type Work,
  whatRan,
} from '../../../harness/bench/placement-cells.js';
import {
  type MeasuredPlacement,
  type Predict,
  placementBars,
  placementTable,
  predictFromCosts,
  predictionBars,
  predictionLines,
  predictionsOf,
  summarizePlacements,
} from '../../../harness/bench/placement-table.js';
import type { Context } from '../../../harness/context.js';
import type { RunOutcome } from '../../../replay/index.js';
import { PLACEMENT_MODES, type PlacementMode, parsePipeline, planPipeline, unitsOf } from '../../../stack/index.js';
import { MACHINE, outcomeOf, planOf } from '../fake.js';

const [WORK] = WORKS as readonly [Work, ...Work[]];

function answer(packetsPerSecond: number, changes: Partial<RunOutcome> = {}): Answer {
  const outcome = outcomeOf(planOf({ inputs: ['a.pcap'] }), { stopped: 'duration', ...changes });
  const totals = { ...outcome.totals, packetsPerSecond, bitsPerSecond: packetsPerSecond * 480 };
  return { code: 0, output: JSON.stringify({ ...outcome, totals }), complaint: '' };
}
const refusal: Answer = { code: 2, output: '', complaint: '--placement piped needs two containers.' };

describe('what is measured', () => {
  it('is every pipeline in every placement, and cuts of one that are held, each of them one that can be planned', () => {
    const cells = placementCells();
    expect(cells.filter(({ place }) => place === undefined)).toHaveLength(WORKS.length * PLACEMENT_MODES.length);
    const held = cells.filter(({ place }) => place !== undefined);
    expect(new Set(held.map(({ place }) => place?.join()))).toHaveProperty('size', 5);
    for (const { work } of held) {
      const options = { isas: ['scalar', 'avx2'], placement: 'fused', memoryWritable: true } as const;
      const planned = planPipeline(parsePipeline(work.pipeline), options);
      expect(unitsOf(planned)).toHaveLength(3); /* behind source and intake */
    }
    expect(WORKS).toHaveLength(4);
    for (const { pipeline } of WORKS) expect(() => parsePipeline(pipeline)).not.toThrow();
    const made = PLACEMENT_CAPTURES.map(({ name }) => name);
    for (const { capture } of WORKS) if ('generated' in capture) expect(made).toContain(capture.generated);
  });

  it('is what a user would type', () => {
    const words = placementWords({ work: WORK, mode: 'piped' }, 'a.pcap', { seconds: 2, cores: [0, 3] });
    expect(words.join(' ')).toBe(
      `replay a.pcap --ops ${WORK.pipeline} --placement piped --cores 0,3 --duration 2s --quiet --json -`,
    );
    const held = placementWords({ work: WORK, mode: 'piped', place: [0, 1] }, 'a.pcap', { seconds: 2, cores: [0, 3] });
    expect(held.join(' ')).toContain(' --place 0,1 --cores 0,3 ');
    expect(held).not.toContain('--placement');
  });
});

describe('a sample', () => {
  it('is a rate, and what ran where', () => {
    const operation = outcomeOf(planOf({ inputs: ['a'] })).operations[0];
    if (!operation) throw new Error('no operation');
    const operations = [
      { ...operation, name: 'eth', container: 0, core: 1 },
      { ...operation, name: 'match "GET /"', container: 1, core: -1 },
      { ...operation, name: 'count', container: 0, core: 1 },
    ];
    const expected = [{ mode: 'fused' as const, packetsPerSecond: 7e6 }];
    const placement = { ...outcomeOf(planOf({ inputs: ['a'] })).placement, expected, expectedPacketsPerSecond: 6e6 };
    expect(sampleOf(answer(5e6, { operations, placement }))).toEqual({
      kind: 'measured',
      packetsPerSecond: 5e6,
      bitsPerSecond: 2.4e9,
      ran: 'core 1: eth, count; not pinned: match',
      expectedPacketsPerSecond: 6e6,
      expected,
    });
    expect(whatRan([])).toBe('');
  });

  it('of a placement that cannot be is a refusal, with its reason', () => {
    expect(sampleOf(refusal)).toEqual({ kind: 'refused', why: '--placement piped needs two containers' });
    expect(sampleOf({ code: 3, output: '', complaint: '' })).toEqual({ kind: 'refused', why: 'it ended with 3' });
  });

  it.each<[string, Answer]>([
    ['packets were lost', answer(5, { conserved: false })],
    ['reference', answer(5, { verified: { laps: 1, packets: 10, ok: false } })],
    ['ended by interrupted', answer(5, { stopped: 'interrupted' })],
    ['nothing was delivered', answer(0)],
    ['not JSON', { code: 0, output: 'x', complaint: '' }],
    ['corrupt', { code: 4, output: '', complaint: 'the ring is corrupt' }],
    ['did not end in time', { code: null, output: '', complaint: '' }],
  ])('that cannot be believed is no rate: %s', (why, given) => {
    expect(sampleOf(given)).toMatchObject({ kind: 'unsound', why: expect.stringContaining(why) });
  });
});

const rate = (mpps: number, foretold: number | null = null, fused = 0): PlacementSample => ({
  kind: 'measured',
  packetsPerSecond: mpps * 1e6,
  bitsPerSecond: mpps * 480e6,
  ran: 'core 0: eth',
  expectedPacketsPerSecond: foretold === null ? null : foretold * 1e6,
  expected: [{ mode: 'fused', packetsPerSecond: fused * 1e6 }],
});
const measured = (mode: PlacementMode, ...samples: PlacementSample[]): MeasuredPlacement => ({
  work: WORK,
  mode,
  command: [],
  samples,
});
const REFUSED: PlacementSample = { kind: 'refused', why: 'one CPU' };
const CELLS = [
  measured('auto', rate(96), rate(50), rate(97)),
  measured('fused', rate(100), rate(50), rate(100)),
  measured('piped', REFUSED),
  measured('replicated', rate(60), { kind: 'unsound', why: 'packets were lost' }, rate(60)),
];

describe('samples of placements', () => {
  it('are put against the best one of the same pipeline, round by round', () => {
    const summary = summarizePlacements(CELLS);
    expect(summary[0]?.ofBest).toEqual({ median: 0.97, minimum: 0.96, maximum: 1 });
    expect(summary[1]?.ofBest?.median).toBe(1);
    expect(summary[2]).toMatchObject({ packetsPerSecond: null, ofBest: null, told: 'refused: one CPU' });
    expect(summary[3]?.ofBest?.minimum).toBe(0.6);
  });

  it('table: refusals and what cannot be believed are shown as such', () => {
    const lines = placementTable(CELLS);
    expect(lines).toHaveLength(5);
    expect(lines[1]).toContain('0.97 (0.96–1.00)  core 0: eth');
    expect(lines[3]).toMatch(/piped +- +- +- +refused: one CPU/);
    expect(lines[4]).toContain('UNSOUND: packets were lost');
    expect(lines.filter((line) => line.includes(WORK.name))).toHaveLength(1);
  });

  it('bar: auto at 95 % of the best of the others', () => {
    expect(placementBars(CELLS)).toMatchObject([{ what: `${WORK.name}: auto against fused`, bound: 0.95, isMet: true }]);
    const slow = [measured('auto', rate(94)), measured('fused', rate(100)), measured('piped', rate(90))];
    expect(placementBars(slow)).toMatchObject([{ value: { median: 0.94 }, isMet: false }]);
    expect(placementBars([measured('auto', REFUSED), measured('fused', rate(1))])).toMatchObject([{ isMet: false }]);
    expect(placementBars([measured('auto', rate(1))])).toEqual([]);
  });

  it('a placement that is held is in the table, and no mode that auto has to reach', () => {
    const held = { ...measured('piped', rate(200)), place: [0, 0, 1] };
    const cells = [measured('auto', rate(96)), measured('fused', rate(100)), held];
    expect(placementTable(cells)[3]).toMatch(/ held 0,0,1 +200\.0 Mpps/);
    expect(summarizePlacements(cells)[2]).toMatchObject({ mode: 'piped', place: [0, 0, 1] });
    expect(placementBars(cells)).toMatchObject([{ what: `${WORK.name}: auto against fused`, isMet: true }]);
  });

  it('predictions: of what was measured and foretold, with the median error either way', () => {
    const predict: Predict = ({ mode }) => ({ auto: 106.7e6, fused: 50e6, piped: 1 })[mode as string] ?? null;
    const predictions = predictionsOf(CELLS, predict);
    expect(predictions.map(({ mode, error }) => [mode, Number(error.toFixed(3))])).toEqual([
      ['auto', 0.111],
      ['fused', -0.5],
    ]);
    expect(predictionLines(predictions)[2]).toMatch(/fused +50\.0 Mpps +100\.0 Mpps +-50 %/);
    expect(predictionLines([])).toEqual([]);
    expect(predictionBars(predictions)).toMatchObject([{ bound: 15, unit: '%', isMet: false }]);
    expect(predictionBars(predictions)[0]?.value.median).toBeCloseTo(30.57, 1);
    expect(predictionBars(predictions.map((one) => ({ ...one, error: -0.15 })))).toMatchObject([{ isMet: true }]);
    expect(predictionBars([])).toEqual([]);
  });

  it('predictions from costs: of the runs themselves, else of others of the pipeline for the mode', () => {
    const cells = [
      measured('piped', rate(10, 12, 30), rate(10, 11, 32), rate(10, 15, 31)),
      measured('fused', rate(20)),
      measured('paper', rate(20)),
      measured('replicated', REFUSED),
    ];
    expect(cells.map((cell) => predictFromCosts(cell, cells))).toEqual([12e6, 31e6, null, null]);
  });
});

const FLAGS: PlacementFlags = { rounds: '2', seconds: '1', seed: '3' };

async function bench(flags: Partial<PlacementFlags> = {}, predict?: Predict, interruptAt = Number.POSITIVE_INFINITY) {
  const runs: string[][] = [];
  const out: string[] = [];
  let interrupt = (): void => {};
  const modelT: OwnCommand = {
    run: async (words) => {
      if (words[0] === 'trace') return { code: 0, output: '', complaint: '' };
      runs.push(words.map((word) => word.replace(/^.*\/model-t-placement-\w+\//, '')));
      if (runs.length === interruptAt) {
        interrupt();
        return { code: 130, output: '', complaint: '' };
      }
      const mode = words[words.indexOf('--placement') + 1];
      return mode === 'replicated' ? refusal : answer(mode === 'fused' ? 20e6 : 19.5e6);
    },
    stop: () => {},
  };
  const context = {
    describeMachine: () => MACHINE,
    packageRoot: '/package',
    print: (line: string) => out.push(line),
    note: () => {},
    status: null,
    onInterrupt: (callback: () => void) => {
      interrupt = callback;
      return () => {};
    },
  } as unknown as Context;
  const end = await benchPlacement({ ...FLAGS, ...flags }, context, modelT, predict).catch((error) => error as object);
  return { end, runs, out };
}

describe('the command', () => {
  it('runs every cell once a round in an order of the seed, refused ones once at all', async () => {
    const { end, runs, out } = await bench();
    expect(end).toBe(0);
    const modes = runs.map((words) => words[words.indexOf('--placement') + 1]);
    expect(modes.filter((mode) => mode === 'replicated')).toHaveLength(4);
    expect(modes.filter((mode) => mode === 'auto')).toHaveLength(8);
    expect(runs.filter((words) => words.includes('--place'))).toHaveLength(10);
    expect(runs.slice(0, 25)).not.toEqual([...runs.slice(25), ...runs.slice(0, 4)]);
    expect((await bench()).runs).toEqual(runs);
    expect((await bench({ seed: '4' })).runs).not.toEqual(runs);
    expect(runs.some((words) => words[1] === '/package/traces/demo.pcapng')).toBe(true);
    expect(out.filter((line) => line.startsWith('met '))).toHaveLength(4);
    expect(out.join('\n')).not.toContain('predicted');
  });

  it('keeps every sample, and what was foretold', async () => {
    const { out } = await bench({ json: '-' }, () => 25e6);
    const result = JSON.parse(out.join('\n'));
    expect(result).toMatchObject({
      schema: 'model-t/bench-placement',
      settings: { cores: [0, 1], seed: 3, rounds: 2, seconds: 1 },
    });
    expect(result.cells).toHaveLength(25);
    expect(result.predictions).toHaveLength(21);
    expect(result.bars).toHaveLength(5);
  });

  it('a signal ends it, and nothing is reported', async () => {
    const { end, out, runs } = await bench({}, undefined, 3);
    expect(end).toMatchObject({ exitCode: 130 });
    expect(runs).toHaveLength(3);
    expect(out).toEqual([]);
  });

  it.each([[{ cores: '5' }], [{ rounds: 'x' }], [{ seconds: '0' }], [{ json: '/nowhere/at/all.json' }]])(
    'refuses %o',
    async (flags) => {
      expect((await bench(flags)).end).toMatchObject({ exitCode: 2 });
    },
  );
});
