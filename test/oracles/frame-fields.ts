/**
 * Where a source rewrite may write: an independent walk from an Ethernet frame to the bytes of the outermost source
 * address, of the IPv4 header checksum and of the transport checksum that covers the address. Only tests may import this.
 */
export interface RewriteFields {
  readonly version: 4 | 6;
  /** Half-open byte ranges of the frame. */
  readonly source: readonly [number, number];
  readonly checksums: readonly (readonly [number, number])[];
}

const VLAN_TYPES = new Set([0x8100, 0x88a8, 0x9100]);
const CHECKSUM_AT = new Map([
  [6, 16],
  [17, 6],
  [58, 2],
]);
/** Hop-by-hop, routing, destination options, mobility: next header first, then the length in 8-byte units less one. */
const EXTENSIONS = new Set([0, 43, 60, 135]);
const FRAGMENT = 44;
const AUTHENTICATION = 51;

/** Null when no whole IP header is found. */
export function rewriteFields(frame: Buffer): RewriteFields | null {
  let at = 12;
  while (at + 6 <= frame.length && VLAN_TYPES.has(frame.readUInt16BE(at))) at += 4;
  if (at + 2 > frame.length) return null;
  const type = frame.readUInt16BE(at);
  at += 2;
  if (type === 0x8847 || type === 0x8848) return underMpls(frame, at);
  if (type === 0x8864) return underPppoe(frame, at);
  if (type === 0x0800) return ip4(frame, at);
  if (type === 0x86dd) return ip6(frame, at);
  return null;
}

function underMpls(frame: Buffer, start: number): RewriteFields | null {
  let at = start;
  while (at + 4 <= frame.length && ((frame[at + 2] ?? 0) & 1) === 0) at += 4;
  return (frame[at + 4] ?? 0) >> 4 === 6 ? ip6(frame, at + 4) : ip4(frame, at + 4);
}

function underPppoe(frame: Buffer, at: number): RewriteFields | null {
  if (at + 8 > frame.length) return null;
  const protocol = frame.readUInt16BE(at + 6);
  if (protocol === 0x0021) return ip4(frame, at + 8);
  return protocol === 0x0057 ? ip6(frame, at + 8) : null;
}

function ip4(frame: Buffer, at: number): RewriteFields | null {
  if (at + 20 > frame.length) return null;
  const first = frame.readUInt8(at);
  const headerLength = (first & 15) * 4;
  if (first >> 4 !== 4 || headerLength < 20) return null;
  const firstFragment = (frame.readUInt16BE(at + 6) & 0x1fff) === 0;
  const transport = firstFragment ? transportChecksum(frame.readUInt8(at + 9), at + headerLength) : [];
  return { version: 4, source: [at + 12, at + 16], checksums: [[at + 10, at + 12], ...transport] };
}

function ip6(frame: Buffer, at: number): RewriteFields | null {
  if (at + 40 > frame.length || frame.readUInt8(at) >> 4 !== 6) return null;
  let next = frame.readUInt8(at + 6);
  let here = at + 40;
  let firstFragment = true;
  while (here + 8 <= frame.length && (EXTENSIONS.has(next) || next === FRAGMENT || next === AUTHENTICATION)) {
    if (next === FRAGMENT) firstFragment &&= (frame.readUInt16BE(here + 2) & 0xfff8) === 0;
    const units = frame.readUInt8(here + 1);
    const length = next === FRAGMENT ? 8 : next === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
    next = frame.readUInt8(here);
    here += length;
  }
  return { version: 6, source: [at + 8, at + 24], checksums: firstFragment ? transportChecksum(next, here) : [] };
}

function transportChecksum(protocol: number, at: number): readonly (readonly [number, number])[] {
  const offset = CHECKSUM_AT.get(protocol);
  return offset === undefined ? [] : [[at + offset, at + offset + 2]];
}
