/** http: heads and bodies of HTTP/1.x messages. Body: http.cc. */
import { type Operation, PLAIN } from './operation.js';

export const http: Operation = {
  ...PLAIN,
  name: 'http',
  summary: 'heads and bodies of HTTP/1.x messages (RFC 9112), chunked ones joined',
  access: 'payload',
  bytesTouched: null,
  reads: ['payloads', 'streams'],
  writes: ['payloads', 'streams', 'encodings'],
  expands: true,
  state: 'per-flow',
  order: 'per-flow',
  verdicts: ['requests', 'responses', 'bodies', 'bodyBytesSum', 'incomplete', 'malformed', 'opaque'],
  variants: [{ name: 'scalar', expectedCycles: { perPacket: 100, perByte: 0.5 } }],
};
