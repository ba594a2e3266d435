/** ip6: checks IPv6 headers and walks extension headers (RFC 8200). Body: ip6.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const ip6: Operation = {
  ...PLAIN,
  name: 'ip6',
  summary: 'IPv6 header and extension headers; find the transport header',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'lengths', 'types', 'networks'],
  writes: ['transports', 'ends', 'protocols', 'marks'],
  rows: 'ip6',
  verdicts: ['ok', 'fragment', 'truncated', 'malformed', 'other'],
  variants: kernelVariants(5, 4.5, 4.5),
  fusable: true,
};
