/** eth: finds the network header behind the Ethernet header and VLAN tags. Body: eth.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const eth: Operation = {
  ...PLAIN,
  name: 'eth',
  summary: 'Ethernet and VLAN tags: find the network header',
  access: 'header',
  bytesTouched: 62,
  reads: ['frames', 'lengths'],
  writes: ['types', 'networks'],
  verdicts: ['ip4', 'ip6', 'arp', 'other', 'short'],
  variants: kernelVariants(5, 2.5, 2),
  fusable: true,
};
