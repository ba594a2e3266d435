/** burn: N cycles of work for each packet, to try schedulers with. Body: burn.cc. */
import { type Operation, PLAIN } from './operation.js';

export const burn: Operation = {
  ...PLAIN,
  name: 'burn',
  summary: 'a test load for scheduling: N cycles of work for each packet, which nothing can overlap or leave out',
  access: 'none',
  bytesTouched: 0,
  reads: [],
  verdicts: ['packets'],
  argument: { kind: 'number', what: 'cycles', min: 0, max: 100_000, default: null },
  variants: [{ name: 'scalar', expectedCycles: { perPacket: 1, perByte: 0, perArgument: 1 } }],
};
