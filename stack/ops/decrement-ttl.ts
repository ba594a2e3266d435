/** decrement-ttl: one hop less, in the packet itself; the checksum follows (RFC 1624). Body: decrement-ttl.cc. */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const decrementTtl: Operation = {
  ...PLAIN,
  name: 'decrement-ttl',
  summary: 'take one from TTL or hop limit, in place, with its checksum; what has expired leaves',
  access: 'header',
  writesPacket: 'header',
  bytesTouched: 62,
  reads: ['frames', 'types', 'networks', 'protocols'],
  drops: true,
  verdicts: ['ok', 'expired', 'other'],
  variants: kernelVariants(6, 5, 5),
};
