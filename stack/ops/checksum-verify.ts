/**
 * checksum-verify: IPv4 header and transport checksums against the bytes. Body: checksum-verify.cc; for accelerators:
 * replay/kernels/checksum-verify.wgsl, which finds the headers itself.
 */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const checksumVerify: Operation = {
  ...PLAIN,
  name: 'checksum-verify',
  summary: 'IPv4 header, TCP, UDP, ICMP and ICMPv6 checksums; `header` looks at the IPv4 header only',
  access: 'payload',
  bytesTouched: null,
  reads: ['frames', 'types', 'networks', 'transports', 'ends', 'protocols', 'marks'],
  verdicts: ['good', 'bad', 'absent', 'unverifiable', 'other'],
  argument: {
    kind: 'choice',
    choices: [
      { argument: 'all', value: 0, fusable: false },
      { argument: 'header', value: 1 },
    ],
  },
  variants: [
    ...kernelVariants(24, 13, 13, [0.15, 0.05, 0.04]),
    {
      name: 'wgsl',
      expectedCycles: { perPacket: 60, perByte: 1 },
      reads: ['frames', 'lengths'],
      includes: ['eth', 'ip4', 'ip6'],
    },
  ],
  fusable: true,
};
