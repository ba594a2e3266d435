/** Runs user kernels on frames given as bytes, and looks at the frames and the padding afterwards. For tests of user kernels. */
import type { OpenDevice } from '../../../replay/webgpu/dawn.js';
import { userKernel } from '../../../replay/webgpu/user-kernel.js';
import { type Outcome, runKernel, type Shape } from './kernel-runner.js';

export const SHAPE: Shape = { workgroupSize: 64, packetsPerInvocation: 1 };

export const kernelOf = (body: string) => userKernel(`// model-t kernel 1\n${body}\n`, 'k.wgsl');

export interface Tile {
  readonly image: Uint8Array;
  readonly table: Uint32Array;
  /** Slot byte at which each packet's slot begins. */
  readonly starts: readonly number[];
}

/** Frames in slots, as the native engine lays them out; padding is zero. */
export function tileOf(frames: readonly Uint8Array[]): Tile {
  const starts: number[] = [];
  let bytes = 0;
  for (const frame of frames) {
    starts.push(bytes);
    bytes += Math.ceil((frame.length + 2) / 64) * 64;
  }
  const image = new Uint8Array(bytes);
  for (const [i, frame] of frames.entries()) image.set(frame, (starts[i] ?? 0) + 2);
  return { image, starts, table: Uint32Array.from(frames.flatMap((frame, i) => [(starts[i] ?? 0) / 4, frame.length])) };
}

export interface Ran {
  /** Frames after the pass. */
  readonly frames: readonly Uint8Array[];
  readonly image: Uint8Array;
  readonly report: Uint32Array;
}

export interface Options {
  readonly begin?: number;
  readonly end?: number;
  /** Place in its lap of packet `begin`, its lap, packets of a lap. */
  readonly place?: number;
  readonly lap?: bigint;
  readonly packetsPerLap?: number;
  readonly seed?: readonly [number, number];
  readonly shape?: Shape;
}

export async function transform(
  open: OpenDevice,
  kernel: ReturnType<typeof userKernel>,
  frames: readonly Uint8Array[],
  options: Options = {},
): Promise<Ran> {
  const tile = tileOf(frames);
  const { begin = 0, end = frames.length, place = begin, lap = 0n, packetsPerLap = frames.length, seed = [0, 0] } = options;
  const parameters = new Uint32Array(32);
  parameters.set(seed, 24);
  const tables = { image: new Uint32Array(tile.image.buffer), packets: tile.table, parameters };
  const rest = [place, 0, Number(lap & 0xffffffffn), Number(lap >> 32n), packetsPerLap];
  const outcome: Outcome = await runKernel(open, { kernel, shape: options.shape ?? SHAPE, tables, begin, end, rest });
  const image = new Uint8Array(outcome.image.buffer, 0, Math.min(tile.image.length, outcome.image.byteLength));
  const after = frames.map((frame, i) => image.slice((tile.starts[i] ?? 0) + 2, (tile.starts[i] ?? 0) + 2 + frame.length));
  return { frames: after, image, report: outcome.report };
}

/** Bytes 1, 2, 3, … of this length. */
export const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i + 1) & 0xff);
