/** vlan: the outer VLAN tag (IEEE 802.1Q). Body: vlan.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const vlan: Operation = {
  ...PLAIN,
  name: 'vlan',
  summary: 'outer VLAN tag; class: its id, 0 without a tag',
  access: 'header',
  bytesTouched: 16,
  reads: ['frames', 'lengths'],
  writes: ['classes'],
  onDemand: ['classes'],
  verdicts: ['tagged', 'untagged', 'short'],
  variants: kernelVariants(4, 3, 3),
};
