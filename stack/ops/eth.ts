/** eth: finds the network header behind the Ethernet header and VLAN tags. Body: eth.cc. */
import type { Operation } from './operation.js';

export const eth: Operation = {
  name: 'eth',
  summary: 'Ethernet and VLAN tags: find the network header',
  access: 'header',
  bytesTouched: 62,
  reads: ['frames', 'lengths'],
  writes: ['types', 'networks'],
  drops: false,
  state: 'none',
  order: 'any',
  verdicts: ['ip4', 'ip6', 'arp', 'other', 'short'],
  parameters: [],
};
