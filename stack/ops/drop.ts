/** drop: everything leaves. Body: drop.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const drop: Operation = {
  ...PLAIN,
  name: 'drop',
  summary: 'everything leaves, as refused',
  access: 'none',
  bytesTouched: 0,
  reads: [],
  drops: true,
  last: true,
  verdicts: ['dropped'],
  variants: kernelVariants(0.1, 0.1, 0.1),
};
