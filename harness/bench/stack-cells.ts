/**
 * What `model-t bench stack` measures: points of the queue experiment, each with the bar it is held to and where the bar is from.
 * Data and pure functions; queue lengths follow from the caches of the machine.
 */
import type { Cache } from '../../stack/index.js';
import { HEADER_PIPELINE } from './queue.js';
import { slotBytes } from './queue-packets.js';
import type { FrameSize } from './replay-cells.js';

export const PAYLOAD_PIPELINE = 'eth | ip4 | udp | tcp | checksum-verify all';
/** The rest of the cache is for descriptions, the burst and whoever else is there. */
const PART_OF_CACHE = 0.75;
/** Null operations beside one: enough to see a fraction of a cycle. */
export const NULLS = 33;

export interface StackCell {
  readonly name: string;
  readonly pipeline: string;
  readonly frames: FrameSize;
  readonly packets: number;
  readonly stride: number;
  readonly cores: number;
  /** The level of the memory hierarchy that the queue fits. */
  readonly level: string;
  readonly fuse: boolean;
  readonly readsOnly: boolean;
}

/** Of a packed queue; of the mix 7 of 60, 4 of 590 and 1 of 1514 bytes. */
function slotOf(frames: FrameSize): number {
  return frames === 'imix' ? (7 * slotBytes(60) + 4 * slotBytes(590) + slotBytes(1514)) / 12 : slotBytes(frames);
}

function packetsIn(bytes: number, slot: number): number {
  return Math.max(1, Math.floor((bytes * PART_OF_CACHE) / (slot + 8)));
}

/** Queues in L2; and for payload in L3 and in memory. `cores`: how many there are to use. */
export function stackCells(caches: readonly Cache[], cores: number): StackCell[] {
  const level = (number: number): number => caches.find((cache) => cache.level === number)?.bytes ?? 2 ** 18 * 8 ** (number - 1);
  const second = level(2);
  const third = level(3);
  const both = Math.min(2, cores);
  const inSecond = (name: string, frames: FrameSize, count: number, change: Partial<StackCell> = {}): StackCell => ({
    name,
    pipeline: HEADER_PIPELINE,
    frames,
    packets: packetsIn(second, change.stride || slotOf(frames)),
    stride: 0,
    cores: count,
    level: 'L2',
    fuse: true,
    readsOnly: false,
    ...change,
  });
  const payload = (name: string, count: number, bytes: number, where: string): StackCell[] => {
    const packets = packetsIn(bytes, slotOf(1514));
    const common = { pipeline: PAYLOAD_PIPELINE, packets, level: where };
    return [
      inSecond(`payload ${name}`, 1514, count, common),
      inSecond(`read loop ${name}`, 1514, count, { ...common, readsOnly: true }),
    ];
  };
  const perCore = third / Math.max(2, cores);
  return [
    inSecond('headers 1514 B', 1514, 1),
    inSecond('headers IMIX', 'imix', both),
    inSecond('headers 60 B', 60, both),
    inSecond('headers 60 B, one core', 60, 1),
    ...payload('L2', both, second, 'L2'),
    ...payload('L3', 1, perCore, 'L3'),
    ...payload('memory', 1, 8 * third, 'memory'),
    inSecond('slots of 1536 B', 1514, 1, { stride: 1536 }),
    inSecond('slots of 1600 B', 1514, 1, { stride: 1600 }),
    inSecond('slots of 2048 B', 1514, 1, { stride: 2048 }),
    inSecond('eth', 60, 1, { pipeline: 'eth', fuse: false }),
    inSecond('eth | ip4 | checksum-verify header', 60, 1, { pipeline: 'eth | ip4 | checksum-verify header', fuse: false }),
    inSecond('header checks', 60, 1, { pipeline: 'eth | ip4 | count' }),
    inSecond('one null', 60, 1, { pipeline: 'null', fuse: false }),
    inSecond(`${NULLS} nulls`, 60, 1, { pipeline: Array(NULLS).fill('null').join(' | '), fuse: false }),
  ];
}

/** Words after `model-t` for one sample in a process of its own. */
export function cellWords(cell: StackCell, cores: readonly number[], seconds: number): string[] {
  return [
    ...[
      'bench',
      'queue',
      ...(cell.readsOnly ? [] : [cell.pipeline]),
      '--frames',
      `${cell.frames}`,
      '--packets',
      `${cell.packets}`,
    ],
    ...['--stride', cell.stride === 0 ? 'packed' : `${cell.stride}`, '--cores', cores.slice(0, cell.cores).join(',')],
    ...['--seconds', `${seconds}`, ...(cell.fuse ? [] : ['--no-fuse']), ...(cell.readsOnly ? ['--read'] : []), '--json', '-'],
  ];
}
