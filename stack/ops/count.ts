/** count: packets and captured bytes. Body: count.cc. */
import type { Operation } from './operation.js';

export const count: Operation = {
  name: 'count',
  summary: 'count packets and captured bytes',
  access: 'none',
  bytesTouched: 0,
  reads: ['lengths'],
  writes: [],
  drops: false,
  state: 'global',
  order: 'any',
  verdicts: ['packets', 'bytesSum'],
  parameters: [],
};
