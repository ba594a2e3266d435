/**
 * Frames of synthetic traffic, written byte by byte with right checksums. Plain and slow on purpose (a few hundred thousand a
 * second): it makes test input, and must be obviously right. Pure. Called by generate.ts.
 */
export type Protocol = 'udp' | 'tcp' | 'icmp';

/** What all packets of one flow share. */
export interface Flow {
  readonly version: 4 | 6;
  readonly protocol: Protocol;
  /** Null = untagged. */
  readonly vlan: number | null;
  /** Numbers of the hosts; addresses and MACs are made from them. */
  readonly client: number;
  readonly server: number;
  readonly clientPort: number;
  readonly serverPort: number;
}

const ETHERNET_BYTES = 14;
const VLAN_BYTES = 4;
const IP_BYTES = { 4: 20, 6: 40 } as const;
const L4_BYTES = { udp: 8, tcp: 20, icmp: 8 } as const;
const TTL = 64;
const TCP_PUSH_ACK = 0x18;
const TCP_WINDOW = 0xffff;

/** Bytes of a frame of this flow without payload. */
export function headerBytes(flow: Pick<Flow, 'version' | 'protocol' | 'vlan'>): number {
  return ETHERNET_BYTES + (flow.vlan === null ? 0 : VLAN_BYTES) + IP_BYTES[flow.version] + L4_BYTES[flow.protocol];
}

/** Largest frame whose length its IP header can say. */
export function largestFrame(flow: Pick<Flow, 'version' | 'vlan'>): number {
  const tagged = ETHERNET_BYTES + (flow.vlan === null ? 0 : VLAN_BYTES);
  return tagged + 65535 + (flow.version === 6 ? IP_BYTES[6] : 0);
}

/** Fills `frame` (all of it) as packet number `sequence` of a flow; `sent` is how many TCP payload bytes went before. */
export function writeFrame(
  frame: Buffer,
  flow: Flow,
  sequence: number,
  sent: number,
  payload: Uint8Array,
  zeroUdpChecksum: boolean,
): void {
  const ipAt = writeEthernet(frame, flow);
  const l4At = ipAt + IP_BYTES[flow.version];
  const header = headerBytes(flow);
  frame.set(payload.subarray(0, frame.length - header), header);
  if (flow.version === 4) writeIp4(frame, ipAt, flow, sequence);
  else writeIp6(frame, ipAt, flow);
  if (flow.protocol === 'udp') writeUdp(frame, ipAt, l4At, flow, zeroUdpChecksum);
  else if (flow.protocol === 'tcp') writeTcp(frame, ipAt, l4At, flow, sent);
  else writeIcmp(frame, ipAt, l4At, flow, sequence);
}

function writeEthernet(frame: Buffer, flow: Flow): number {
  writeMac(frame, 0, 1, flow.server);
  writeMac(frame, 6, 0, flow.client);
  const etherType = flow.version === 4 ? 0x0800 : 0x86dd;
  if (flow.vlan === null) {
    frame.writeUInt16BE(etherType, 12);
    return ETHERNET_BYTES;
  }
  frame.writeUInt16BE(0x8100, 12);
  frame.writeUInt16BE(flow.vlan, 14);
  frame.writeUInt16BE(etherType, 16);
  return ETHERNET_BYTES + VLAN_BYTES;
}

/** Locally administered, unicast: 02:00:00:SIDE:HOST:HOST. */
function writeMac(frame: Buffer, at: number, side: number, host: number): void {
  frame.writeUInt32BE(0x02000000 + side, at);
  frame.writeUInt16BE(host, at + 4);
}

/** 198.18.0.0/15 is set aside for benchmarks (RFC 2544): clients in its lower half, servers in its upper. */
function writeIp4(frame: Buffer, at: number, flow: Flow, sequence: number): void {
  frame[at] = 0x45;
  frame[at + 1] = 0;
  frame.writeUInt16BE(frame.length - at, at + 2);
  frame.writeUInt16BE(sequence & 0xffff, at + 4);
  frame.writeUInt16BE(0x4000, at + 6);
  frame[at + 8] = TTL;
  frame[at + 9] = { udp: 17, tcp: 6, icmp: 1 }[flow.protocol];
  frame.writeUInt16BE(0, at + 10);
  frame.writeUInt16BE(0xc612, at + 12);
  frame.writeUInt16BE(flow.client, at + 14);
  frame.writeUInt16BE(0xc613, at + 16);
  frame.writeUInt16BE(flow.server, at + 18);
  frame.writeUInt16BE(fold(~sum(frame, at, IP_BYTES[4], 0)), at + 10);
}

/** 2001:2::/48 is set aside for benchmarks (RFC 5180): clients in 2001:2:0:0::/64, servers in 2001:2:0:1::/64. */
function writeIp6(frame: Buffer, at: number, flow: Flow): void {
  frame.writeUInt32BE(0x60000000, at);
  frame.writeUInt16BE(frame.length - at - IP_BYTES[6], at + 4);
  frame[at + 6] = { udp: 17, tcp: 6, icmp: 58 }[flow.protocol];
  frame[at + 7] = TTL;
  for (const [side, host, address] of [
    [0, flow.client, at + 8],
    [1, flow.server, at + 24],
  ] as const) {
    frame.fill(0, address, address + 16);
    frame.writeUInt32BE(0x20010002, address);
    frame.writeUInt16BE(side, address + 6);
    frame.writeUInt16BE(host, address + 14);
  }
}

function writeUdp(frame: Buffer, ipAt: number, at: number, flow: Flow, zeroChecksum: boolean): void {
  frame.writeUInt16BE(flow.clientPort, at);
  frame.writeUInt16BE(flow.serverPort, at + 2);
  frame.writeUInt16BE(frame.length - at, at + 4);
  frame.writeUInt16BE(0, at + 6);
  // Zero says "no checksum", which IPv6 does not allow (RFC 8200, 8.1); a computed zero is sent as its other form.
  if (zeroChecksum && flow.version === 4) return;
  frame.writeUInt16BE(transportChecksum(frame, ipAt, at, flow) || 0xffff, at + 6);
}

function writeTcp(frame: Buffer, ipAt: number, at: number, flow: Flow, sent: number): void {
  frame.writeUInt16BE(flow.clientPort, at);
  frame.writeUInt16BE(flow.serverPort, at + 2);
  frame.writeUInt32BE((1 + sent) >>> 0, at + 4);
  frame.writeUInt32BE(1, at + 8);
  frame.writeUInt16BE(0x5000 | TCP_PUSH_ACK, at + 12);
  frame.writeUInt16BE(TCP_WINDOW, at + 14);
  frame.writeUInt32BE(0, at + 16);
  frame.writeUInt16BE(transportChecksum(frame, ipAt, at, flow), at + 16);
}

/** An echo request. Over IPv4 its checksum covers no pseudo-header. */
function writeIcmp(frame: Buffer, ipAt: number, at: number, flow: Flow, sequence: number): void {
  frame.writeUInt16BE(flow.version === 4 ? 0x0800 : 0x8000, at);
  frame.writeUInt16BE(0, at + 2);
  frame.writeUInt16BE(flow.clientPort, at + 4);
  frame.writeUInt16BE(sequence & 0xffff, at + 6);
  const checksum = flow.version === 4 ? fold(~sum(frame, at, frame.length - at, 0)) : transportChecksum(frame, ipAt, at, flow);
  frame.writeUInt16BE(checksum, at + 2);
}

/** Over pseudo-header (addresses, length, protocol number) and segment; the checksum field must hold zero. */
function transportChecksum(frame: Buffer, ipAt: number, at: number, flow: Flow): number {
  const addressAt = ipAt + (flow.version === 4 ? 12 : 8);
  const length = frame.length - at;
  const number = flow.protocol === 'tcp' ? 6 : flow.protocol === 'udp' ? 17 : 58;
  const pseudo = sum(frame, addressAt, flow.version === 4 ? 8 : 32, length + number);
  return fold(~sum(frame, at, length, pseudo));
}

/** Folded one's-complement sum of 16-bit words, an odd last byte padded with zero (RFC 1071). */
function sum(bytes: Buffer, from: number, length: number, start: number): number {
  let total = start;
  const even = from + (length & ~1);
  for (let at = from; at < even; at += 2) total += bytes.readUInt16BE(at);
  if (length & 1) total += (bytes[even] ?? 0) << 8;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

function fold(value: number): number {
  return value & 0xffff;
}
