/** tcp: checks TCP headers (RFC 9293 3.1). Body: tcp.cc. */
import type { Operation } from './operation.js';

export const tcp: Operation = {
  name: 'tcp',
  summary: 'TCP header: present, data offset possible',
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
