/**
 * From what the user asked for to what will run: defaults, checks, and the machine's share. Pure, so that `--dry-run` and
 * tests see exactly what a run would do.
 */
import {
  type Calibrate,
  DEFAULT_LATENCY_SECONDS,
  DEFAULT_PIPELINE,
  type Machine,
  ModelTError,
  type PlacementMode,
  parsePipeline,
  READER_SLOTS,
} from '../stack/index.js';
import { formatPrefix, parsePrefix } from './mutation.js';
import { planGpu, refuseGpuConflicts } from './plan-gpu.js';
import type { Isa, PlacementPlan, ReplayPlan, ReplayRequest, ReplayTarget, Rewrite, Unchosen, Unique } from './plan-types.js';
import { chooseVariants } from './stack-plan.js';

const KIB = 1024;
/** Limits of the native ring (stack/native/ring.h). */
export const MIN_RING_BYTES = 64 * KIB;
export const MAX_RING_BYTES = 2 ** 32;
/** Engine threads that may fill one ring: three bursts of a quarter ring in the making, one being read. */
const MAX_THREADS = 3;
/** 30 years: far below what nanoseconds in 64 bits hold. */
const MAX_SECONDS = 1e9;
/** Containers that a path may have (kMaxContainers in stack/native/path.h). */
export const MOST_CONTAINERS = 128;

function refuse(code: string, message: string, remedy: string): never {
  throw new ModelTError(code, message, 2, remedy);
}

function planIsa(request: ReplayRequest, machine: Machine): Isa {
  const asked = request.isa ?? 'auto';
  const best = machine.isas.at(-1) ?? 'scalar';
  if (asked === 'auto') return best;
  if (machine.isas.includes(asked)) return asked;
  return refuse(
    'ISA_UNAVAILABLE',
    `This CPU (${machine.model}) does not run ${asked} code`,
    `Use --isa ${machine.isas.join(' or ')}`,
  );
}

function planRewrites(rewrites: readonly Rewrite[]): Rewrite[] {
  const seen = new Set<number>();
  return rewrites.map((rewrite) => {
    const prefix = parsePrefix(rewrite.cidr);
    if (seen.has(prefix.address.length)) {
      const family = prefix.address.length === 4 ? 'IPv4' : 'IPv6';
      refuse('REWRITE_TWICE', `--rewrite src=${rewrite.cidr} is the second ${family} prefix`, 'Give one per address family');
    }
    seen.add(prefix.address.length);
    return { field: rewrite.field, cidr: formatPrefix(prefix) };
  });
}

function planUnique(request: ReplayRequest): Unique {
  const rewrites = request.rewrites ?? [];
  if (rewrites.length > 0) return request.unique ?? 'flow';
  if (request.unique !== undefined && request.unique !== 'off') {
    refuse('UNIQUE_WITHOUT_REWRITE', `--unique ${request.unique} has no addresses to draw from`, 'Add --rewrite src=10.0.0.0/8');
  }
  return 'off';
}

/** Without --cores no more than these are taken: the rest of a large machine is left alone. */
const MOST_DEFAULT_CORES = 8;

/** One producing thread, and a reader that is ours: source and stack may share containers, and move between them. */
function isMovable(request: ReplayRequest, target: ReplayTarget, threads: number): boolean {
  return (target.kind === 'stack' || target.kind === 'pcap') && threads === 1 && request.engine !== 'webgpu';
}

/** How many containers a run has at most, and at least. */
function containersOf(request: ReplayRequest, target: ReplayTarget, threads: number, mode: PlacementMode): [number, number] {
  const reads = target.kind === 'stack' || target.kind === 'pcap';
  if (isMovable(request, target, threads)) return [1, mode === 'fused' ? 2 : MOST_DEFAULT_CORES];
  /* The consumer's core copies. */
  if (reads && request.engine === 'webgpu' && request.gpu?.insert === 'pull') return [1, 1];
  return [threads + (reads ? 1 : 0), threads + (reads ? 1 : 0)];
}

/** One CPU per container, one per physical core first. Too few for threads that cannot share: nothing is pinned. */
function planCores(
  request: ReplayRequest,
  machine: Machine,
  threads: number,
  target: ReplayTarget,
  mode: PlacementMode,
): number[] {
  const [least, most] = containersOf(request, target, threads, mode);
  if (request.cores === undefined) {
    if (request.engine === 'webgpu' && most === 1) return machine.cpus.slice(-1);
    /* A software GPU works on all CPUs, and with a real one the thread before the stack hardly runs: nothing to pin. */
    if (request.engine === 'webgpu') return [];
    const depth = Math.max(...machine.cores.map((core) => core.length), 0);
    const spread = Array.from({ length: depth }, (_, i) => machine.cores.map((core) => core[i])).flat();
    const cpus = spread.filter((cpu) => cpu !== undefined).slice(0, Math.max(1, Math.floor(machine.cpuQuota ?? Infinity)));
    return cpus.length >= least ? cpus.slice(0, most) : [];
  }
  const foreign = request.cores.find((cpu) => !machine.cpus.includes(cpu));
  if (foreign !== undefined) {
    refuse('CORE_UNAVAILABLE', `--cores: CPU ${foreign} may not be used here`, `This process may use ${machine.cpus.join(',')}`);
  }
  const cores = [...new Set(request.cores)];
  if (cores.length < least) {
    const why = `${threads} producing and ${least - threads} consuming thread(s) need ${least} CPUs`;
    refuse('CORES_TOO_FEW', `--cores names ${cores.length} CPU(s); ${why}`, 'Name more, or leave --cores out');
  }
  const limit = isMovable(request, target, threads) && mode !== 'fused' ? MOST_CONTAINERS : most;
  return least === 1 && most === 1 ? cores.slice(-1) : cores.slice(0, limit);
}

function planPlacement(request: ReplayRequest, target: ReplayTarget, threads: number): PlacementPlan {
  const movable = isMovable(request, target, threads);
  const asked = request.placement ?? (request.place ? 'piped' : undefined);
  const mode = asked ?? (movable && target.kind === 'stack' ? 'auto' : 'fused');
  if (mode !== 'fused' && asked !== undefined && !(movable && target.kind === 'stack')) {
    const problem = `--placement ${mode} needs the native engine, one producing thread, and --to stack`;
    refuse('PLACEMENT_IMPOSSIBLE', problem, 'Use --placement fused, or leave it out');
  }
  if (asked !== undefined && asked !== 'fused' && asked !== 'auto' && request.readerPolicy === 'lag') {
    const problem = `--reader lag needs one container for the whole stack, which --placement ${asked} does not give it`;
    refuse('PLACEMENT_IMPOSSIBLE', problem, 'Use --placement fused');
  }
  if (request.place && (mode === 'replicated' || mode === 'fused')) {
    refuse('PLACEMENT_IMPOSSIBLE', `--place does not go with --placement ${mode}`, 'Use --placement piped, or leave it out');
  }
  return {
    mode: mode === 'auto' && request.readerPolicy === 'lag' ? 'fused' : mode,
    latencySeconds: request.latencySeconds ?? DEFAULT_LATENCY_SECONDS,
    slices: request.slices ?? 'horizontal',
    /* Where a software GPU makes the packets, the CPUs are what they are made with. */
    idle: request.idle ?? (request.engine === 'webgpu' ? 'sleep' : 'backoff'),
    start: request.place ? [...request.place] : null,
    moves: request.place === undefined || request.placement !== undefined,
  };
}

/**
 * A ring that the second-level cache holds: its size, within 128 KiB and 512 KiB. Larger: packets leave the cache before
 * they are read (194 against 126 Mpps between 512 KiB and 16 MiB where L2 is 2 MiB). Smaller: producer and reader wait for
 * each other, and bursts of large frames, a quarter of the ring, become short.
 */
function autoRingBytes(machine: Machine): number {
  const second = machine.caches.find((cache) => cache.level === 2)?.bytes ?? 512 * KIB;
  let bytes = 128 * KIB;
  while (bytes * 2 <= Math.min(second, 512 * KIB)) bytes *= 2;
  return bytes;
}

/** What `--ring-size auto` may grow to: beyond, nothing but a reader that stalls for milliseconds has use for it. */
const MOST_AUTO_BYTES = 16 * KIB * KIB;

/** Why the ring of this replay cannot change its size, however much that is wished; null = it can. */
export function fixedBecause(request: ReplayRequest, target: ReplayTarget = { kind: 'stack' }): string | null {
  if (request.inputs.includes('-')) return 'standard input, whose largest packet is not known before the end';
  if (request.engine === 'webgpu') return 'the WebGPU engine';
  if ((request.threads ?? 1) > 1) return `--threads ${request.threads}`;
  if (request.payload === 'resident') return '--payload resident';
  if (target.kind === 'null') return '--to null, which nobody reads';
  return target.kind === 'pcap' ? '--to pcap, which is as slow as the disk' : null;
}

type RingPlan = Pick<ReplayPlan, 'ringBytes' | 'ringStartBytes' | 'ringSizing'>;

function planRing(request: ReplayRequest, machine: Machine, target: ReplayTarget): RingPlan {
  const asked = request.ringBytes ?? 'auto';
  const obstacle = fixedBecause(request, target);
  if (asked === 'auto') {
    const bytes = autoRingBytes(machine);
    if (request.ringBytes === undefined || obstacle !== null)
      return { ringBytes: bytes, ringStartBytes: bytes, ringSizing: 'auto' };
    return { ringBytes: Math.max(bytes, MOST_AUTO_BYTES), ringStartBytes: bytes, ringSizing: 'self' };
  }
  if (asked < MIN_RING_BYTES || asked > MAX_RING_BYTES || asked % 64 !== 0) {
    refuse('RING_SIZE', `--ring-size ${asked} is not a multiple of 64 between 64 KiB and 4 GiB`, 'Use for example 512KiB');
  }
  if (request.ringSizing === undefined) return { ringBytes: asked, ringStartBytes: asked, ringSizing: 'fixed' };
  if (obstacle !== null) {
    refuse('RING_SELF', `--ring-size auto:${asked}: a ring cannot change its size with ${obstacle}`, 'Give a plain size');
  }
  return { ringBytes: asked, ringStartBytes: asked, ringSizing: 'self' };
}

/** Programs come here without the command line's checks: what is no number would be endless or zero to native code. */
function refuseNumbers(plan: Unchosen): void {
  const whole = (flag: string, value: number, least: number, most: number): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    refuse('NUMBER', `--${flag} ${value} is not a whole number from ${least} to ${most}`, 'Give another one');
  };
  whole('loop', plan.loop, 0, Number.MAX_SAFE_INTEGER);
  whole('limit', plan.limit ?? 1, 1, Number.MAX_SAFE_INTEGER);
  whole('seed', plan.seed, 0, 2 ** 32 - 1);
  whole('readers', plan.readers, 1, READER_SLOTS);
  const seconds = plan.durationSeconds ?? 1;
  if (!(seconds > 0 && seconds <= MAX_SECONDS)) {
    refuse('NUMBER', `--duration ${seconds} is not a time above 0 and up to ${MAX_SECONDS} seconds`, 'Use for example 10s');
  }
}

function refuseConflicts(plan: Unchosen, request: ReplayRequest): void {
  if (plan.inputs.length === 0) refuse('NO_INPUT', 'No capture was given', 'Name a file, a folder, or - for standard input');
  if (!Number.isInteger(plan.threads) || plan.threads < 1 || plan.threads > MAX_THREADS) {
    refuse('THREADS', `--threads ${plan.threads}: one ring is filled by at most ${MAX_THREADS} threads`, 'Use 1, 2 or 3');
  }
  if (request.pipeline !== undefined && plan.target.kind !== 'stack') {
    refuse('PIPELINE_UNUSED', `--ops has no effect with --to ${plan.target.kind}`, 'Use --to stack, or leave --ops out');
  }
  if (plan.readerPolicy === 'drop' && (plan.threads > 1 || plan.payload === 'resident')) {
    refuse(
      'DROP_IMPOSSIBLE',
      '--reader drop needs one thread and copied payload',
      'Use --threads 1 --payload copy, or another policy',
    );
  }
  if (plan.readerPolicy !== 'block' && plan.target.kind === 'pcap') {
    refuse('POLICY_UNUSED', `--reader ${plan.readerPolicy} would lose packets of the file`, 'Leave --reader out');
  }
  if (request.readerPolicy !== undefined && (plan.target.kind === 'ring' || plan.target.kind === 'null')) {
    refuse(
      'POLICY_UNUSED',
      `--reader has no effect with --to ${plan.target.kind}`,
      'Readers of a named ring choose their policy themselves',
    );
  }
  if (request.readers !== undefined && plan.target.kind !== 'ring') {
    refuse('READERS_UNUSED', '--readers has an effect with --to ring:NAME only', 'Leave --readers out');
  }
  if (plan.target.kind === 'pcap' && plan.loop === 0 && plan.limit === null && plan.durationSeconds === null) {
    refuse('FILE_ENDLESS', 'Endless laps into a file would fill the disk', 'Add --limit or --duration, or give --loop a number');
  }
}

/**
 * Throws ModelTError (exit code 2) that names the flag, the value and the remedy. With `calibrate`, operations whose instruction set
 * nobody asked for get the fastest body.
 */
export function planReplay(request: ReplayRequest, machine: Machine, calibrate?: Calibrate): ReplayPlan {
  const target = request.target ?? { kind: 'stack' };
  const threads = request.threads ?? 1;
  const placement = planPlacement(request, target, threads);
  const pipeline = target.kind === 'stack' ? parsePipeline(request.pipeline ?? DEFAULT_PIPELINE) : null;
  const plan: Unchosen = {
    planVersion: 1,
    inputs: [...request.inputs],
    target,
    engine: request.engine ?? 'native',
    gpu: planGpu(request, target),
    isa: planIsa(request, machine),
    payload: request.payload ?? 'copy',
    rewrites: planRewrites(request.rewrites ?? []),
    unique: planUnique(request),
    seed: request.seed ?? 1,
    loop: request.loop ?? (request.durationSeconds === undefined ? 1 : 0),
    limit: request.limit ?? null,
    durationSeconds: request.durationSeconds ?? null,
    threads,
    cores: planCores(request, machine, threads, target, placement.mode),
    placement,
    ...planRing(request, machine, target),
    readerPolicy: request.readerPolicy ?? 'block',
    readers: request.readers ?? 1,
    pipeline: pipeline?.text ?? '',
    digest: request.digest ?? 'full',
  };
  refuseNumbers(plan);
  refuseConflicts(plan, request);
  refuseGpuConflicts(plan, request);
  return { ...plan, variants: pipeline ? chooseVariants(pipeline, plan, request, machine.isas, calibrate) : [] };
}
