/** The flags of `model-t bench replay`, declared for commander and read. Pure; refusals name flag, value and remedy. */
import { type Command, Option } from 'commander';
import { labelled, parseCount, parseDuration, parseSeed, parseSize, usageError } from '../units.js';
import { type FrameSize, SIZES, type Sweep } from './replay-cells.js';

const MOST_ROUNDS = 1000;
const SMALLEST_FRAME = 60;
/** A jumbo frame; larger ones fill bursts by themselves. */
const LARGEST_FRAME = 9216;
const LONGEST_RUN_SECONDS = 600;

/** Quick: four sizes on one adapter, one process start of about a second beside each half second measured. */
const DEFAULTS = { full: { rounds: 5, seconds: 1 }, quick: { rounds: 2, seconds: 0.5 } } as const;

export interface ReplayBenchFlags {
  readonly quick?: boolean;
  readonly rounds?: string;
  readonly seconds?: string;
  readonly sizes?: string;
  readonly batch?: string;
  readonly buffers?: string;
  readonly gpu?: string;
  readonly target: 'null' | 'stack';
  readonly checked?: boolean;
  readonly seed?: string;
  readonly json?: string;
}

export interface ReplayBenchOptions extends Sweep {
  readonly rounds: number;
  /** Length of each run; each limit takes half of it. */
  readonly seconds: number;
  /** What `--gpu` said; null = every adapter. */
  readonly gpu: string | null;
  readonly target: 'null' | 'stack';
  /** Kernels check every access. */
  readonly isChecked: boolean;
  /** Of the order of cells. */
  readonly seed: number;
  /** File for the result, `-` for standard output, null for none. */
  readonly json: string | null;
}

export function addReplayBenchFlags(command: Command): Command {
  return command
    .option('--quick', 'one adapter, batch size and number of buffers, two short rounds: under a minute')
    .option('--rounds <N>', 'samples of each cell (default: 5, quick: 2)')
    .option('--seconds <S>', 'length of each run (default: 1, quick: 0.5)')
    .option('--sizes <LIST>', 'captured bytes per frame, or imix (default: 60,512,1514,imix)')
    .option('--batch <LIST>', 'bytes per batch, 4MiB,16MiB for example (default: three that suit the adapter)')
    .option('--buffers <LIST>', 'batches in flight, 1,3 for example (default: two that suit the adapter)')
    .option('--gpu <NAME>', 'auto, hardware, software, or part of an adapter name (default: all that there are)')
    .addOption(new Option('--target <NAME>', 'who reads: nobody, or the stack').choices(['null', 'stack']).default('null'))
    .option('--checked', 'GPU: kernels check every access')
    .option('--seed <N>', 'the order in which cells are measured (default: another one each time, and told)')
    .option('--json <FILE>', 'write all samples as JSON; - = standard output');
}

/** `freshSeed` is used when the flags name none. */
export function replayBenchOptions(flags: ReplayBenchFlags, freshSeed: number): ReplayBenchOptions {
  const isQuick = flags.quick ?? false;
  const defaults = isQuick ? DEFAULTS.quick : DEFAULTS.full;
  const given = <Value, Otherwise>(flag: string, text: string | undefined, parse: (text: string) => Value, other: Otherwise) =>
    text === undefined ? other : labelled(flag, () => parse(text));
  return {
    isQuick,
    rounds: given('--rounds', flags.rounds, (text) => parseCount(text, 1, MOST_ROUNDS), defaults.rounds),
    seconds: given('--seconds', flags.seconds, runSeconds, defaults.seconds),
    sizes: given('--sizes', flags.sizes, (text) => list(text, frameSize), SIZES),
    batches: given('--batch', flags.batch, (text) => list(text, parseSize), null),
    buffers: given('--buffers', flags.buffers, (text) => list(text, (part) => parseCount(part, 1)), null),
    gpu: flags.gpu ?? null,
    target: flags.target,
    isChecked: flags.checked ?? false,
    seed: given('--seed', flags.seed, parseSeed, freshSeed),
    json: flags.json ?? null,
  };
}

function runSeconds(text: string): number {
  const seconds = parseDuration(text);
  if (seconds <= LONGEST_RUN_SECONDS) return seconds;
  throw usageError(`"${text}" is longer than ${LONGEST_RUN_SECONDS} seconds`, 'Ask for more --rounds instead');
}

function frameSize(text: string): FrameSize {
  return text.toLowerCase() === 'imix' ? 'imix' : parseCount(text, SMALLEST_FRAME, LARGEST_FRAME);
}

/** Values between commas; none twice, because cells are told apart by them. */
function list<Value>(text: string, parse: (text: string) => Value): Value[] {
  const values = text.split(',').map((part) => parse(part.trim()));
  if (new Set(values).size < values.length) throw usageError(`"${text}" names a value twice`, 'Name each value once');
  return values;
}
