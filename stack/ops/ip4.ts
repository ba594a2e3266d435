/** ip4: checks IPv4 headers (RFC 791). Body: ip4.cc. */
import type { Operation } from './operation.js';

export const ip4: Operation = {
  name: 'ip4',
  summary: 'IPv4 header: version, lengths, fragmentation; find the transport header',
  access: 'header',
  bytesTouched: 62,
  reads: ['frames', 'lengths', 'types', 'networks'],
  writes: ['transports', 'ends', 'protocols', 'marks'],
  drops: false,
  state: 'none',
  order: 'any',
  verdicts: ['ok', 'fragment', 'truncated', 'malformed', 'other'],
  parameters: [],
};
