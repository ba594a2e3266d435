/** udp: checks UDP headers (RFC 768). Body: udp.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const udp: Operation = {
  ...PLAIN,
  name: 'udp',
  summary: 'UDP header: present, length possible; class: the lower port',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'protocols', 'transports', 'ends', 'marks'],
  writes: ['classes', 'payloads'],
  rows: 'udp',
  onDemand: ['classes', 'payloads'],
  verdicts: ['ok', 'malformed', 'other'],
  variants: kernelVariants(4, 3, 3),
  fusable: true,
};
