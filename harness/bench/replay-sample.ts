/**
 * One sample of a cell: a run of the engine, then what bounds it, each in a fresh process right after the other so that a slow
 * moment of the machine falls on all of them. Only runs that are conserved and verified count. Called by replay.ts.
 */
import type { GpuOutcome, RunOutcome } from '../../replay/index.js';
import { ModelTError } from '../../stack/index.js';
import { readResult } from '../result.js';
import { isSound } from '../summary.js';
import { type Answer, type OwnCommand, reasonOf } from './own-command.js';
import type { Geometry, ReplayCell } from './replay-cells.js';
import type { ReplayBenchOptions } from './replay-flags.js';

/** A capture and the shape of its trace image. */
export interface Loaded {
  readonly path: string;
  readonly packets: number;
  readonly bytes: number;
  readonly slotBytes: number;
}

export interface ReplaySample {
  readonly round: number;
  readonly packetsPerSecond: number;
  /** Captured bytes. */
  readonly bitsPerSecond: number;
  /** What crosses the bus: slots are padded to 64 bytes. */
  readonly slotBytesPerSecond: number;
  /** Captured bytes per second of a memcpy with the same geometry. */
  readonly copyBytesPerSecond: number;
  /** WebGPU only; the geometry is the one that ran. */
  readonly gpu:
    | (Geometry & {
        readonly readBackBytesPerSecond: number;
        /** Of the device's time for a batch, kernels and copy; null where the device has no timestamps. */
        readonly kernelShare: number | null;
        /** Of one core. */
        readonly threadShare: number | null;
        readonly hostCopiedBytes: number;
      })
    | null;
}

/** Start-up, loading, verification: seconds, on a busy machine tens of them. */
const LIMIT_MS = 60_000;
const NEW_SOURCES = ['--rewrite', 'src=10.0.0.0/8', '--unique', 'packet'];
/** A limit is steadier than a run, and needs no start-up of an engine. */
const LIMIT_PART = 0.5;

type Settings = Pick<ReplayBenchOptions, 'seconds' | 'target' | 'isChecked'>;

/** What a user would type. */
export function replayWords(cell: ReplayCell, path: string, { seconds, target, isChecked }: Settings): string[] {
  const gpu =
    cell.adapter === null || cell.geometry === null
      ? []
      : ['--gpu', cell.adapter.name, ...geometryWords(cell.geometry), ...(isChecked ? ['--checked'] : [])];
  const engine = ['--engine', cell.engine, ...gpu];
  return ['replay', path, ...engine, '--to', target, ...NEW_SOURCES, '--duration', `${seconds}s`, '--quiet', '--json', '-'];
}

export function readBackWords(adapter: string, geometry: Geometry, seconds: number): string[] {
  return ['bench', 'read-back', '--gpu', adapter, ...geometryWords(geometry), '--seconds', `${seconds * LIMIT_PART}`];
}

/** Without a geometry: into a ring, as the native engine copies. */
export function copyWords(path: string, geometry: Geometry | null, seconds: number): string[] {
  const words = geometry === null ? [] : geometryWords(geometry);
  return ['bench', 'memory-copy', path, ...words, '--seconds', `${seconds * LIMIT_PART}`];
}

function geometryWords({ batchBytes, buffers }: Geometry): string[] {
  return ['--batch', `${batchBytes}`, '--buffers', `${buffers}`];
}

export async function measureCell(
  cell: ReplayCell,
  capture: Loaded,
  round: number,
  settings: Settings,
  modelT: OwnCommand,
): Promise<ReplaySample> {
  const limitMs = LIMIT_MS + 2000 * settings.seconds;
  const answer = await modelT.run(replayWords(cell, capture.path, settings), limitMs);
  const { totals, engine } = soundRun(cell, answer);
  const geometry = engine.gpu ? { batchBytes: engine.gpu.batchBytes, buffers: engine.gpu.buffers } : null;
  const limit = async (words: string[]): Promise<number> => limitOf(cell, await modelT.run(words, limitMs));
  const gpu =
    engine.gpu && geometry
      ? {
          ...geometry,
          readBackBytesPerSecond: await limit(readBackWords(engine.gpu.adapter, geometry, settings.seconds)),
          kernelShare: kernelShare(engine.gpu.timed),
          threadShare: engine.gpu.threadShare,
          hostCopiedBytes: engine.gpu.hostCopiedBytes,
        }
      : null;
  return {
    round,
    packetsPerSecond: totals.packetsPerSecond,
    bitsPerSecond: totals.bitsPerSecond,
    slotBytesPerSecond: (totals.packetsPerSecond * capture.slotBytes) / capture.packets,
    copyBytesPerSecond: await limit(copyWords(capture.path, geometry, settings.seconds)),
    gpu,
  };
}

/** With several batches in flight the time from submit to mapped counts each of them, so it is not what a share is taken of. */
function kernelShare({ kernelSeconds, copySeconds }: GpuOutcome['timed']): number | null {
  const device = kernelSeconds + copySeconds;
  return device > 0 ? kernelSeconds / device : null;
}

function soundRun(cell: ReplayCell, answer: Answer): RunOutcome {
  if (answer.code !== 0) throw unsound(cell, reasonOf(answer));
  const outcome = parsedRun(cell, answer.output);
  if (!outcome.conserved) throw unsound(cell, 'packets are not accounted for');
  if (!outcome.verified.ok) throw unsound(cell, 'what was delivered is not what the reference says');
  if (outcome.verified.packets === 0) throw unsound(cell, 'nothing of what was delivered was verified');
  if (!isSound(outcome) || outcome.stopped !== 'duration') throw unsound(cell, `it ended by ${outcome.stopped}`);
  if (!(outcome.totals.packetsPerSecond > 0)) throw unsound(cell, 'nothing was delivered');
  const ran = outcome.engine.gpu?.adapter ?? null;
  if (outcome.engine.name !== cell.engine || ran !== (cell.adapter?.name ?? null)) {
    throw unsound(cell, `it ran on ${outcome.engine.name}${ran === null ? '' : `, ${ran}`}`);
  }
  return outcome;
}

function parsedRun(cell: ReplayCell, text: string): RunOutcome {
  try {
    return readResult(text, 'its output');
  } catch (error) {
    throw unsound(cell, error instanceof Error ? error.message : String(error));
  }
}

function unsound(cell: ReplayCell, why: string): ModelTError {
  const remedy = 'Nothing is reported; run model-t replay with the same flags on a capture of yours to see more';
  return new ModelTError('BENCH_UNSOUND', `${cell.name}: the run does not count: ${why}`, 4, remedy);
}

function limitOf(cell: ReplayCell, answer: Answer): number {
  const rate = answer.code === 0 ? rateIn(answer.output) : null;
  if (rate !== null) return rate;
  const why = answer.code === 0 ? 'it printed no rate' : reasonOf(answer);
  throw new ModelTError('BENCH_LIMIT', `${cell.name}: its limit could not be measured: ${why}`, 3, 'Look at model-t doctor');
}

function rateIn(json: string): number | null {
  try {
    const { bytesPerSecond } = JSON.parse(json) as { bytesPerSecond?: unknown };
    return typeof bytesPerSecond === 'number' && bytesPerSecond > 0 ? bytesPerSecond : null;
  } catch {
    return null;
  }
}
