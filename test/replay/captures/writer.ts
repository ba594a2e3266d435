/** Writes captures for tests: every number explicit, either byte order, whole or deliberately wrong. Test code only. */

export interface TestPacket {
  readonly data: Uint8Array;
  readonly timeNs: bigint;
  readonly originalLength: number;
}

/** Appends numbers in one byte order. */
export class Bytes {
  readonly #parts: Buffer[] = [];
  constructor(readonly big: boolean) {}
  u16(value: number): this {
    const part = Buffer.alloc(2);
    if (this.big) part.writeUInt16BE(value);
    else part.writeUInt16LE(value);
    return this.raw(part);
  }
  u32(value: number): this {
    const part = Buffer.alloc(4);
    if (this.big) part.writeUInt32BE(value);
    else part.writeUInt32LE(value);
    return this.raw(part);
  }
  u64(value: bigint): this {
    const high = Number(BigInt.asUintN(64, value) >> 32n);
    const low = Number(BigInt.asUintN(32, value));
    return this.big ? this.u32(high).u32(low) : this.u32(low).u32(high);
  }
  raw(part: Uint8Array): this {
    this.#parts.push(Buffer.from(part));
    return this;
  }
  padded(part: Uint8Array): this {
    return this.raw(part).raw(Buffer.alloc((4 - (part.length % 4)) % 4));
  }
  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

export interface PcapOptions {
  readonly big?: boolean;
  readonly variant?: 'us' | 'ns' | 'modified';
  readonly linkType?: number;
  readonly version?: readonly [number, number];
}

const MAGIC = { us: 0xa1b2c3d4, ns: 0xa1b23c4d, modified: 0xa1b2cd34 };

export function pcapHeader({ big = false, variant = 'us', linkType = 1, version = [2, 4] }: PcapOptions = {}): Buffer {
  return new Bytes(big).u32(MAGIC[variant]).u16(version[0]).u16(version[1]).u32(0).u32(0).u32(262144).u32(linkType).done();
}

export function pcapRecord(packet: TestPacket, { big = false, variant = 'us' }: PcapOptions = {}): Buffer {
  const fraction = Number(packet.timeNs % 1_000_000_000n);
  const bytes = new Bytes(big)
    .u32(Number(packet.timeNs / 1_000_000_000n))
    .u32(variant === 'ns' ? fraction : Math.floor(fraction / 1000))
    .u32(packet.data.length)
    .u32(packet.originalLength);
  if (variant === 'modified') bytes.u32(7).u16(0x0800).u16(0x0100);
  return bytes.raw(packet.data).done();
}

export function pcap(packets: readonly TestPacket[], options: PcapOptions = {}): Buffer {
  return Buffer.concat([pcapHeader(options), ...packets.map((packet) => pcapRecord(packet, options))]);
}

export function block(big: boolean, type: number, body: Uint8Array): Buffer {
  const total = 12 + Math.ceil(body.length / 4) * 4;
  return new Bytes(big).u32(type).u32(total).padded(body).u32(total).done();
}

export function option(big: boolean, code: number, value: Uint8Array): Buffer {
  return new Bytes(big).u16(code).u16(value.length).padded(value).done();
}

export function section(big: boolean, version = 1, length = -1n): Buffer {
  return block(big, 0x0a0d0d0a, new Bytes(big).u32(0x1a2b3c4d).u16(version).u16(0).u64(length).done());
}

export interface InterfaceOptions {
  readonly linkType?: number;
  readonly snapLength?: number;
  readonly resolution?: number;
  readonly offsetSeconds?: bigint;
}

export function iface(big: boolean, { linkType = 1, snapLength = 0, resolution, offsetSeconds }: InterfaceOptions = {}): Buffer {
  const body = new Bytes(big).u16(linkType).u16(0).u32(snapLength);
  body.raw(option(big, 2, Buffer.from('eth0')));
  if (resolution !== undefined) body.raw(option(big, 9, Buffer.of(resolution)));
  if (offsetSeconds !== undefined) body.raw(option(big, 14, new Bytes(big).u64(offsetSeconds).done()));
  return block(big, 1, body.u32(0).done());
}

export function enhanced(big: boolean, id: number, ticks: bigint, data: Uint8Array, originalLength = data.length): Buffer {
  const body = new Bytes(big)
    .u32(id)
    .u32(Number(ticks >> 32n))
    .u32(Number(ticks & 0xffffffffn))
    .u32(data.length);
  return block(
    big,
    6,
    body
      .u32(originalLength)
      .padded(data)
      .raw(option(big, 1, Buffer.from('a comment')))
      .u32(0)
      .done(),
  );
}

export function obsolete(big: boolean, id: number, ticks: bigint, data: Uint8Array, originalLength = data.length): Buffer {
  const body = new Bytes(big)
    .u16(id)
    .u16(3)
    .u32(Number(ticks >> 32n))
    .u32(Number(ticks & 0xffffffffn))
    .u32(data.length);
  return block(big, 2, body.u32(originalLength).padded(data).done());
}

export function simple(big: boolean, data: Uint8Array, originalLength = data.length): Buffer {
  return block(big, 3, new Bytes(big).u32(originalLength).padded(data).done());
}

/** A frame that differs from its neighbours in every byte worth looking at. */
export function frame(length: number, seed = 1): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 7 + seed * 31) & 0xff));
}

export function packet(length: number, seed = 1, timeNs = BigInt(seed) * 1_000_000_000n): TestPacket {
  return { data: frame(length, seed), timeNs, originalLength: length };
}
