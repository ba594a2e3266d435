/** port: classifies by one port of TCP, UDP and the like. Body: port.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const port: Operation = {
  ...PLAIN,
  name: 'port',
  summary: 'class: the destination or the source port, 0 where there are no ports',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'protocols', 'transports', 'ends', 'marks'],
  writes: ['classes'],
  verdicts: ['ports', 'none'],
  argument: {
    kind: 'choice',
    choices: [
      { argument: 'dst', value: 0 },
      { argument: 'src', value: 1 },
    ],
  },
  variants: kernelVariants(4, 2.5, 2.5),
  fusable: true,
};
