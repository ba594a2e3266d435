/**
 * From what the user asked for to what will run: defaults, checks, and the machine's share. Pure, so that `--dry-run` and
 * tests see exactly what a run would do.
 */
import { type Calibrate, DEFAULT_PIPELINE, type Machine, ModelTError, parsePipeline, READER_SLOTS } from '../stack/index.js';
import { formatPrefix, parsePrefix } from './mutation.js';
import { planGpu, refuseGpuConflicts } from './plan-gpu.js';
import type { Isa, ReplayPlan, ReplayRequest, ReplayTarget, Rewrite, Unchosen, Unique } from './plan-types.js';
import { chooseVariants } from './stack-plan.js';

const KIB = 1024;
/** Limits of the native ring (stack/native/ring.h). */
export const MIN_RING_BYTES = 64 * KIB;
export const MAX_RING_BYTES = 2 ** 32;
/** Engine threads that may fill one ring: three bursts of a quarter ring in the making, one being read. */
const MAX_THREADS = 3;
/** 30 years: far below what nanoseconds in 64 bits hold. */
const MAX_SECONDS = 1e9;

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

/** The container is the thread behind the producers, when the reader is ours. */
function containers(target: ReplayTarget): number {
  return target.kind === 'stack' || target.kind === 'pcap' ? 1 : 0;
}

/** One CPU per thread, one per core first. Too few CPUs: nothing is pinned and the kernel shares them out. */
function planCores(request: ReplayRequest, machine: Machine, threads: number, target: ReplayTarget): number[] {
  const pulls = request.engine === 'webgpu' && request.gpu?.insert === 'pull' && containers(target) === 1;
  const wanted = pulls ? 1 : threads + containers(target);
  /* The consumer's core copies: thread and container share it. */
  const shared = (cpus: readonly number[]): number[] => (pulls ? cpus.slice(-1).flatMap((cpu) => [cpu, cpu]) : [...cpus]);
  if (request.cores === undefined) {
    if (pulls) return shared(machine.cpus);
    /* A software GPU works on all CPUs, and with a real one the thread before the container hardly runs: nothing to pin. */
    if (request.engine === 'webgpu') return [];
    const depth = Math.max(...machine.cores.map((core) => core.length), 0);
    const spread = Array.from({ length: depth }, (_, i) => machine.cores.map((core) => core[i])).flat();
    const cpus = spread.filter((cpu) => cpu !== undefined);
    return cpus.length >= wanted ? cpus.slice(0, wanted) : [];
  }
  const foreign = request.cores.find((cpu) => !machine.cpus.includes(cpu));
  if (foreign !== undefined) {
    refuse('CORE_UNAVAILABLE', `--cores: CPU ${foreign} may not be used here`, `This process may use ${machine.cpus.join(',')}`);
  }
  if (new Set(request.cores).size < wanted) {
    const why = `${threads} producing and ${wanted - threads} consuming thread(s) need ${wanted} CPUs`;
    refuse('CORES_TOO_FEW', `--cores names ${new Set(request.cores).size} CPU(s); ${why}`, 'Name more, or leave --cores out');
  }
  return shared([...new Set(request.cores)].slice(0, wanted));
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

function planRing(request: ReplayRequest, machine: Machine): number {
  const asked = request.ringBytes ?? 'auto';
  if (asked === 'auto') return autoRingBytes(machine);
  if (asked < MIN_RING_BYTES || asked > MAX_RING_BYTES || asked % 64 !== 0) {
    refuse('RING_SIZE', `--ring-size ${asked} is not a multiple of 64 between 64 KiB and 4 GiB`, 'Use for example 512KiB');
  }
  return asked;
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
    cores: planCores(request, machine, threads, target),
    ringBytes: planRing(request, machine),
    ringSizing: request.ringBytes === undefined || request.ringBytes === 'auto' ? 'auto' : 'fixed',
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
