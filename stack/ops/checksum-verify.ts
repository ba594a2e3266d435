/** checksum-verify: IPv4 header and transport checksums against the bytes. Body: checksum-verify.cc. */
import type { Operation } from './operation.js';

export const checksumVerify: Operation = {
  name: 'checksum-verify',
  summary: 'IPv4 header, TCP, UDP, ICMP and ICMPv6 checksums; `header` looks at the IPv4 header only',
  access: 'payload',
  bytesTouched: null,
  reads: ['frames', 'types', 'networks', 'transports', 'ends', 'protocols', 'marks'],
  writes: [],
  drops: false,
  state: 'none',
  order: 'any',
  verdicts: ['good', 'bad', 'absent', 'unverifiable', 'other'],
  parameters: [
    { argument: 'all', value: 0 },
    { argument: 'header', value: 1 },
  ],
};
