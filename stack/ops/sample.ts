/** sample: every N-th packet goes on. Body: sample.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const sample: Operation = {
  ...PLAIN,
  name: 'sample',
  summary: 'every N-th packet goes on; the others leave',
  access: 'none',
  bytesTouched: 0,
  reads: [],
  drops: true,
  state: 'global',
  order: 'total',
  verdicts: ['passed', 'skipped'],
  argument: { kind: 'number', what: 'N', min: 1, max: 2 ** 32 - 1, default: null },
  variants: kernelVariants(1, 0.5, 0.5),
};
