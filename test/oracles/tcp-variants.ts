/**
 * The same conversations in other packets: TCP segments doubled, reordered, cut so that they overlap, and split into IP
 * fragments. What they carry stays the same, so what is found in them must. Ethernet frames, with VLAN tags or without. Only
 * tests may import this. Checksums are left as they were: nothing that reads streams looks at them.
 */

interface Place {
  readonly network: number;
  readonly six: boolean;
  readonly transport: number;
  readonly payload: number;
  readonly end: number;
  /** Both ends, in the direction of the packet. */
  readonly from: string;
  readonly to: string;
}

const TAGS = new Set([0x8100, 0x88a8, 0x9100, 0x9200]);

/** Null: no whole TCP packet with payload right behind an IP header. */
function segmentAt(frame: Buffer): Place | null {
  let network = 14;
  while (frame.length >= network + 4 && TAGS.has(frame.readUInt16BE(network - 2))) network += 4;
  if (frame.length < network + 40) return null;
  const type = frame.readUInt16BE(network - 2);
  const six = type === 0x86dd;
  if (!six && (type !== 0x0800 || frame[network] !== 0x45 || (frame.readUInt16BE(network + 6) & 0x3fff) !== 0)) return null;
  if (frame[network + (six ? 6 : 9)] !== 6) return null;
  const transport = network + (six ? 40 : 20);
  const end = six ? transport + frame.readUInt16BE(network + 4) : network + frame.readUInt16BE(network + 2);
  if (end > frame.length || end < transport + 20) return null;
  const payload = transport + ((frame[transport + 12] ?? 0) >> 4) * 4;
  const flags = frame[transport + 13] ?? 0;
  if (payload >= end || (flags & 6) !== 0) return null; // SYN, RST
  const [source, destination] = six ? [8, 24] : [12, 16];
  const address = (at: number) => frame.toString('hex', network + at, network + at + (six ? 16 : 4));
  return {
    ...{ network, six, transport, payload, end },
    from: `${address(source)}:${frame.readUInt16BE(transport)}`,
    to: `${address(destination)}:${frame.readUInt16BE(transport + 2)}`,
  };
}

/** Small and seeded. */
function generator(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function shuffle<T>(list: T[], random: (limit: number) => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [list[i], list[j]] = [list[j] as T, list[i] as T];
  }
  return list;
}

export const doubled = (frames: readonly Buffer[]): Buffer[] =>
  frames.flatMap((frame) => (segmentAt(frame) ? [frame, frame] : [frame]));

/** Segments that one side sends in a row, until the other side answers, change places among themselves. */
export function reordered(frames: readonly Buffer[]): Buffer[] {
  const random = generator(1);
  const result = [...frames];
  const rows = new Map<string, { from: string; places: number[] }>();
  const mix = (places: readonly number[]) => {
    const mixed = shuffle([...places], random);
    const moved = mixed.map((place) => frames[place] as Buffer);
    for (const [index, place] of places.entries()) result[place] = moved[index] as Buffer;
  };
  for (const [index, frame] of frames.entries()) {
    const place = segmentAt(frame);
    if (!place) continue;
    const connection = [place.from, place.to].sort().join();
    const row = rows.get(connection);
    if (row?.from === place.from) {
      row.places.push(index);
      continue;
    }
    if (row) mix(row.places);
    rows.set(connection, { from: place.from, places: [index] });
  }
  for (const { places } of rows.values()) mix(places);
  return result;
}

/** Bytes `begin` to `end` of a segment's payload, as a segment. */
function part(frame: Buffer, place: Place, begin: number, end: number): Buffer {
  const cut = Buffer.concat([frame.subarray(0, place.payload), frame.subarray(place.payload + begin, place.payload + end)]);
  const lost = place.end - place.payload - (end - begin);
  const length = place.network + (place.six ? 4 : 2);
  cut.writeUInt16BE(cut.readUInt16BE(length) - lost, length);
  cut.writeUInt32BE((cut.readUInt32BE(place.transport + 4) + begin) >>> 0, place.transport + 4);
  if (end < place.end - place.payload) cut[place.transport + 13] = (cut[place.transport + 13] ?? 0) & ~1; // FIN
  return cut;
}

/** Each segment as two that have up to 20 bytes in common, now and then the later one first. */
export function overlapped(frames: readonly Buffer[]): Buffer[] {
  const random = generator(2);
  return frames.flatMap((frame) => {
    const place = segmentAt(frame);
    if (!place) return [frame];
    const bytes = place.end - place.payload;
    const middle = bytes >> 1;
    const parts = [
      part(frame, place, 0, Math.min(bytes, middle + 1 + random(10))),
      part(frame, place, Math.max(0, middle - random(10)), bytes),
    ];
    return random(3) === 0 ? parts.reverse() : parts;
  });
}

/** Each packet in fragments of 96 bytes, in any order. */
export function fragmented(frames: readonly Buffer[]): Buffer[] {
  const random = generator(3);
  return frames.flatMap((frame, number) => {
    const place = segmentAt(frame);
    if (!place) return [frame];
    const pieces: Buffer[] = [];
    for (let at = place.transport; at < place.end; at += 96) {
      const end = Math.min(place.end, at + 96);
      pieces.push(fragment(frame, place, at, end, number));
    }
    return shuffle(pieces, random);
  });
}

function fragment(frame: Buffer, place: Place, begin: number, end: number, number: number): Buffer {
  const { network, six, transport } = place;
  const header = Buffer.from(frame.subarray(0, transport));
  const field = begin - transport;
  const more = end < place.end;
  if (six) {
    const extension = Buffer.alloc(8);
    extension.writeUInt8(6, 0);
    extension.writeUInt16BE(field | (more ? 1 : 0), 2);
    extension.writeUInt32BE(number, 4);
    header.writeUInt16BE(8 + end - begin, network + 4);
    header.writeUInt8(44, network + 6);
    return Buffer.concat([header, extension, frame.subarray(begin, end)]);
  }
  header.writeUInt16BE(20 + end - begin, network + 2);
  header.writeUInt16BE(number & 0xffff, network + 4);
  header.writeUInt16BE((field >> 3) | (more ? 0x2000 : 0), network + 6);
  return Buffer.concat([header, frame.subarray(begin, end)]);
}
