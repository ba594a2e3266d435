/** gunzip: inflates bodies. Body: gunzip.cc. */
import { type Operation, PLAIN } from './operation.js';

export const gunzip: Operation = {
  ...PLAIN,
  name: 'gunzip',
  summary: 'inflate bodies that are gzip or deflate, pass on the others',
  access: 'payload',
  bytesTouched: null,
  reads: ['payloads', 'streams', 'encodings'],
  writes: ['payloads', 'streams', 'encodings'],
  expands: true,
  state: 'per-flow',
  order: 'per-flow',
  verdicts: ['decoded', 'identity', 'corrupt', 'truncated', 'limited', 'inBytesSum', 'outBytesSum', 'other'],
  variants: [{ name: 'zlib', expectedCycles: { perPacket: 200, perByte: 8 } }],
};
