/**
 * `model-t bench sizing`: rings of fixed sizes against rings that size themselves: how soon they are as good, and whether they stay so.
 *
 *   capture ─► round 1..N, in random order: one replay per ring size in a fresh process ─► throughput over time ─► table, bars
 *                                           with --stall also into readers that stall, and into two of unequal speed
 *
 * Those readers are stack/examples/slow_reader.c, compiled into a temporary folder. Touches that and child processes. Called by
 * bench.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { ModelTError } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { randomSource } from '../generate.js';
import { readResult } from '../result.js';
import { refuseUnwritable, writeResult } from '../result-file.js';
import { isSound } from '../summary.js';
import { labelled, parseDuration, usageError } from '../units.js';
import { barLines } from './bars.js';
import { type Child, startChild } from './child.js';
import { type CaptureSpec, UDP } from './contender.js';
import { generateCaptures } from './files.js';
import { type Guard, interruptible } from './interruptible.js';
import { type Answer, type OwnCommand, ownCommand, reasonOf } from './own-command.js';
import { shuffled } from './replay-cells.js';
import { coresOf, roundsOf, seedOf } from './settings.js';
import {
  SETTLED_SECONDS,
  type SizingCell,
  type SizingSample,
  sizingBars,
  sizingSampleOf,
  sizingTable,
  summarizeSizing,
} from './sizing-curve.js';

const SIZING_SCHEMA_VERSION = '1.0.0';
const LIMIT_MS = 60_000;
const COMPILE_LIMIT_MS = 60_000;

const FIXED_SIZES = ['128KiB', '512KiB', '2MiB', '8MiB', '32MiB', '64MiB'];
const SELF_SIZING = ['auto', 'auto:64MiB'];

const CAPTURE: CaptureSpec = { name: 'p60', flags: ['--packets', '8192', '--sizes', '60:1', ...UDP] };

/** Words of slow_reader for each reader; none = our own stack reads. */
export interface Scenario {
  readonly name: string;
  readonly readers: readonly (readonly string[])[];
}

const STACK: Scenario = { name: 'the stack', readers: [] };
/** 2 ms asleep is 40,000 packets at 20 Mpps, 2.5 MiB of slots; seldom enough that a ring of that size makes up for it. */
const STALLING: Scenario = { name: 'one that stalls', readers: [['0', '2', '400000']] };
const UNEQUAL: Scenario = {
  name: 'two of unequal speed',
  readers: [
    ['0', '0', '1'],
    ['50', '0', '1'],
  ],
};

export interface SizingFlags {
  readonly cores?: string;
  readonly rounds: string;
  readonly seconds: string;
  readonly stall?: boolean;
  readonly seed?: string;
  readonly json?: string;
}

interface Settings {
  readonly cores: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
}

/** Starts a reader of the ring of that name. */
export type StartReader = (
  ring: string,
  words: readonly string[],
  limitMs: number,
) => Pick<Child, 'ended' | 'complaint' | 'process'>;

export function registerSizing(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('sizing')
    .description('rings of fixed sizes against rings that size themselves')
    .option('--cores <LIST>', 'of each replay: producer first, then the stack (default: the first two)')
    .option('--rounds <N>', 'samples of each ring size', '3')
    .option('--seconds <S>', 'length of each run', '4')
    .option('--stall', 'also into a reader that stalls now and then, and into two of unequal speed (needs a C compiler)')
    .option('--seed <N>', 'order in which sizes are measured (default: another one each time, and told)')
    .option('--json <FILE>', 'write all samples as JSON; - = standard output')
    .action(async (flags: SizingFlags) => {
      const compile = (folder: string): Promise<StartReader> => compileReader(folder, context.packageRoot);
      finish(await benchSizing(flags, context, ownCommand(context.packageRoot), compile));
    });
}

export async function benchSizing(
  flags: SizingFlags,
  context: Context,
  modelT: OwnCommand,
  compile: (folder: string) => Promise<StartReader>,
): Promise<number> {
  const settings = settingsOf(flags, context);
  if (flags.json !== undefined && flags.json !== '-') refuseUnwritable(flags.json);
  const guard = interruptible(context, modelT);
  const folder = mkdtempSync(join(tmpdir(), 'model-t-sizing-'));
  try {
    context.status?.('making a capture');
    const startReader = flags.stall ? await guard(() => compile(folder)) : null;
    const captures = await guard(() => generateCaptures(folder, [CAPTURE], modelT));
    const capture = captures.get(CAPTURE.name) as string;
    const cells = await measureRounds(capture, settings, startReader, context, modelT, guard);
    report(cells, settings, flags.json ?? null, context);
    return 0;
  } finally {
    context.status?.(null);
    guard.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

function settingsOf(flags: SizingFlags, context: Context): Settings {
  const machine = context.describeMachine();
  const cores = coresOf(flags.cores, machine);
  const seconds = labelled('--seconds', () => parseDuration(flags.seconds));
  if (seconds < 2 * SETTLED_SECONDS)
    throw usageError(
      `--seconds ${flags.seconds} is too short to see a ring stay as it is`,
      `Give ${2 * SETTLED_SECONDS} or more`,
    );
  return {
    cores,
    seconds,
    rounds: roundsOf(flags.rounds),
    seed: seedOf(flags.seed),
  };
}

/** `cc`, as the README compiles the example. */
async function compileReader(folder: string, packageRoot: string): Promise<StartReader> {
  const program = join(folder, 'slow_reader');
  const source = join(packageRoot, 'stack/examples/slow_reader.c');
  const child = startChild(['cc', '-std=c11', '-O2', source, '-o', program], COMPILE_LIMIT_MS);
  const code = await child.ended.catch(() => null);
  if (code !== 0) {
    const why = child.complaint() || 'cc was not found';
    throw new ModelTError('NO_COMPILER', `${source} was not compiled: ${why}`, 3, 'Install a C compiler, or leave out --stall');
  }
  return (ring, words, limitMs) => startChild([program, ring, ...words], limitMs);
}

async function measureRounds(
  capture: string,
  settings: Settings,
  startReader: StartReader | null,
  context: Context,
  modelT: OwnCommand,
  guard: Guard,
): Promise<SizingCell[]> {
  const { rounds, seed } = settings;
  const random = randomSource(seed);
  const scenarios = startReader ? [STACK, STALLING, UNEQUAL] : [STACK];
  const cells = scenarios.flatMap((readers) =>
    [...FIXED_SIZES, ...SELF_SIZING].map((ring) => ({ readers, scenario: readers.name, ring, samples: [] as SizingSample[] })),
  );
  context.note(`${cells.length} rings, ${rounds} rounds, in an order of --seed ${seed}`);
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { readers, ring, samples }] of shuffled(cells, random).entries()) {
      context.status?.(`round ${round} of ${rounds}, run ${index + 1} of ${cells.length}: ${readers.name}, ${ring}`);
      samples.push(await guard(() => measureOne(capture, readers, ring, settings, startReader, modelT)));
    }
  }
  return cells.map(({ scenario, ring, samples }) => ({ scenario, ring, samples }));
}

/** What a user would type. */
export function sizingWords(capture: string, ring: string, target: readonly string[], { cores, seconds }: Settings): string[] {
  const where = [...target, '--cores', cores.join(','), '--ring-size', ring];
  return ['replay', capture, ...where, '--duration', `${seconds}s`, '--quiet', '--json', '-'];
}

async function measureOne(
  capture: string,
  scenario: Scenario,
  ring: string,
  settings: Settings,
  startReader: StartReader | null,
  modelT: OwnCommand,
): Promise<SizingSample> {
  const limitMs = LIMIT_MS + 2000 * settings.seconds;
  const name = `sizing-${process.pid}`;
  const readers = scenario.readers.map((words) => (startReader as StartReader)(name, words, limitMs));
  /* Fused: what is measured is a ring between two cores, and other placements put both of its ends on one. */
  const target =
    readers.length === 0 ? ['--to', 'stack', '--placement', 'fused'] : ['--to', `ring:${name}`, '--readers', `${readers.length}`];
  try {
    /* One core for the producer, the others are the readers'. */
    const own = readers.length === 0 ? settings : { ...settings, cores: settings.cores.slice(0, 1) };
    const answer = await modelT.run(sizingWords(capture, ring, target, own), limitMs);
    const sample = soundSample(scenario, ring, answer);
    for (const reader of readers) {
      const code = await reader.ended;
      if (code !== 0) throw unsound(scenario, ring, `a reader ended with ${code}: ${reader.complaint()}`);
    }
    return sample;
  } finally {
    for (const reader of readers) reader.process.kill('SIGKILL'); /* those whose ring never came */
  }
}

function soundSample(scenario: Scenario, ring: string, answer: Answer): SizingSample {
  if (answer.code !== 0) throw unsound(scenario, ring, reasonOf(answer));
  const outcome = readResult(answer.output, 'its output');
  if (!isSound(outcome)) throw unsound(scenario, ring, 'packets were lost, or were not what the reference says');
  return sizingSampleOf(outcome);
}

function unsound({ name }: Scenario, ring: string, why: string): ModelTError {
  const remedy = 'Nothing is reported; run model-t replay with this --ring-size on a capture of yours to see more';
  return new ModelTError('BENCH_UNSOUND', `${name}, ${ring}: the run does not count: ${why}`, 4, remedy);
}

function report(cells: readonly SizingCell[], settings: Settings, json: string | null, context: Context): void {
  const bars = sizingBars(cells);
  const result = {
    schema: 'model-t/bench-sizing',
    schemaVersion: SIZING_SCHEMA_VERSION,
    machine: context.describeMachine(),
    settings,
    capture: CAPTURE,
    readers: [STACK, STALLING, UNEQUAL],
    cells,
    summary: summarizeSizing(cells),
    bars,
  };
  const text = JSON.stringify(result, null, 2);
  if (json === '-') {
    context.print(text);
    return;
  }
  if (json !== null) writeResult(json, `${text}\n`);
  for (const line of [...sizingTable(cells), '', ...barLines(bars)]) context.print(line);
}
