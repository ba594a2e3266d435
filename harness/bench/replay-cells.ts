/**
 * What `model-t bench replay` measures: frame sizes and the captures for them, the geometries tried on each adapter, the cells
 * that come of it, and the order of a round. Pure. Called by replay.ts.
 */
import type { AdapterDescription } from '../../replay/index.js';
import { ModelTError } from '../../stack/index.js';
import { binary } from '../format.js';
import { usageError } from '../units.js';
import { type CaptureSpec, UDP } from './contender.js';

/** Captured bytes of a frame, or the simple IMIX 7:4:1 of 60, 590 and 1514 bytes. */
export type FrameSize = number | 'imix';

export interface Geometry {
  readonly batchBytes: number;
  readonly buffers: number;
}

export interface ReplayCell {
  readonly name: string;
  readonly size: FrameSize;
  readonly engine: 'native' | 'webgpu';
  /** The adapter and its geometry; null for the native engine. */
  readonly adapter: Pick<AdapterDescription, 'name' | 'kind'> | null;
  readonly geometry: Geometry | null;
}

export interface Sweep {
  readonly sizes: readonly FrameSize[];
  /** Null = what suits the kind of adapter. */
  readonly batches: readonly number[] | null;
  readonly buffers: readonly number[] | null;
  readonly isQuick: boolean;
}

export const SIZES: readonly FrameSize[] = [60, 512, 1514, 'imix'];
const MIB = 2 ** 20;

/** Batches that stay in the CPU's caches where the CPU is the device, and such as keep a bus busy for about a millisecond. */
const SUITABLE = {
  software: { batches: [MIB, 4 * MIB, 16 * MIB], buffers: [1, 3], best: { batchBytes: 4 * MIB, buffers: 3 } },
  hardware: { batches: [4 * MIB, 16 * MIB, 64 * MIB], buffers: [2, 4], best: { batchBytes: 16 * MIB, buffers: 4 } },
} as const;

export function sizeLabel(size: FrameSize): string {
  return size === 'imix' ? 'IMIX' : `${size} B`;
}

/** A few MiB of slots, as much as the captures of `bench peers` have: beyond the second cache, and quick to load. */
export function captureOf(size: FrameSize): CaptureSpec {
  if (size === 'imix') return { name: 'imix', flags: ['--packets', '8192', '--sizes', '60:7,590:4,1514:1', ...UDP] };
  const packets = size <= 256 ? 8192 : size <= 1024 ? 4096 : 2048;
  return { name: `p${size}`, flags: ['--packets', `${packets}`, '--sizes', `${size}:1`, ...UDP] };
}

/** Hardware first, otherwise in the order found; each name once, because a name is all that `--gpu` takes. */
export function chosenAdapters(found: readonly AdapterDescription[], choice: string | null): AdapterDescription[] {
  const isSoftware = (adapter: AdapterDescription): boolean => adapter.kind === 'software';
  const sorted = [...found.filter((adapter) => !isSoftware(adapter)), ...found.filter(isSoftware)];
  const adapters = sorted.filter(({ name }, index) => sorted.findIndex((other) => other.name === name) === index);
  if (choice === null) return adapters;
  const wanted = choice.trim().toLowerCase();
  const fits = (adapter: AdapterDescription): boolean => {
    if (wanted === 'hardware' || wanted === 'software') return isSoftware(adapter) === (wanted === 'software');
    return wanted !== '' && adapter.name.toLowerCase().includes(wanted);
  };
  const exact = adapters.filter(({ name }) => name.toLowerCase() === wanted);
  const chosen = wanted === 'auto' ? adapters.slice(0, 1) : exact.length > 0 ? exact : adapters.filter(fits);
  if (chosen.length > 0 || adapters.length === 0) return chosen;
  const names = adapters.map(({ name }) => `"${name}"`).join(', ');
  const unknown = `--gpu ${JSON.stringify(choice)} names no adapter here`;
  if (wanted === 'hardware' || wanted === 'software') throw new ModelTError('GPU_NONE', unknown, 3, `Adapters: ${names}`);
  throw usageError(unknown, `Adapters: ${names}`);
}

export function geometries(adapter: Pick<AdapterDescription, 'kind'>, sweep: Sweep): Geometry[] {
  const { batches, buffers, best } = SUITABLE[adapter.kind === 'software' ? 'software' : 'hardware'];
  const chosenBatches = sweep.batches ?? (sweep.isQuick ? [best.batchBytes] : batches);
  const chosenBuffers = sweep.buffers ?? (sweep.isQuick ? [best.buffers] : buffers);
  return chosenBatches.flatMap((batchBytes) => chosenBuffers.map((count) => ({ batchBytes, buffers: count })));
}

export function geometryLabel({ batchBytes, buffers }: Geometry): string {
  return `${binary(batchBytes)} × ${buffers}`;
}

/** In the order of the table: per frame size the native engine, then each adapter with each geometry. */
export function replayCells(adapters: readonly AdapterDescription[], sweep: Sweep): ReplayCell[] {
  return sweep.sizes.flatMap((size): ReplayCell[] => [
    { name: `${sizeLabel(size)}, native`, size, engine: 'native', adapter: null, geometry: null },
    ...adapters.flatMap((adapter) =>
      geometries(adapter, sweep).map((geometry): ReplayCell => {
        const name = `${sizeLabel(size)}, webgpu on ${adapter.name}, ${geometryLabel(geometry)}`;
        return { name, size, engine: 'webgpu', adapter: { name: adapter.name, kind: adapter.kind }, geometry };
      }),
    ),
  ]);
}

/** A copy in random order (Fisher and Yates): what drifts over a round falls on no cell more than on another. */
export function shuffled<Value>(values: readonly Value[], random: () => number): Value[] {
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const other = random() % (last + 1);
    [result[last], result[other]] = [result[other] as Value, result[last] as Value];
  }
  return result;
}
