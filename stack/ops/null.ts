/** null: nothing, which is what the framework around operations costs. Body: null.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const nothing: Operation = {
  ...PLAIN,
  name: 'null',
  summary: 'do nothing: what is measured is the framework',
  access: 'none',
  bytesTouched: 0,
  reads: [],
  verdicts: ['packets'],
  variants: kernelVariants(0.1, 0.1, 0.1),
  fusable: true,
};
