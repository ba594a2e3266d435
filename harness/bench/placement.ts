/**
 * `model-t bench placement`: the same pipelines on the same captures in every placement, and what `auto` makes of them.
 *
 *   captures (trace gen) ─► round 1..N, in random order: one `replay --placement M` in a fresh process each
 *                        ─► medians, ratios to the best placement of the pipeline, bars
 *
 * A placement that is refused is asked for once, and shown as such. Touches a temporary folder and child processes. Called by
 * bench.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { randomSource } from '../generate.js';
import { refuseUnwritable, writeResult } from '../result-file.js';
import { labelled, parseDuration } from '../units.js';
import { barLines } from './bars.js';
import { generateCaptures } from './files.js';
import { type Guard, interruptible } from './interruptible.js';
import { type OwnCommand, ownCommand } from './own-command.js';
import {
  PLACEMENT_CAPTURES,
  type PlacementSample,
  type PlacementSettings,
  placementCells,
  placementName,
  placementWords,
  sampleOf,
  type Work,
} from './placement-cells.js';
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
} from './placement-table.js';
import { shuffled } from './replay-cells.js';
import { coresOf, roundsOf, seedOf } from './settings.js';

const PLACEMENT_SCHEMA_VERSION = '1.1.0';
/** Start-up, loading, verification: seconds, on a busy machine tens of them. */
const LIMIT_MS = 60_000;

export interface PlacementFlags {
  readonly cores?: string;
  readonly rounds: string;
  readonly seconds: string;
  readonly seed?: string;
  readonly json?: string;
}

interface Settings extends PlacementSettings {
  readonly rounds: number;
  readonly seed: number;
}

export function registerPlacement(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('placement')
    .description('the same pipelines fused, piped and replicated, and what the scheduler chooses by itself')
    .option('--cores <LIST>', 'for all of it, source included (default: the first two)')
    .option('--rounds <N>', 'samples of each placement', '5')
    .option('--seconds <S>', 'length of each run', '2')
    .option('--seed <N>', 'order in which placements are measured (default: another one each time, and told)')
    .option('--json <FILE>', 'write all samples as JSON; - = standard output')
    .action(async (flags: PlacementFlags) => {
      finish(await benchPlacement(flags, context, ownCommand(context.packageRoot)));
    });
}

/** `predict`: what is foretold, to be held against what is measured. */
export async function benchPlacement(
  flags: PlacementFlags,
  context: Context,
  modelT: OwnCommand,
  predict: Predict = predictFromCosts,
): Promise<number> {
  const settings = settingsOf(flags, context);
  if (flags.json !== undefined && flags.json !== '-') refuseUnwritable(flags.json);
  const guard = interruptible(context, modelT);
  const folder = mkdtempSync(join(tmpdir(), 'model-t-placement-'));
  try {
    context.status?.('making captures');
    const generated = await guard(() => generateCaptures(folder, PLACEMENT_CAPTURES, modelT));
    const pathOf = ({ capture }: Work): string =>
      'file' in capture ? join(context.packageRoot, capture.file) : (generated.get(capture.generated) as string);
    const cells = await measureRounds(settings, pathOf, context, modelT, guard);
    report(cells, settings, predict, flags.json ?? null, context);
    return 0;
  } finally {
    context.status?.(null);
    guard.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

function settingsOf(flags: PlacementFlags, context: Context): Settings {
  const machine = context.describeMachine();
  const cores = coresOf(flags.cores, machine);
  return {
    cores,
    rounds: roundsOf(flags.rounds),
    seconds: labelled('--seconds', () => parseDuration(flags.seconds)),
    seed: seedOf(flags.seed),
  };
}

async function measureRounds(
  settings: Settings,
  pathOf: (work: Work) => string,
  context: Context,
  modelT: OwnCommand,
  guard: Guard,
): Promise<MeasuredPlacement[]> {
  const { rounds, seconds, seed } = settings;
  const random = randomSource(seed);
  const cells = placementCells().map((cell) => ({
    ...cell,
    command: placementWords(cell, pathOf(cell.work), settings),
    samples: [] as PlacementSample[],
  }));
  context.note(`${cells.length} placements, ${rounds} rounds, in an order of --seed ${seed}`);
  for (let round = 1; round <= rounds; round++) {
    for (const [index, cell] of shuffled(cells, random).entries()) {
      const { work, command, samples } = cell;
      if (samples[0]?.kind === 'refused') continue;
      const told = `${work.name}, ${placementName(cell)}`;
      context.status?.(`round ${round} of ${rounds}, run ${index + 1} of ${cells.length}: ${told}`);
      samples.push(sampleOf(await guard(() => modelT.run(command, LIMIT_MS + 2000 * seconds))));
      await guard(async () => {}); /* a child that the signal ended looks refused, or unsound */
    }
  }
  return cells;
}

function report(
  cells: readonly MeasuredPlacement[],
  settings: Settings,
  predict: Predict,
  json: string | null,
  context: Context,
): void {
  const predictions = predictionsOf(cells, predict);
  const bars = [...placementBars(cells), ...predictionBars(predictions)];
  const result = {
    schema: 'model-t/bench-placement',
    schemaVersion: PLACEMENT_SCHEMA_VERSION,
    machine: context.describeMachine(),
    settings,
    captures: PLACEMENT_CAPTURES,
    cells,
    summary: summarizePlacements(cells),
    predictions,
    bars,
  };
  const text = JSON.stringify(result, null, 2);
  if (json === '-') {
    context.print(text);
    return;
  }
  if (json !== null) writeResult(json, `${text}\n`);
  const foretold = predictionLines(predictions);
  const tables = [...placementTable(cells), '', ...foretold, ...(foretold.length > 0 ? [''] : [])];
  for (const line of [...tables, ...barLines(bars)]) context.print(line);
}
