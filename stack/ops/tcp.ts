/**
 * tcp: checks TCP headers (RFC 9293 3.1). Body: tcp.cc. Where streams are read it is tcp-stream (tcp-stream.ts), which puts
 * payloads in order as well.
 */
import { kernelVariants, type Operation, PLAIN } from './operation.js';
import { tcpStream } from './tcp-stream.js';

export const tcp: Operation = {
  ...PLAIN,
  name: 'tcp',
  summary: 'TCP header; class: the lower port; `stream` puts payloads in order, also wherever a later step reads streams',
  access: 'header',
  bytesTouched: null,
  reads: ['frames', 'protocols', 'transports', 'ends', 'marks'],
  writes: ['classes', 'payloads'],
  rows: 'tcp',
  onDemand: ['classes', 'payloads'],
  verdicts: ['ok', 'malformed', 'other'],
  argument: {
    kind: 'choice',
    choices: [
      { argument: 'headers', value: 0 },
      { argument: 'stream', value: 1, fusable: false },
    ],
  },
  variants: kernelVariants(4, 3, 3),
  fusable: true,
  alternative: { argument: 'stream', whenRead: 'streams', operation: tcpStream },
};
