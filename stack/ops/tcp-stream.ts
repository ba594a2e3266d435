/**
 * tcp-stream: the body of `tcp` that delivers payloads in order, connection by connection. Not a name in pipelines: `tcp
 * stream`, or `tcp` where a later step reads streams. Body: tcp_stream.cc.
 */
import { type Operation, PLAIN } from './operation.js';

export const tcpStream: Operation = {
  ...PLAIN,
  name: 'tcp-stream',
  summary: 'TCP payloads in order, without duplicates, connection by connection; class: the lower port',
  access: 'payload',
  bytesTouched: null,
  reads: ['frames', 'lengths', 'protocols', 'networks', 'types', 'transports', 'ends', 'marks', 'times'],
  writes: ['classes', 'payloads', 'streams'],
  expands: true,
  state: 'per-flow',
  order: 'per-flow',
  verdicts: ['ok', 'malformed', 'other', 'delivered', 'reordered', 'retransmitted', 'gaps', 'evicted'],
  argument: { kind: 'choice', choices: [{ argument: 'stream', value: 1 }] },
  variants: [{ name: 'scalar', expectedCycles: { perPacket: 80, perByte: 0.05 } }],
};
