/** sink: everything leaves, counted. Body: sink.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const sink: Operation = {
  ...PLAIN,
  name: 'sink',
  summary: 'everything leaves, as accepted: packets and captured bytes',
  access: 'none',
  bytesTouched: 0,
  reads: ['lengths'],
  drops: true,
  last: true,
  verdicts: ['packets', 'bytesSum'],
  variants: kernelVariants(0.7, 0.3, 0.2),
};
