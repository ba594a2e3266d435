/** ip4: checks IPv4 headers (RFC 791). Body: ip4.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const ip4: Operation = {
  ...PLAIN,
  name: 'ip4',
  summary: 'IPv4 header: version, lengths, fragmentation; find the transport header',
  access: 'header',
  bytesTouched: 62,
  reads: ['frames', 'lengths', 'types', 'networks'],
  writes: ['transports', 'ends', 'protocols', 'marks'],
  rows: 'ip4',
  verdicts: ['ok', 'fragment', 'truncated', 'malformed', 'other'],
  variants: kernelVariants(5, 4.5, 4.5),
  fusable: true,
};
