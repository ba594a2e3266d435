/** defrag: puts IPv4 and IPv6 fragments together (RFC 791, RFC 8200 4.5); its argument is what overlaps lead to. Body: defrag.cc. */
import { type Operation, PLAIN } from './operation.js';

export const defrag: Operation = {
  ...PLAIN,
  name: 'defrag',
  summary:
    'put IPv4 and IPv6 fragments together, before ip4 and ip6; of bytes that come twice the first or last stay, or all is dropped',
  access: 'payload',
  bytesTouched: null,
  reads: ['frames', 'lengths', 'types', 'networks', 'times'],
  writes: ['types', 'networks', 'payloads'],
  expands: true,
  state: 'per-flow',
  order: 'per-flow',
  verdicts: ['whole', 'fragments', 'reassembled', 'overlapping', 'timedOut', 'evicted', 'malformed'],
  argument: {
    kind: 'choice',
    choices: [
      { argument: 'first', value: 0 },
      { argument: 'last', value: 1 },
      { argument: 'drop', value: 2 },
    ],
  },
  variants: [{ name: 'scalar', expectedCycles: { perPacket: 20, perByte: 0.1 } }],
};
