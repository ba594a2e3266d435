/**
 * The flags of `model-t replay`: declared for commander, and turned into a ReplayRequest plus how to report. Pure; every
 * refusal is a ModelTError with exit code 2 that names flag, value and remedy. What a value means together with the machine
 * is judged by `planReplay`.
 */
import { type Command, Option } from 'commander';
import {
  type GpuRequest,
  type IdleStrategy,
  type Isa,
  MOST_CONTAINERS,
  type ReplayRequest,
  type ReplayTarget,
  type Rewrite,
} from '../replay/index.js';
import { PLACEMENT_MODES, type PlacementMode, type Slices } from '../stack/index.js';
import { labelled, parseCores, parseCount, parseDuration, parseSeed, parseSize, usageError } from './units.js';

export const ISAS = ['auto', 'scalar', 'avx2', 'avx512'] as const;
/** Slots in the ring's header page. */
const MOST_READERS = 16;

/** Flags as commander hands them over. */
export interface ReplayFlags {
  readonly topspeed?: boolean;
  readonly loop?: string;
  readonly limit?: string;
  readonly duration?: string;
  readonly stats?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly write?: string;
  readonly to?: string;
  readonly engine: string;
  readonly gpu?: string;
  readonly insert?: 'push' | 'pull';
  readonly batch?: string;
  readonly buffers?: string;
  readonly gpuMemory?: string;
  readonly kernel?: string;
  readonly checked?: boolean;
  readonly isa?: string;
  readonly rewrite: readonly string[];
  readonly unique?: 'flow' | 'packet' | 'off';
  readonly payload?: 'copy' | 'resident';
  readonly seed?: string;
  readonly ops?: string;
  readonly cores?: string;
  readonly threads?: string;
  readonly placement?: PlacementMode;
  readonly place?: string;
  readonly latency?: string;
  readonly slices?: Slices;
  readonly idle?: IdleStrategy;
  readonly ringSize?: string;
  readonly reader?: 'block' | 'lag' | 'drop';
  readonly readers?: string;
  readonly digest?: 'full' | 'headers';
  readonly json?: string;
  readonly dryRun?: boolean;
}

export interface Reporting {
  readonly quiet: boolean;
  /** How a ring changed its size, line by line. */
  readonly verbose: boolean;
  /** Seconds between lines on standard error; null = no such lines. */
  readonly statsSeconds: number | null;
  /** File for the result, `-` for standard output, null for none. */
  readonly json: string | null;
  readonly dryRun: boolean;
}

const repeated = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export function addReplayFlags(command: Command): Command {
  return command
    .option('-t, --topspeed', 'as fast as the machine goes (the default)')
    .option('-l, --loop <N>', 'laps over the trace; 0 = until stopped (default: 1, or 0 with --duration)')
    .option('-L, --limit <N>', 'end after N packets')
    .option('--duration <TIME>', 'end after this time: 10s, 500ms, 2m, 1h')
    .option('--stats <TIME>', 'a line on standard error at this interval, for example 1s')
    .option('-q, --quiet', 'no progress and no warnings')
    .option('-v, --verbose', 'a line on standard error for each thing that scheduler and ring do')
    .option('-w, --write <FILE>', 'short for --to pcap:FILE')
    .option('--to <TARGET>', 'stack, ring:NAME, pcap:FILE or null (default: stack)')
    .option('--engine <NAME>', 'auto, native or webgpu; auto takes a real GPU if there is one', 'auto')
    .option('--gpu <NAME>', 'auto, hardware, software, or part of an adapter name (see doctor)')
    .addOption(choice('--insert <HOW>', 'GPU: read in staging memory, or copied by the consumer', ['push', 'pull']))
    .option('--batch <SIZE>', 'GPU: bytes per batch, 4MiB for example (default: tried at the start)')
    .option('--buffers <K>', 'GPU: batches in flight (default: tried at the start)')
    .option('--gpu-memory <SIZE>', 'GPU: device memory for the trace; a larger trace streams through it')
    .option('--kernel <FILE>', 'GPU: a WGSL transformation of your own (replay/kernels/README.md)')
    .option('--checked', 'GPU: kernels check every access and report (default with --kernel)')
    .option('--isa <NAME>', `${ISAS.join(', ')} (default: $MODEL_T_ISA, or auto)`)
    .option('--rewrite <FIELD=VALUE>', 'rewrite a header field: src=10.0.0.0/8; repeatable', repeated, [])
    .addOption(choice('--unique <WHAT>', 'what gets a source address of its own', ['flow', 'packet', 'off']))
    .addOption(choice('--payload <HOW>', 'copy every byte each lap, or leave payload resident', ['copy', 'resident']))
    .option('--seed <N>', 'what rewritten addresses are drawn from')
    .option('--ops <PIPELINE>', "operations of the stack: 'eth | ip4 | tcp | count'")
    .option('--cores <LIST>', 'CPUs to use, one per container, producers first: 0,2-3')
    .addOption(choice('--placement <HOW>', 'how the work is spread over cores (default: auto)', PLACEMENT_MODES))
    .option('--place <LIST>', 'container of source, intake and each step at first: 0,0,1,1 (held without --placement)')
    .option('--latency <TIME>', 'how long a packet may wait for a full buffer, and for its turn (default: 1ms)')
    .addOption(choice('--slices <HOW>', 'hand over each burst, or a whole slice', ['horizontal', 'vertical']))
    .addOption(choice('--idle <HOW>', 'what a container does when there is nothing to do', ['spin', 'yield', 'backoff', 'sleep']))
    .option('--threads <N>', 'producer threads')
    .option('--ring-size <SIZE>', 'bytes of packets in the ring: 4MiB; auto = it sizes itself; auto:64MiB = from there down')
    .addOption(choice('--reader <POLICY>', 'what a slow reader does to the producer', ['block', 'lag', 'drop']))
    .option('--readers <N>', 'readers to wait for before the first packet (ring:NAME)')
    .addOption(choice('--digest <SCOPE>', 'delivered bytes that are hashed', ['full', 'headers']))
    .option('--json <FILE>', 'write the result as JSON; - = standard output')
    .option('--dry-run', 'print the plan as JSON and run nothing');
}

function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices);
}

export function replayRequest(
  inputs: readonly string[],
  flags: ReplayFlags,
  environment: Readonly<Record<string, string | undefined>>,
): ReplayRequest {
  const engine = chosenEngine(flags.engine);
  const gpu = gpuRequest(flags);
  const target = replayTarget(flags);
  return {
    inputs,
    ...(engine && { engine }),
    ...(gpu && { gpu }),
    isa: chosenIsa(flags.isa, environment.MODEL_T_ISA),
    ...(target && { target }),
    ...(flags.payload && { payload: flags.payload }),
    ...(flags.rewrite.length > 0 && { rewrites: flags.rewrite.map(parseRewrite) }),
    ...(flags.unique && { unique: flags.unique }),
    ...given('seed', '--seed', flags.seed, parseSeed),
    ...given('loop', '--loop', flags.loop, (text) => parseCount(text, 0)),
    ...given('limit', '--limit', flags.limit, (text) => parseCount(text, 1)),
    ...given('durationSeconds', '--duration', flags.duration, parseDuration),
    ...given('threads', '--threads', flags.threads, (text) => parseCount(text, 1, 1024)),
    ...given('cores', '--cores', flags.cores, parseCores),
    ...(flags.placement && { placement: flags.placement }),
    ...given('place', '--place', flags.place, parseContainers),
    ...given('latencySeconds', '--latency', flags.latency, parseDuration),
    ...(flags.slices && { slices: flags.slices }),
    ...(flags.idle && { idle: flags.idle }),
    ...(flags.ringSize !== undefined && labelled('--ring-size', () => ringSize(flags.ringSize ?? ''))),
    ...(flags.reader && { readerPolicy: flags.reader }),
    ...given('readers', '--readers', flags.readers, (text) => parseCount(text, 1, MOST_READERS)),
    ...(flags.ops !== undefined && { pipeline: flags.ops }),
    ...(flags.digest && { digest: flags.digest }),
  };
}

export function reporting(flags: ReplayFlags): Reporting {
  return {
    quiet: flags.quiet ?? false,
    verbose: flags.verbose ?? false,
    statsSeconds: null,
    json: flags.json ?? null,
    dryRun: flags.dryRun ?? false,
    ...given('statsSeconds', '--stats', flags.stats, parseDuration),
  };
}

/** `{key: parse(text)}`, or nothing when the flag was not given. */
function given<Key extends string, Value>(
  key: Key,
  flag: string,
  text: string | undefined,
  parse: (text: string) => Value,
): { [K in Key]: Value } | Record<never, never> {
  return text === undefined ? {} : ({ [key]: labelled(flag, () => parse(text)) } as { [K in Key]: Value });
}

/** `0,0,1,1`: one number per element. */
function parseContainers(text: string): number[] {
  return text.split(',').map((part) => parseCount(part, 0, MOST_CONTAINERS - 1));
}

/** `4MiB` stays; `auto` finds its size; `auto:4MiB` begins there and finds its size below. */
function ringSize(text: string): Pick<ReplayRequest, 'ringBytes' | 'ringSizing'> {
  const auto = text.trim().match(/^auto(?::(.*))?$/i);
  if (auto === null) return { ringBytes: parseSize(text) };
  const from = auto[1];
  return from === undefined ? { ringBytes: 'auto' } : { ringBytes: parseSize(from), ringSizing: 'self' };
}

/** Null = auto. */
function chosenEngine(text: string): 'native' | 'webgpu' | null {
  const engine = text.toLowerCase();
  if (engine === 'auto') return null;
  if (engine === 'native' || engine === 'webgpu') return engine;
  throw usageError(`--engine does not know "${text}"`, 'Use auto, native or webgpu');
}

function gpuRequest(flags: ReplayFlags): GpuRequest | null {
  const request: GpuRequest = {
    ...(flags.gpu !== undefined && { choice: flags.gpu }),
    ...(flags.insert && { insert: flags.insert }),
    ...given('batchBytes', '--batch', flags.batch, parseSize),
    ...given('buffers', '--buffers', flags.buffers, (text) => parseCount(text, 1)),
    ...given('memoryBytes', '--gpu-memory', flags.gpuMemory, parseSize),
    ...(flags.kernel !== undefined && { kernel: flags.kernel }),
    ...(flags.checked && { checked: true }),
  };
  return Object.keys(request).length > 0 ? request : null;
}

export function chosenIsa(flag: string | undefined, variable: string | undefined): Isa | 'auto' {
  const asked = flag ?? (variable || 'auto');
  const isa = ISAS.find((name) => name === asked);
  if (isa) return isa;
  throw usageError(`${flag === undefined ? 'MODEL_T_ISA' : '--isa'} does not know "${asked}"`, `Use one of ${ISAS.join(', ')}`);
}

function replayTarget(flags: ReplayFlags): ReplayTarget | null {
  if (flags.write !== undefined && flags.to !== undefined) {
    throw usageError('-w and --to were both given', 'Give one of them; -w FILE is short for --to pcap:FILE');
  }
  const text = flags.write === undefined ? flags.to : `pcap:${flags.write}`;
  if (text === undefined) return null;
  const [, kind, rest] = text.match(/^(stack|null|ring|pcap)(?::(.*))?$/s) ?? [];
  if ((kind === 'stack' || kind === 'null') && rest === undefined) return { kind };
  if (kind === 'ring' && rest) return { kind, name: rest };
  if (kind === 'pcap' && rest === '-') {
    throw usageError('A capture cannot be written to standard output', 'Name a file, or a FIFO made with mkfifo');
  }
  if (kind === 'pcap' && rest) return { kind, path: rest };
  throw usageError(`--to does not know "${text}"`, 'Use stack, ring:NAME, pcap:FILE or null');
}

function parseRewrite(text: string): Rewrite {
  const [, field, value] = text.match(/^([^=]*)=(.+)$/s) ?? [];
  if (field === undefined || value === undefined)
    throw usageError(`--rewrite "${text}" is not FIELD=VALUE`, 'Write for example src=10.0.0.0/8');
  if (field !== 'src') throw usageError(`--rewrite cannot rewrite "${field}" in this version`, 'Use src=CIDR');
  return { field, cidr: value };
}
