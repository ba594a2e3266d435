/**
 * `model-t bench policy`: a pipeline with one slow operation, in every placement on two cores that is held, and what the scheduler
 * makes of the worst of them while packets flow.
 *
 *   capture ─► round 1..N, in random order: one `replay --place LIST` in a fresh process each ─► best and worst
 *           ─► round 1..N: the best, held; from the worst, with `--placement piped` ─► moves, rate in the last half, bars
 *
 * The two containers are alike: of two placements that mirror each other one is measured. Touches a temporary folder and child
 * processes. Called by bench.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { RunOutcome } from '../../replay/index.js';
import { ModelTError } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { randomSource } from '../generate.js';
import { refuseUnwritable, writeResult } from '../result-file.js';
import { labelled, parseCount, parseDuration } from '../units.js';
import { barLines } from './bars.js';
import { generateCaptures } from './files.js';
import { interruptible } from './interruptible.js';
import { type Answer, type OwnCommand, ownCommand, reasonOf } from './own-command.js';
import { PLACEMENT_CAPTURES, readRun, sampleOf } from './placement-cells.js';
import {
  cutsOf,
  type FixedPlacement,
  type PolicyMeasured,
  policyBars,
  policyLines,
  policySampleOf,
  slowPipeline,
  withRates,
} from './policy-table.js';
import { shuffled } from './replay-cells.js';
import { coresOf, roundsOf, seedOf } from './settings.js';

const POLICY_SCHEMA_VERSION = '1.0.0';
const LEAST_OPERATIONS = 5;
const MOST_OPERATIONS = 32;
const MOST_CYCLES = 100_000;
/** Of the runs in which the scheduler moves things: two for that, and the rest at what it came to. */
const SCHEDULED_SECONDS = 3;
const LIMIT_MS = 60_000;

export interface PolicyFlags {
  readonly cores?: string;
  readonly seconds: string;
  readonly rounds: string;
  readonly burn: string;
  readonly operations: string;
  readonly seed?: string;
  readonly json?: string;
}

interface Settings {
  readonly cores: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  readonly pipeline: string;
  readonly seed: number;
}

export function registerPolicy(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('policy')
    .description('every placement of a pipeline with one slow operation, and where the scheduler gets from the worst')
    .option('--cores <LIST>', 'two of them, source included (default: the first two)')
    .option('--seconds <S>', 'length of each run that is held', '1')
    .option('--rounds <N>', 'samples of each', '3')
    .option('--burn <N>', 'cycles of the slow operation', '100')
    .option('--operations <N>', 'of the pipeline, the slow one in the middle', '10')
    .option('--seed <N>', 'order in which placements are measured (default: another one each time, and told)')
    .option('--json <FILE>', 'write all samples as JSON; - = standard output')
    .action(async (flags: PolicyFlags) => {
      finish(await benchPolicy(flags, context, ownCommand(context.packageRoot)));
    });
}

export async function benchPolicy(flags: PolicyFlags, context: Context, modelT: OwnCommand): Promise<number> {
  const settings = settingsOf(flags, context);
  if (flags.json !== undefined && flags.json !== '-') refuseUnwritable(flags.json);
  const guard = interruptible(context, modelT);
  const folder = mkdtempSync(join(tmpdir(), 'model-t-policy-'));
  try {
    const captures = await guard(() => generateCaptures(folder, PLACEMENT_CAPTURES.slice(0, 1), modelT));
    const [capture] = captures.values();
    const run = (where: readonly string[]): Promise<Answer> =>
      guard(() => modelT.run(policyWords(capture as string, where, settings), LIMIT_MS + 4000 * settings.seconds));
    report(await measure(settings, run, context), settings, flags.json ?? null, context);
    return 0;
  } finally {
    context.status?.(null);
    guard.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

function settingsOf(flags: PolicyFlags, context: Context): Settings {
  const machine = context.describeMachine();
  const cores = coresOf(flags.cores, machine);
  if (cores.length !== 2) {
    const named = `${cores.length} CPU${cores.length === 1 ? '' : 's'} (${cores.join()})`;
    throw new ModelTError('CORES_NOT_TWO', `Placements on two cores are measured, not on ${named}`, 3, 'Give two --cores');
  }
  const operations = labelled('--operations', () => parseCount(flags.operations, LEAST_OPERATIONS, MOST_OPERATIONS));
  const burn = labelled('--burn', () => parseCount(flags.burn, 1, MOST_CYCLES));
  return {
    cores,
    seconds: labelled('--seconds', () => parseDuration(flags.seconds)),
    rounds: roundsOf(flags.rounds),
    pipeline: slowPipeline(operations, burn),
    seed: seedOf(flags.seed),
  };
}

/** What a user would type. */
function policyWords(capture: string, where: readonly string[], { pipeline, cores }: Settings): string[] {
  return ['replay', capture, '--ops', pipeline, '--cores', cores.join(','), ...where, '--quiet', '--json', '-'];
}

type Run = (where: readonly string[]) => Promise<Answer>;

async function measure(settings: Settings, run: Run, context: Context): Promise<PolicyMeasured> {
  const { rounds, seconds, seed } = settings;
  const { elements } = soundRun(await run(['--placement', 'fused', '--limit', '1000']), 'a first look').placement;
  const fixed: FixedPlacement[] = cutsOf(elements.length).map((containers) => ({ containers, samples: [] }));
  context.note(`${fixed.length} placements, ${rounds} rounds, in an order of --seed ${seed}`);
  const random = randomSource(seed);
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { containers, samples }] of shuffled(fixed, random).entries()) {
      if (samples[0]?.kind === 'refused') continue;
      context.status?.(`round ${round} of ${rounds}, run ${index + 1} of ${fixed.length}: ${containers.join()}`);
      samples.push(sampleOf(await run(['--place', containers.join(), '--duration', `${seconds}s`])));
    }
  }
  const ranked = withRates(fixed);
  const [best, worst] = [ranked[0], ranked.at(-1)];
  if (!best || !worst) {
    const remedy = 'Run model-t replay with --place by hand to see more';
    throw new ModelTError('BENCH_UNSOUND', 'Not one placement was measured, so nothing is reported', 4, remedy);
  }
  return { elements, fixed, best, worst, rounds: await scheduledRounds(settings, best, worst, run, context) };
}

/** In turns, so that what slows the machine for a while slows both. */
async function scheduledRounds(
  { rounds }: Settings,
  best: FixedPlacement,
  worst: FixedPlacement,
  run: Run,
  context: Context,
): Promise<PolicyMeasured['rounds']> {
  const length = ['--duration', `${SCHEDULED_SECONDS}s`];
  const done: PolicyMeasured['rounds'][number][] = [];
  for (let round = 1; round <= rounds; round++) {
    context.status?.(`round ${round} of ${rounds}: the best, held, and from the worst`);
    const from = worst.containers.join();
    const held = soundRun(await run(['--place', best.containers.join(), ...length]), best.containers.join());
    const moved = soundRun(await run(['--placement', 'piped', '--place', from, ...length]), `from ${from}`);
    done.push({ held: policySampleOf(held, best.containers), scheduled: policySampleOf(moved, worst.containers) });
  }
  return done;
}

function soundRun(answer: Answer, what: string): RunOutcome {
  const read = answer.code === 0 ? readRun(answer.output) : reasonOf(answer);
  if (typeof read !== 'string') return read;
  const remedy = 'Nothing is reported; run model-t replay with --place by hand to see more';
  throw new ModelTError('BENCH_UNSOUND', `${what}: the run does not count: ${read}`, 4, remedy);
}

function report(measured: PolicyMeasured, settings: Settings, json: string | null, context: Context): void {
  const bars = policyBars(measured);
  const head = { schema: 'model-t/bench-policy', schemaVersion: POLICY_SCHEMA_VERSION, machine: context.describeMachine() };
  const text = JSON.stringify({ ...head, settings, scheduledSeconds: SCHEDULED_SECONDS, ...measured, bars }, null, 2);
  if (json === '-') {
    context.print(text);
    return;
  }
  if (json !== null) writeResult(json, `${text}\n`);
  for (const line of [...policyLines(measured), '', ...barLines(bars)]) context.print(line);
}
