/**
 * The bars of `model-t bench stack`: what each figure is held to, and where that is from. Pure.
 *
 * VPP's cycles are those its developers published for ethernet-input and ip4-input with header checksum (git log of FD.io VPP,
 * commits cc53285baf2 and 3ade6b668e0); FastClick's rate was measured on a machine like the one of the baseline.
 */
import { type Bar, barOf } from './bars.js';
import type { QueueSample } from './queue-sample.js';
import { NULLS, type StackCell } from './stack-cells.js';

export interface MeasuredStackCell extends StackCell {
  readonly samples: readonly QueueSample[];
}

const TERABIT = 1e12;
const VPP_ETHERNET_INPUT = 14;
const VPP_IP4_INPUT = 16;
/** Strip, CheckIPHeader, Counter at 60 B on one core. */
const FASTCLICK_CHECKS = 33e6;

/** Of a frame of 1514 B behind two bytes: 24 lines. */
const FRAME_LINES_BYTES = 1536;

type Figure = (round: number) => number;

/** Each figure per round, so that ratios are of samples taken in turns; judged by the median. */
export function stackBars(cells: readonly MeasuredStackCell[]): Bar[] {
  const rounds = Math.min(...cells.map(({ samples }) => samples.length));
  const sample = (name: string, round: number): QueueSample => {
    const found = cells.find((cell) => cell.name === name)?.samples[round];
    if (!found) throw new RangeError(`no cell ${name}`);
    return found;
  };
  const captured =
    (name: string): Figure =>
    (round) =>
      sample(name, round).bitsPerSecond / TERABIT;
  const part =
    (name: string, of: string): Figure =>
    (round) =>
      lineRate(sample(name, round)) / lineRate(sample(of, round));
  const cycles =
    (name: string, step: number): Figure =>
    (round) => {
      const { operations, cyclesPerPacket, coreCyclesPerPacket } = sample(name, round);
      return ((operations[step]?.cyclesPerPacket ?? Number.NaN) * coreCyclesPerPacket) / cyclesPerPacket;
    };
  const overhead: Figure = (round) =>
    (sample(`${NULLS} nulls`, round).coreCyclesPerPacket - sample('one null', round).coreCyclesPerPacket) / (NULLS - 1);
  const ip4: Figure = (round) =>
    cycles('eth | ip4 | checksum-verify header', 1)(round) + cycles('eth | ip4 | checksum-verify header', 2)(round);
  const bar = (what: string, unit: string, bound: number, figure: Figure, atMost = false): Bar =>
    barOf(
      what,
      unit,
      bound,
      Array.from({ length: rounds }, (_, round) => figure(round)),
      atMost,
    );
  return [
    bar('headers, 1514 B, one core, captured', 'Tbit/s', 1, captured('headers 1514 B')),
    bar('headers, IMIX, two cores, captured', 'Tbit/s', 1, captured('headers IMIX')),
    bar('headers, 60 B, two cores, wire', 'Tbit/s', 0.7, (round) => sample('headers 60 B', round).wireBitsPerSecond / TERABIT),
    bar(
      'headers, 60 B, one core',
      'core cycles',
      5,
      (round) => sample('headers 60 B, one core', round).coreCyclesPerPacket,
      true,
    ),
    bar('payload, 1514 B, two cores, in L2, captured', 'Tbit/s', 1, captured('payload L2')),
    bar('payload from L2 against a read loop', '', 0.85, part('payload L2', 'read loop L2')),
    bar('payload from L3 against a read loop', '', 0.85, part('payload L3', 'read loop L3')),
    bar('payload from memory against a read loop', '', 0.85, part('payload memory', 'read loop memory')),
    bar('eth, by itself (VPP ethernet-input)', 'core cycles', VPP_ETHERNET_INPUT, cycles('eth', 0), true),
    bar('ip4 and header checksum, by themselves (VPP ip4-input)', 'core cycles', VPP_IP4_INPUT, ip4, true),
    bar('framework, a null operation in a burst of 256', 'core cycles', 0.2, overhead, true),
    bar(
      'eth | ip4 | count against FastClick',
      'x',
      10,
      (round) => sample('header checks', round).packetsPerSecond / FASTCLICK_CHECKS,
    ),
    bar('slots of 1600 against 2048 B', 'x', 1, (round) => rate('slots of 1600 B', round) / rate('slots of 2048 B', round)),
    bar('slots of 1600 against 1536 B', 'x', 1, (round) => rate('slots of 1600 B', round) / rate('slots of 1536 B', round)),
  ];

  function rate(name: string, round: number): number {
    return sample(name, round).packetsPerSecond;
  }
}

/** Bytes of lines touched per second: a read loop reads slots whole, an operation the lines in which its frame lies. */
function lineRate({ packetsPerSecond, queueBytes, packets, operations }: QueueSample): number {
  const slot = queueBytes / packets;
  return packetsPerSecond * (operations.length === 0 ? slot : Math.min(slot, FRAME_LINES_BYTES));
}
