/** Link types: what gets an Ethernet header, which one, and what stays as it is. */
import { describe, expect, it } from 'vitest';
import { type Contents, loadFile } from './helpers.js';
import { pcap } from './writer.js';

const IPV4 = Buffer.from('45000014000000000001', 'hex');
const IPV6 = Buffer.from('60000000000006400102', 'hex');
const ARP = Buffer.from('00010800060400010203', 'hex');
const DESTINATION = '020000000001';
const NO_SOURCE = '020000000002';

async function one(linkType: number, bytes: Buffer): Promise<Contents['packets'][number] & { linkTypes: unknown }> {
  const read = await loadFile(pcap([{ data: bytes, timeNs: 0n, originalLength: bytes.length + 100 }], { linkType }));
  const [packet] = read.packets;
  if (packet === undefined) throw new Error('no packet');
  return { ...packet, linkTypes: read.source.linkTypes };
}

function cooked(protocol: number, addressLength: number): Buffer {
  const header = Buffer.from('00000001000000112233445566770000', 'hex');
  header.writeUInt16BE(addressLength, 4);
  header.writeUInt16BE(protocol, 14);
  return header;
}

function cooked2(protocol: number, addressLength: number): Buffer {
  const header = Buffer.from('0000000000000007000100001122334455667788', 'hex');
  header.writeUInt16BE(protocol, 0);
  header[11] = addressLength;
  return header;
}

const given: [string, number, Buffer, Buffer, string, string][] = [
  ...[12, 14, 101, 228, 229].flatMap((type): [string, number, Buffer, Buffer, string, string][] => [
    [`raw ${type} IPv4`, type, Buffer.alloc(0), IPV4, NO_SOURCE, '0800'],
    [`raw ${type} IPv6`, type, Buffer.alloc(0), IPV6, NO_SOURCE, '86dd'],
  ]),
  ...[0, 108].flatMap((type): [string, number, Buffer, Buffer, string, string][] => [
    [`loopback ${type} IPv4 le`, type, Buffer.of(2, 0, 0, 0), IPV4, NO_SOURCE, '0800'],
    [`loopback ${type} IPv4 be`, type, Buffer.of(0, 0, 0, 2), IPV4, NO_SOURCE, '0800'],
    ...[10, 24, 28, 30].flatMap((family): [string, number, Buffer, Buffer, string, string][] => [
      [`loopback ${type} IPv6 as ${family} le`, type, Buffer.of(family, 0, 0, 0), IPV6, NO_SOURCE, '86dd'],
      [`loopback ${type} IPv6 as ${family} be`, type, Buffer.of(0, 0, 0, family), IPV6, NO_SOURCE, '86dd'],
    ]),
  ]),
  ['cooked IPv4', 113, cooked(0x0800, 6), IPV4, '001122334455', '0800'],
  ['cooked ARP', 113, cooked(0x0806, 6), ARP, '001122334455', '0806'],
  ['cooked IPv6 of no address', 113, cooked(0x86dd, 0), IPV6, NO_SOURCE, '86dd'],
  ['cooked IPv4 of a long address', 113, cooked(0x0800, 8), IPV4, NO_SOURCE, '0800'],
  ['cooked v2 IPv4', 276, cooked2(0x0800, 6), IPV4, '112233445566', '0800'],
  ['cooked v2 IPv6 of no address', 276, cooked2(0x86dd, 0), IPV6, NO_SOURCE, '86dd'],
];

it.each(given)('%s gets an Ethernet header', async (_name, linkType, header, payload, source, ethertype) => {
  const packet = await one(linkType, Buffer.concat([header, payload]));
  expect(packet).toMatchObject({
    data: DESTINATION + source + ethertype + payload.toString('hex'),
    originalLength: 14 + payload.length + 100,
    kind: 'ethernet',
  });
});

const unchanged: [string, number, Buffer][] = [
  ['raw IP of version 5', 101, Buffer.of(0x50, 1, 2)],
  ['raw IP of no bytes', 228, Buffer.alloc(0)],
  ['loopback of an unknown family', 0, Buffer.of(7, 0, 0, 0, 1, 2)],
  ['loopback of a family in the middle', 0, Buffer.of(0, 2, 2, 0, 1, 2)],
  ['loopback cut in its header', 0, Buffer.of(2, 0, 0)],
  ['cooked 802.2', 113, Buffer.concat([cooked(0x0004, 6), IPV4])],
  ['cooked cut in its header', 113, cooked(0x0800, 6).subarray(0, 15)],
  ['cooked v2 cut in its header', 276, cooked2(0x0800, 6).subarray(0, 19)],
  ['802.11 radio', 127, IPV4],
  ['PPP', 9, IPV4],
];

it.each(unchanged)('%s stays as it is and is counted under its name', async (_name, linkType, bytes) => {
  const packet = await one(linkType, bytes);
  expect(packet).toMatchObject({ data: bytes.toString('hex'), originalLength: bytes.length + 100, kind: 'opaque' });
  expect(packet.linkTypes).toEqual([{ value: linkType, name: expect.any(String), packets: 1 }]);
});

describe('Ethernet', () => {
  it.each([0, 1, 13, 14, 60])('stays Ethernet at %i bytes', async (length) => {
    expect(await one(1, Buffer.alloc(length, 0x45))).toMatchObject({ kind: 'ethernet', data: '45'.repeat(length) });
  });
});

it('names what it knows and says "unknown" for the rest', async () => {
  expect((await one(127, ARP)).linkTypes).toMatchObject([{ name: 'IEEE802_11_RADIO' }]);
  expect((await one(60000, ARP)).linkTypes).toMatchObject([{ name: 'unknown' }]);
});

it('stops at a packet whose made-up header makes it too long', async () => {
  const bytes = Buffer.alloc(262144 - 13, 0x45);
  const read = await loadFile(pcap([{ data: bytes, timeNs: 0n, originalLength: bytes.length }], { linkType: 101 }));
  expect(read.source.truncated).toMatchObject({ offset: 24, packet: 1 });
});
