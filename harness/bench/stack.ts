/**
 * `model-t bench stack`: the assembly line against its bars: header-only and payload pipelines from every level of memory, the
 * cost of single operations and of the framework, slot strides, filters and patterns.
 *
 *   cells ─► round 1..N, in random order: one `bench queue` in a fresh process each ─► medians ─► table, bars
 *            filters and patterns: measured natively, their own rounds inside        ─► ratios ─┘
 *
 * Touches child processes. Called by bench.ts.
 */
import type { Command } from 'commander';
import { ModelTError } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { binary, decimal } from '../format.js';
import { randomSource } from '../generate.js';
import { refuseUnwritable, writeResult } from '../result-file.js';
import { labelled, parseDuration } from '../units.js';
import { barLines } from './bars.js';
import { alignedColumns, type Spread, spread } from './comparison.js';
import { interruptible } from './interruptible.js';
import { type OwnCommand, ownCommand, reasonOf } from './own-command.js';
import type { QueueSample } from './queue-sample.js';
import { shuffled } from './replay-cells.js';
import { coresOf, roundsOf, seedOf } from './settings.js';
import { type MeasuredStackCell, stackBars } from './stack-bars.js';
import { cellWords, type StackCell, stackCells } from './stack-cells.js';
import { measureSearches, type Searches, searchBars } from './stack-searches.js';

const STACK_SCHEMA_VERSION = '1.0.0';
/** Start, filling and checking a queue of 256 MiB, beside what is measured. */
const CHILD_LIMIT_MS = 120_000;
const DEFAULTS = { full: { rounds: '5', seconds: '0.5' }, quick: { rounds: '1', seconds: '0.2' } } as const;

interface StackFlags {
  readonly quick?: boolean;
  readonly rounds?: string;
  readonly seconds?: string;
  readonly cores?: string;
  readonly seed?: string;
  readonly json?: string;
}

export function registerStack(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('stack')
    .description('the assembly line against its bars: headers, payload, single operations, slots')
    .option('--quick', 'one short round: under a minute')
    .option('--rounds <N>', 'samples of each point (default: 5, quick: 1)')
    .option('--seconds <S>', 'length of each sample (default: 0.5, quick: 0.2)')
    .option('--cores <LIST>', 'cores to use, the first for one-core points (default: the first two)')
    .option('--seed <N>', 'order in which points are measured (default: another one each time, and told)')
    .option('--json <FILE>', 'write all samples as JSON; - = standard output')
    .action(async (flags: StackFlags) => {
      finish(await benchStack(flags, context, ownCommand(context.packageRoot)));
    });
}

async function benchStack(flags: StackFlags, context: Context, modelT: OwnCommand): Promise<number> {
  const defaults = flags.quick ? DEFAULTS.quick : DEFAULTS.full;
  const rounds = roundsOf(flags.rounds ?? defaults.rounds);
  const seconds = labelled('--seconds', () => parseDuration(flags.seconds ?? defaults.seconds));
  const seed = seedOf(flags.seed);
  if (flags.json !== undefined && flags.json !== '-') refuseUnwritable(flags.json);
  const machine = context.describeMachine();
  const cores = coresOf(flags.cores, machine);
  const cells = stackCells(machine.caches, cores.length);
  const random = randomSource(seed);
  const samples = new Map<StackCell, QueueSample[]>(cells.map((cell) => [cell, []]));
  context.note(`${cells.length} points, ${rounds} rounds, in an order of --seed ${seed}`);
  const guard = interruptible(context, modelT);
  let searches: readonly Searches[] = [];
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const [index, cell] of shuffled(cells, random).entries()) {
        context.status?.(`round ${round} of ${rounds}, point ${index + 1} of ${cells.length}: ${cell.name}`);
        samples.get(cell)?.push(await guard(() => measureCell(cell, cores, seconds, modelT)));
      }
    }
    searches = await measureSearches(seconds, rounds, context, (what) => guard(async () => context.status?.(what)));
  } finally {
    context.status?.(null);
    guard.release();
  }
  const measured = cells.map((cell): MeasuredStackCell => ({ ...cell, samples: samples.get(cell) ?? [] }));
  const bars = [...stackBars(measured), ...searchBars(searches, machine.isas.at(-1) ?? 'scalar')];
  const settings = { rounds, seconds, seed, cores };
  const result = {
    schema: 'model-t/bench-stack',
    schemaVersion: STACK_SCHEMA_VERSION,
    machine,
    settings,
    bars,
    cells: measured,
    searches,
  };
  const text = `${JSON.stringify(result, null, 2)}\n`;
  if (flags.json === '-') {
    context.print(text.trimEnd());
    return 0;
  }
  if (flags.json !== undefined) writeResult(flags.json, text);
  for (const line of [...stackTable(measured), '', ...barLines(bars)]) context.print(line);
  return 0;
}

async function measureCell(cell: StackCell, cores: readonly number[], seconds: number, modelT: OwnCommand): Promise<QueueSample> {
  const answer = await modelT.run(cellWords(cell, cores, seconds), CHILD_LIMIT_MS);
  if (answer.code !== 0) {
    const remedy = 'Run `model-t bench queue` by hand to see more';
    throw new ModelTError(
      'POINT_FAILED',
      `'${cell.name}' was not measured: ${reasonOf(answer)}`,
      answer.code === 4 ? 4 : 3,
      remedy,
    );
  }
  const { samples } = JSON.parse(answer.output) as { samples: QueueSample[] };
  return samples[0] as QueueSample;
}

function stackTable(cells: readonly MeasuredStackCell[]): string[] {
  const rows = cells.map((cell) => {
    const of = (value: (sample: QueueSample) => number): Spread => spread(cell.samples.map(value));
    const [first] = cell.samples;
    const cycles = of((sample) => sample.coreCyclesPerPacket);
    return [
      cell.name,
      `${cell.cores}`,
      cell.stride === 0 ? 'packed' : `${cell.stride} B`,
      `${cell.packets} in ${binary(first?.queueBytes ?? 0)} (${cell.level})`,
      decimal(of((sample) => sample.packetsPerSecond).median, 'pps'),
      decimal(of((sample) => sample.bitsPerSecond).median, 'bit/s'),
      decimal(of((sample) => sample.wireBitsPerSecond).median, 'bit/s'),
      `${cycles.median.toFixed(2)} (${cycles.minimum.toFixed(2)}–${cycles.maximum.toFixed(2)})`,
    ];
  });
  const headings = ['point', 'cores', 'slots', 'queue of a core', 'rate', 'captured', 'wire', 'core cycles per packet'];
  return alignedColumns([headings, ...rows]);
}
