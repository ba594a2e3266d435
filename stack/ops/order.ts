/** order: checks that the packets of each flow come in the order in which they were captured. Body: order.cc. */
import { type Operation, PLAIN } from './operation.js';

export const order: Operation = {
  ...PLAIN,
  name: 'order',
  summary:
    'checks that capture times within a flow, both directions one, never run backwards; those of a capture that does so itself count, too. Its argument is how many flows',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'types', 'networks', 'transports', 'ends', 'protocols', 'marks', 'times'],
  state: 'per-flow',
  order: 'per-flow',
  verdicts: ['in-order', 'out-of-order', 'no-flow'],
  argument: { kind: 'number', what: 'flows', min: 16, max: 2 ** 24, default: 65536 },
  variants: [{ name: 'scalar', expectedCycles: { perPacket: 30, perByte: 0 } }],
};
