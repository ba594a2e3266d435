/**
 * `model-t bench replay`: what each engine reaches, per adapter, frame size, batch size and batches in flight, against what it
 * could reach at most: plain copies out of the GPU, and memcpy.
 *
 *   captures (trace gen) ─► round 1..N: cells in random order: run, read-back limit, memcpy ─► medians, shares, verdicts
 *
 * Each sample is a fresh process. Touches a temporary folder and child processes. Called by bench.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { AdapterDescription } from '../../replay/index.js';
import { ModelTError } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { randomSource } from '../generate.js';
import { refuseUnwritable, writeResult } from '../result-file.js';
import type { CaptureSpec } from './contender.js';
import { generateCaptures } from './files.js';
import { type OwnCommand, ownCommand } from './own-command.js';
import { captureOf, chosenAdapters, geometries, type ReplayCell, replayCells, shuffled } from './replay-cells.js';
import { addReplayBenchFlags, type ReplayBenchFlags, type ReplayBenchOptions, replayBenchOptions } from './replay-flags.js';
import { refuseGeometry } from './replay-limits.js';
import { type Loaded, measureCell, type ReplaySample, replayWords } from './replay-sample.js';
import { barLines, barsOf, type MeasuredCell, replayTable, summarizeCell } from './replay-table.js';

/** The survey measures as well; only its adapters are wanted here. */
const SURVEY_SECONDS = 0.01;

export function registerReplayBench(bench: Command, context: Context, finish: Finish): void {
  const command = bench.command('replay').description('engines, adapters, frame and batch sizes against the read-back limit');
  addReplayBenchFlags(command).action(async (flags: ReplayBenchFlags) => {
    const options = replayBenchOptions(flags, Date.now() % 2 ** 32);
    finish(await benchReplay(options, context, ownCommand(context.packageRoot)));
  });
}

export async function benchReplay(options: ReplayBenchOptions, context: Context, modelT: OwnCommand): Promise<number> {
  if (options.json !== null && options.json !== '-') refuseUnwritable(options.json);
  const adapters = await adaptersFor(options, context);
  for (const adapter of adapters) for (const geometry of geometries(adapter, options)) refuseGeometry(geometry, context);
  let interrupted = false;
  const release = context.onInterrupt(() => {
    interrupted = true;
    modelT.stop();
  });
  const interruption = (): ModelTError => new ModelTError('INTERRUPTED', 'Interrupted; nothing is reported', 130);
  const refuseInterrupted = (): void => {
    if (interrupted) throw interruption();
  };
  const folder = mkdtempSync(join(tmpdir(), 'model-t-replay-'));
  try {
    const captures = await loadCaptures(folder, options, context, modelT);
    const cells = replayCells(adapters, options);
    const { samples, order } = await measureRounds(cells, captures, options, context, modelT, refuseInterrupted);
    refuseInterrupted();
    const measured = cells.map((cell): MeasuredCell => {
      const { name } = captureOf(cell.size);
      return { ...cell, capture: name, command: replayWords(cell, `${name}.pcap`, options), samples: samples.get(cell) ?? [] };
    });
    report({ adapters, captures, order, cells: measured }, options, context);
    return 0;
  } catch (error) {
    // Children get the terminal's signal too, and fail of it.
    throw interrupted ? interruption() : error;
  } finally {
    context.status?.(null);
    release();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function adaptersFor(options: ReplayBenchOptions, context: Context): Promise<readonly AdapterDescription[]> {
  context.status?.('looking for GPU adapters');
  const { adapters, problem } = await context.replay.surveyGpu(SURVEY_SECONDS);
  context.status?.(null);
  const chosen = chosenAdapters(adapters, options.gpu);
  if (chosen.length === 0) context.note(`The WebGPU engine is left out: ${problem ?? 'there is no adapter'}`);
  return options.isQuick ? chosen.slice(0, 1) : chosen;
}

interface Capture extends Loaded {
  readonly spec: CaptureSpec;
}

/** By name. */
async function loadCaptures(
  folder: string,
  { sizes }: ReplayBenchOptions,
  context: Context,
  modelT: OwnCommand,
): Promise<ReadonlyMap<string, Capture>> {
  context.status?.('making captures');
  const specs = sizes.map(captureOf);
  const paths = await generateCaptures(folder, specs, modelT);
  const captures = new Map<string, Capture>();
  for (const spec of specs) {
    const path = paths.get(spec.name) as string;
    const trace = await context.replay.openTrace([path]);
    try {
      await trace.loaded;
      const { packets, bytes, slotBytes } = trace.info();
      captures.set(spec.name, { spec, path, packets, bytes, slotBytes });
    } finally {
      trace.close();
    }
  }
  return captures;
}

interface Rounds {
  readonly samples: ReadonlyMap<ReplayCell, readonly ReplaySample[]>;
  /** Names of cells, round by round, as they were measured. */
  readonly order: readonly (readonly string[])[];
}

async function measureRounds(
  cells: readonly ReplayCell[],
  captures: ReadonlyMap<string, Capture>,
  options: ReplayBenchOptions,
  context: Context,
  modelT: OwnCommand,
  refuseInterrupted: () => void,
): Promise<Rounds> {
  context.note(`${cells.length} cells, ${options.rounds} rounds, in an order of --seed ${options.seed}`);
  const random = randomSource(options.seed);
  const samples = new Map(cells.map((cell) => [cell, [] as ReplaySample[]]));
  const order: string[][] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const turn = shuffled(cells, random);
    order.push(turn.map(({ name }) => name));
    for (const [index, cell] of turn.entries()) {
      refuseInterrupted();
      context.status?.(`round ${round} of ${options.rounds}, cell ${index + 1} of ${turn.length}: ${cell.name}`);
      const capture = captures.get(captureOf(cell.size).name) as Capture;
      samples.get(cell)?.push(await measureCell(cell, capture, round, options, modelT));
    }
  }
  return { samples, order };
}

interface Measured {
  readonly adapters: readonly AdapterDescription[];
  readonly captures: ReadonlyMap<string, Capture>;
  readonly order: Rounds['order'];
  readonly cells: readonly MeasuredCell[];
}

function report(measured: Measured, options: ReplayBenchOptions, context: Context): void {
  context.status?.(null);
  if (options.json !== '-') {
    for (const line of [...replayTable(measured.cells), ...barLines(barsOf(measured.cells))]) context.print(line);
  }
  if (options.json === null) return;
  const text = JSON.stringify(resultOf(measured, options, context.describeMachine()), null, 2);
  if (options.json === '-') context.print(text);
  else writeResult(options.json, `${text}\n`);
}

/** As harness/schema/bench-replay.schema.json says. */
function resultOf({ adapters, captures, order, cells }: Measured, options: ReplayBenchOptions, machine: unknown) {
  const { seed, rounds, seconds, target, isChecked } = options;
  return {
    schema: 'model-t/bench-replay',
    schemaVersion: '1.0.0',
    machine,
    adapters,
    seed,
    rounds,
    seconds,
    target,
    checked: isChecked,
    captures: [...captures.values()].map(({ spec, packets, bytes, slotBytes }) => ({ ...spec, packets, bytes, slotBytes })),
    order,
    cells: cells.map((cell) => ({ ...cell, summary: summarizeCell(cell) })),
    bars: barsOf(cells),
  };
}
