/**
 * Frames written by hand, one for every verdict of the first stack, each with what every operation must say about it.
 * Only tests may import this.
 */
import { type Flow, headerBytes, writeFrame } from '../../harness/frames.js';

export interface Judged {
  readonly what: string;
  readonly frame: Buffer;
  /** Verdict by operation; what an operation does not know is `other`. */
  readonly verdicts: Readonly<Record<string, string>>;
}

const FLOW: Flow = { version: 4, protocol: 'udp', vlan: null, client: 3, server: 7, clientPort: 40000, serverPort: 50000 };
const IP4_AT = 14;
const L4_AT = { 4: 34, 6: 54 } as const;
const PAYLOAD_BYTES = 40;

function frameOf(changes: Partial<Flow> = {}, zeroUdpChecksum = false): Buffer {
  const flow = { ...FLOW, ...changes };
  const frame = Buffer.alloc(headerBytes(flow) + PAYLOAD_BYTES);
  const payload = Uint8Array.from({ length: PAYLOAD_BYTES }, (_, index) => index * 5 + 1);
  writeFrame(frame, flow, 1, 0, payload, zeroUdpChecksum);
  return frame;
}

/** The frame after `change`, its IPv4 header checksum made right again. */
function ip4Changed(frame: Buffer, change: (frame: Buffer) => void): Buffer {
  change(frame);
  frame.writeUInt16BE(0, IP4_AT + 10);
  let sum = 0;
  for (let at = IP4_AT; at < IP4_AT + 20; at += 2) sum += frame.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~sum & 0xffff, IP4_AT + 10);
  return frame;
}

function changed(frame: Buffer, at: number, value: number): Buffer {
  frame[at] = value;
  return frame;
}

/** A fragment header (RFC 8200 4.5) between the IPv6 header and what follows it. */
function ip6Fragment(frame: Buffer, offset: number, more: boolean): Buffer {
  const header = Buffer.from([frame.readUInt8(20), 0, 0, 0, 0, 0, 0, 9]);
  header.writeUInt16BE((offset << 3) | (more ? 1 : 0), 2);
  const out = Buffer.concat([frame.subarray(0, 54), header, frame.subarray(54)]);
  out[20] = 44;
  out.writeUInt16BE(frame.length - 54 + 8, 18);
  return out;
}

/** An EtherType and zeros. */
function etherFrame(type: number, length = 60): Buffer {
  const frame = Buffer.alloc(length);
  frame.writeUInt16BE(type, 12);
  return frame;
}

function tagged(tags: number, frame: Buffer): Buffer {
  const between = Buffer.concat(Array.from({ length: tags }, () => Buffer.from([0x81, 0x00, 0x00, 0x07])));
  return Buffer.concat([frame.subarray(0, 12), between, frame.subarray(12)]);
}

const OTHER = { ip4: 'other', ip6: 'other', tcp: 'other', udp: 'other', 'checksum-verify': 'other' };

function ip4(what: string, frame: Buffer, verdicts: Record<string, string>): Judged {
  return { what, frame, verdicts: { ...OTHER, eth: 'ip4', ip4: 'ok', ...verdicts } };
}

function ip6(what: string, frame: Buffer, verdicts: Record<string, string>): Judged {
  return { what, frame, verdicts: { ...OTHER, eth: 'ip6', ip6: 'ok', ...verdicts } };
}

function none(what: string, frame: Buffer, eth: string): Judged {
  return { what, frame, verdicts: { ...OTHER, eth } };
}

const GOOD = { 'checksum-verify': 'good' };
const BAD = { 'checksum-verify': 'bad' };
const UNVERIFIABLE = { 'checksum-verify': 'unverifiable' };
const MORE_FRAGMENTS = 0x2000;

export function judgedPackets(): Judged[] {
  return [
    none('ARP', etherFrame(0x0806), 'arp'),
    none('LLDP', etherFrame(0x88cc), 'other'),
    none('an IEEE 802.3 length', etherFrame(46), 'other'),
    none('13 bytes', etherFrame(0x0800, 14).subarray(0, 13), 'short'),
    none('a tag without what follows it', etherFrame(0x8100, 16), 'short'),
    none('nine tags', tagged(9, frameOf()), 'other'),
    ...ip4Packets(),
    ...ip6Packets(),
  ];
}

function ip4Packets(): Judged[] {
  const l4 = L4_AT[4];
  return [
    ip4('UDP', frameOf(), { udp: 'ok', ...GOOD }),
    ip4('UDP behind two tags', tagged(2, frameOf()), { udp: 'ok', ...GOOD }),
    ip4('UDP behind eight tags', tagged(8, frameOf()), { udp: 'ok', ...GOOD }),
    ip4('UDP with a trailer', Buffer.concat([frameOf(), Buffer.from('abcd')]), { udp: 'ok', ...GOOD }),
    ip4('UDP without checksum', frameOf({}, true), { udp: 'ok', 'checksum-verify': 'absent' }),
    ip4('UDP with a length below its header', changed(frameOf(), l4 + 5, 7), { udp: 'malformed', ...UNVERIFIABLE }),
    ip4('TCP', frameOf({ protocol: 'tcp' }), { tcp: 'ok', ...GOOD }),
    ip4('TCP with a changed payload', changed(frameOf({ protocol: 'tcp' }), 60, 255), { tcp: 'ok', ...BAD }),
    ip4('TCP with a data offset of 4', changed(frameOf({ protocol: 'tcp' }), l4 + 12, 0x40), { tcp: 'malformed', ...BAD }),
    ip4('TCP with options beyond the end', changed(frameOf({ protocol: 'tcp' }).subarray(0, 80), l4 + 12, 0xf0), {
      ip4: 'truncated',
      tcp: 'malformed',
      ...UNVERIFIABLE,
    }),
    ip4('ICMP', frameOf({ protocol: 'icmp' }), GOOD),
    ip4('a wrong header checksum', changed(frameOf(), IP4_AT + 8, 63), { udp: 'ok', ...BAD }),
    ip4(
      'GRE',
      ip4Changed(frameOf(), (frame) => changed(frame, IP4_AT + 9, 47)),
      {},
    ),
    ip4(
      'a first fragment',
      ip4Changed(frameOf(), (frame) => frame.writeUInt16BE(MORE_FRAGMENTS, IP4_AT + 6)),
      {
        ip4: 'fragment',
        udp: 'ok',
        ...UNVERIFIABLE,
      },
    ),
    ip4(
      'a later fragment',
      ip4Changed(frameOf(), (frame) => frame.writeUInt16BE(100, IP4_AT + 6)),
      {
        ip4: 'fragment',
        ...UNVERIFIABLE,
      },
    ),
    ip4('cut in the payload', frameOf().subarray(0, 60), { ip4: 'truncated', udp: 'ok', ...UNVERIFIABLE }),
    ip4('cut in the UDP header', frameOf().subarray(0, 38), { ip4: 'truncated', udp: 'malformed', ...UNVERIFIABLE }),
    ip4('cut in the IP header', frameOf().subarray(0, 30), { ip4: 'malformed', ...UNVERIFIABLE }),
    ip4('version 5', changed(frameOf(), IP4_AT, 0x55), { ip4: 'malformed', ...UNVERIFIABLE }),
    ip4('a header of 16 bytes', changed(frameOf(), IP4_AT, 0x44), { ip4: 'malformed', ...UNVERIFIABLE }),
  ];
}

function ip6Packets(): Judged[] {
  const of = (protocol: Flow['protocol']): Buffer => frameOf({ version: 6, protocol });
  return [
    ip6('UDP', of('udp'), { udp: 'ok', ...GOOD }),
    ip6('UDP behind a tag', frameOf({ version: 6, vlan: 9 }), { udp: 'ok', ...GOOD }),
    ip6('TCP', of('tcp'), { tcp: 'ok', ...GOOD }),
    ip6('ICMPv6', of('icmp'), GOOD),
    ip6('TCP with a changed address', changed(of('tcp'), 30, 99), { tcp: 'ok', ...BAD }),
    ip6('a first fragment', ip6Fragment(of('udp'), 0, true), { ip6: 'fragment', udp: 'ok', ...UNVERIFIABLE }),
    ip6('a later fragment', ip6Fragment(of('udp'), 5, false), { ip6: 'fragment', ...UNVERIFIABLE }),
    ip6('an only fragment', ip6Fragment(of('udp'), 0, false), { udp: 'ok', ...GOOD }),
    ip6('no next header', changed(of('udp'), 20, 59), {}),
    ip6('cut in the payload', of('tcp').subarray(0, 80), { ip6: 'truncated', tcp: 'ok', ...UNVERIFIABLE }),
    ip6('cut in the IP header', of('udp').subarray(0, 50), { ip6: 'malformed', ...UNVERIFIABLE }),
    ip6('version 4', changed(of('udp'), 14, 0x40), { ip6: 'malformed', ...UNVERIFIABLE }),
    ip6('extension headers beyond the end', changed(changed(of('udp'), 20, 0), 55, 200), {
      ip6: 'malformed',
      ...UNVERIFIABLE,
    }),
  ];
}
