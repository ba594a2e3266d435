/** count: packets and captured bytes. Body: count.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const count: Operation = {
  ...PLAIN,
  name: 'count',
  summary: 'count packets and captured bytes',
  access: 'none',
  bytesTouched: 0,
  reads: ['lengths'],
  verdicts: ['packets', 'bytesSum'],
  variants: [...kernelVariants(0.6, 0.2, 0.1), { name: 'wgsl', expectedCycles: { perPacket: 10, perByte: 0 } }],
  fusable: true,
};
