/** ip6: checks IPv6 headers and walks extension headers (RFC 8200). Body: ip6.cc. */
import type { Operation } from './operation.js';

export const ip6: Operation = {
  name: 'ip6',
  summary: 'IPv6 header and extension headers; find the transport header',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'lengths', 'types', 'networks'],
  writes: ['transports', 'ends', 'protocols', 'marks'],
  drops: false,
  state: 'none',
  order: 'any',
  verdicts: ['ok', 'fragment', 'truncated', 'malformed', 'other'],
  parameters: [],
};
