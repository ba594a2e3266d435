/** icmp: checks ICMP (RFC 792) and ICMPv6 (RFC 4443) headers. Body: icmp.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const icmp: Operation = {
  ...PLAIN,
  name: 'icmp',
  summary: 'ICMP and ICMPv6 header: present; class: the type',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'types', 'protocols', 'transports', 'ends', 'marks'],
  writes: ['classes'],
  rows: 'icmp',
  onDemand: ['classes'],
  verdicts: ['ok', 'malformed', 'other'],
  variants: kernelVariants(3, 2, 2),
};
