/** flow: counts packets and bytes per flow in a table of bounded size. Body: flow.cc. */
import { type Operation, PLAIN } from './operation.js';

export const flow: Operation = {
  ...PLAIN,
  name: 'flow',
  summary: 'a bounded table of flows, both directions one, with counters and TCP states; its argument is how many flows',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'lengths', 'types', 'networks', 'transports', 'ends', 'protocols', 'marks', 'times'],
  state: 'per-flow',
  order: 'per-flow',
  verdicts: ['new', 'known', 'closed', 'evicted', 'other'],
  argument: { kind: 'number', what: 'flows', min: 16, max: 2 ** 24, default: 65536 },
  variants: [{ name: 'scalar', expectedCycles: { perPacket: 40, perByte: 0 } }],
};
