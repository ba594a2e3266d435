/** udp: checks UDP headers (RFC 768). Body: udp.cc. */
import type { Operation } from './operation.js';

export const udp: Operation = {
  name: 'udp',
  summary: 'UDP header: present, length possible',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'protocols', 'transports', 'ends', 'marks'],
  writes: [],
  drops: false,
  state: 'none',
  order: 'any',
  verdicts: ['ok', 'malformed', 'other'],
  parameters: [],
};
