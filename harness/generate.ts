/**
 * Synthetic traffic: a spec in, a nanosecond pcap out, in chunks. The same spec gives the same bytes everywhere and for ever.
 * Pure. Called by `trace gen` and by tests.
 *
 * Shares are exact, not drawn: weights 7:4:1 give every group of twelve packets seven, four and one, in shuffled order.
 */
import { type Flow, headerBytes, largestFrame, type Protocol, writeFrame } from './frames.js';
import { usageError } from './units.js';

export interface TrafficSpec {
  readonly packets: number;
  /** Captured frame lengths and weights. */
  readonly sizes: readonly (readonly [number, number])[];
  readonly protocols: readonly (readonly [Protocol, number])[];
  /** On each side: clients that send, servers that are sent to. */
  readonly hosts: number;
  readonly flows: number;
  /** Parts of the flows, 0 to 1. */
  readonly ipv6: number;
  readonly vlan: number;
  readonly seed: number;
  readonly udpChecksum: 'on' | 'zero';
  readonly intervalNs: number;
}

export const DEFAULT_SPEC: TrafficSpec = {
  packets: 8192,
  sizes: [
    [60, 7],
    [590, 4],
    [1514, 1],
  ],
  protocols: [['udp', 1]],
  hosts: 256,
  flows: 1024,
  ipv6: 0,
  vlan: 0,
  seed: 1,
  udpChecksum: 'on',
  intervalNs: 1000,
};

/** Both ends of what host numbers and ports can say. */
export const MOST_HOSTS = 65534;
export const MOST_FLOWS = 1_000_000;
export const PORTS_PER_HOST = 32768;
/** Both sides use high ports: on well-known ones, analysers take random payload for broken DNS, RIP and the like. */
const FIRST_CLIENT_PORT = 65536 - PORTS_PER_HOST;
const FIRST_SERVER_PORT = 49152;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const NANOSECOND_MAGIC = 0xa1b23c4d;
const SNAPLEN = 262144;
/** 2000-01-01, so that files do not depend on the day they are made. */
const FIRST_SECOND = 946_684_800;
/** Larger chunks cost memory, smaller ones system calls; 1 MiB is past where either shows. */
const CHUNK_BYTES = 1 << 20;
/** Payload is cut from one random table: random enough for compressors and checksums, at the cost of a copy. */
const PAYLOAD_TABLE_BYTES = 1 << 18;
const VLANS = 100;
/** Shares of flows are exact to a hundredth. */
const SHARE_STEPS = 100;

export function* generateCapture(spec: TrafficSpec): Generator<Uint8Array, void, void> {
  const random = randomSource(spec.seed);
  const flows = makeFlows(spec, random);
  refuseImpossible(spec, flows);
  const payloads = Buffer.alloc(PAYLOAD_TABLE_BYTES);
  for (let at = 0; at < payloads.length; at += 4) payloads.writeUInt32LE(random(), at);
  const nextSize = shuffledShares(spec.sizes, random);
  const nextFlow = shuffledShares(
    flows.map((_, index) => [index, 1] as const),
    random,
  );
  const sent = new Float64Array(flows.length);

  let chunk = Buffer.alloc(CHUNK_BYTES + RECORD_HEADER_BYTES + SNAPLEN);
  let used = writeFileHeader(chunk);
  for (let packet = 0; packet < spec.packets; packet++) {
    const index = nextFlow();
    const flow = flows[index] as Flow;
    const size = nextSize();
    const frame = chunk.subarray(used + RECORD_HEADER_BYTES, used + RECORD_HEADER_BYTES + size);
    const from = random() % PAYLOAD_TABLE_BYTES;
    writeRecordHeader(chunk, used, packet, size, spec.intervalNs);
    writeFrame(frame, flow, packet, sent[index] ?? 0, payloadAt(payloads, from, size), spec.udpChecksum === 'zero');
    sent[index] = (sent[index] ?? 0) + size - headerBytes(flow);
    used += RECORD_HEADER_BYTES + size;
    if (used < CHUNK_BYTES) continue;
    yield chunk.subarray(0, used);
    chunk = Buffer.alloc(chunk.length);
    used = 0;
  }
  if (used > 0) yield chunk.subarray(0, used);
}

function payloadAt(table: Buffer, from: number, bytes: number): Uint8Array {
  if (from + bytes <= table.length) return table.subarray(from, from + bytes);
  return Buffer.concat([table.subarray(from), table.subarray(0, from + bytes - table.length)]);
}

/** xorshift128 (Marsaglia 2003) from a scrambled seed: 32 bits a call, the same in every engine. */
export function randomSource(seed: number): () => number {
  let [x, y, z, w] = [1, 2, 3, 4].map((step) => scramble(seed + step * 0x9e3779b9)) as [number, number, number, number];
  return () => {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = (w ^ (w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return w;
  };
}

/** The finaliser of MurmurHash3; never all zero for the four states above. */
function scramble(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Calls give each value as often as its weight says within every group of sum(weights), in an order of the group's own. */
export function shuffledShares<Value>(weights: readonly (readonly [Value, number])[], random: () => number): () => Value {
  const group = weights.flatMap(([value, weight]) => Array<Value>(weight).fill(value));
  let at = group.length;
  return () => {
    if (at === group.length) {
      shuffle(group, random);
      at = 0;
    }
    return group[at++] as Value;
  };
}

function shuffle<Value>(values: Value[], random: () => number): void {
  for (let last = values.length - 1; last > 0; last--) {
    const other = random() % (last + 1);
    [values[last], values[other]] = [values[other] as Value, values[last] as Value];
  }
}

function makeFlows(spec: TrafficSpec, random: () => number): Flow[] {
  const protocol = shuffledShares(spec.protocols, random);
  const version = shuffledShares(shares<4 | 6>(6, 4, spec.ipv6), random);
  const tagged = shuffledShares(shares(true, false, spec.vlan), random);
  // Clients and ports are counted, so that no two flows are the same; servers may be drawn.
  return Array.from({ length: spec.flows }, (_, index) => ({
    version: version(),
    protocol: protocol(),
    vlan: tagged() ? 1 + (index % VLANS) : null,
    client: 1 + (index % spec.hosts),
    server: 1 + (random() % spec.hosts),
    clientPort: FIRST_CLIENT_PORT + Math.floor(index / spec.hosts),
    serverPort: FIRST_SERVER_PORT + (random() % (65536 - FIRST_SERVER_PORT)),
  }));
}

function shares<Value>(yes: Value, no: Value, share: number): (readonly [Value, number])[] {
  const part = Math.round(share * SHARE_STEPS);
  const pairs = [
    [yes, part],
    [no, SHARE_STEPS - part],
  ] as const;
  return pairs.filter(([, weight]) => weight > 0);
}

/** Sizes are drawn apart from flows, so every size must fit every flow. */
function refuseImpossible(spec: TrafficSpec, flows: readonly Flow[]): void {
  const least = flows.reduce((most, flow) => (headerBytes(flow) > headerBytes(most) ? flow : most));
  const room = flows.reduce((smallest, flow) => (largestFrame(flow) < largestFrame(smallest) ? flow : smallest));
  for (const [size] of spec.sizes) {
    if (size < headerBytes(least)) {
      const tag = least.vlan === null ? '' : 'VLAN + ';
      const kind = `${tag}IPv${least.version} + ${least.protocol.toUpperCase()}`;
      throw usageError(
        `A frame of ${size} bytes cannot hold ${kind}, whose headers take ${headerBytes(least)}`,
        'Use larger --sizes, or other traffic',
      );
    }
    if (size > largestFrame(room)) {
      throw usageError(
        `A frame of ${size} bytes is longer than IPv${room.version} can say (${largestFrame(room)})`,
        'Use smaller --sizes',
      );
    }
  }
}

function writeFileHeader(chunk: Buffer): number {
  chunk.writeUInt32LE(NANOSECOND_MAGIC, 0);
  chunk.writeUInt16LE(2, 4);
  chunk.writeUInt16LE(4, 6);
  chunk.writeUInt32LE(SNAPLEN, 16);
  chunk.writeUInt32LE(1, 20);
  return FILE_HEADER_BYTES;
}

function writeRecordHeader(chunk: Buffer, at: number, packet: number, size: number, intervalNs: number): void {
  const time = BigInt(packet) * BigInt(intervalNs);
  chunk.writeUInt32LE(FIRST_SECOND + Number(time / 1_000_000_000n), at);
  chunk.writeUInt32LE(Number(time % 1_000_000_000n), at + 4);
  chunk.writeUInt32LE(size, at + 8);
  chunk.writeUInt32LE(size, at + 12);
}
