/** Conditions on addresses: host, net, ether host, broadcast, multicast. Order of tests as in libpcap. Used by generate.ts. */
import { ip4Prefix, ip6Words, macBytes, prefixMask } from './addresses.js';
import { and, type Condition, directed, or } from './conditions.js';
import type { Fail } from './error.js';
import type { Layers } from './link.js';
import { ETHERTYPES, type Protocol } from './names.js';
import type { Direction, Qualifier, Value } from './syntax.js';

/** Offsets of source and destination (ARP: sender and target) from the network header. */
const IP4_PLACES = { ip: [12, 16], arp: [14, 24], rarp: [14, 24] } as const;
type Ip4Carrier = keyof typeof IP4_PLACES;

export class Hosts {
  constructor(
    private readonly layers: Layers,
    private readonly fail: Fail,
  ) {}

  /** A value whose type is host or net, or none. */
  condition(qualifier: Qualifier, value: Value, offset: number): Condition {
    switch (value.kind) {
      case 'number':
        return this.numbered(qualifier, value.value, offset);
      case 'ip4':
        return this.dotted(qualifier, value, offset);
      case 'ip6':
        return this.ip6(qualifier, value, offset);
      case 'mac':
        return this.mac(qualifier, value.text, offset);
      case 'name': {
        const remedy = 'Names are not looked up: write its address, or a network as ADDRESS/LENGTH';
        return this.fail(offset, `the name '${value.text}' would have to be resolved`, remedy);
      }
    }
  }

  /** One number: an address, or of a network its first bytes. */
  private numbered(qualifier: Qualifier, number: number, offset: number): Condition {
    let address = number;
    let mask = 0xffff_ffff;
    if (qualifier.type === 'net') {
      while (address !== 0 && address < 0x1000000) {
        address = (address << 8) >>> 0;
        mask = (mask << 8) >>> 0;
      }
    }
    return this.ip4(qualifier, address, mask, offset);
  }

  private dotted(
    qualifier: Qualifier,
    { text, length, mask: maskText }: Extract<Value, { kind: 'ip4' }>,
    offset: number,
  ): Condition {
    const prefix = ip4Prefix(text);
    if (!prefix) this.fail(offset, `'${text}' is no IPv4 address`, 'Write up to four numbers up to 255');
    if (length === null && maskText === null) return this.ip4(qualifier, prefix.address, prefixMask(prefix.bits), offset);
    if (qualifier.type !== 'net') this.fail(offset, `'${text}' has a mask but is no network`, 'Write net before it');
    if (length !== null && length > 32) this.fail(offset, `a prefix of ${length} bits`, 'IPv4 addresses have 32');
    const given = maskText === null ? null : ip4Prefix(maskText);
    if (maskText !== null && !given) this.fail(offset, `'${maskText}' is no mask`, 'Write up to four numbers up to 255');
    const mask = given ? given.address : prefixMask(length ?? 32);
    if ((prefix.address & ~mask) !== 0) this.fail(offset, `'${text}' has bits set outside its mask`, 'Set them to zero');
    return this.ip4(qualifier, prefix.address, mask, offset);
  }

  private ip4({ protocol, direction }: Qualifier, address: number, mask: number, offset: number): Condition {
    if (protocol === null) {
      const carriers: readonly Ip4Carrier[] = this.layers.mpls ? ['ip'] : ['ip', 'arp', 'rarp'];
      return or(...carriers.map((carrier) => this.ip4In(carrier, direction, address, mask, offset)));
    }
    if (protocol === 'ether')
      this.fail(offset, 'an Ethernet address is missing', 'Leave out ether, or write an address like 02:00:00:00:00:01');
    if (!Object.hasOwn(IP4_PLACES, protocol)) {
      this.fail(offset, `'${protocol}' has no IPv4 addresses`, 'Write ip, arp or rarp, or join two conditions with and');
    }
    return this.ip4In(protocol as Ip4Carrier, direction, address, mask, offset);
  }

  private ip4In(carrier: Ip4Carrier, direction: Direction | null, address: number, mask: number, offset: number): Condition {
    const { layers } = this;
    const carried = layers.carries(ETHERTYPES[carrier], offset);
    const at = (place: number) => and(carried, layers.equals(4, layers.network + place, address, mask));
    const [source, destination] = IP4_PLACES[carrier];
    return directed(
      direction,
      () => at(source),
      () => at(destination),
    );
  }

  private ip6(
    { protocol, direction, type }: Qualifier,
    { text, length }: Extract<Value, { kind: 'ip6' }>,
    offset: number,
  ): Condition {
    const words = ip6Words(text);
    if (!words) this.fail(offset, `'${text}' is no IPv6 address`, 'Write it as in RFC 4291');
    const bits = length ?? 128;
    if (bits > 128) this.fail(offset, `a prefix of ${bits} bits`, 'IPv6 addresses have 128');
    if (bits !== 128 && type !== 'net')
      this.fail(offset, `'${text}' has a prefix length but is no network`, 'Write net before it');
    const masks = words.map((_, index) => prefixMask(Math.min(32, Math.max(0, bits - 32 * index))));
    if (words.some((word, index) => (word & ~(masks[index] ?? 0)) !== 0)) {
      this.fail(offset, `'${text}' has bits set outside its prefix`, 'Set them to zero');
    }
    if (protocol !== null && protocol !== 'ip6') this.fail(offset, `'${protocol}' has no IPv6 addresses`, 'Write ip6 or nothing');
    const { layers } = this;
    const carried = layers.carries(ETHERTYPES.ip6, offset);
    const at = (place: number) =>
      and(carried, ...words.map((word, index) => layers.equals(4, layers.network + place + 4 * index, word, masks[index])));
    return directed(
      direction,
      () => at(8),
      () => at(24),
    );
  }

  private mac({ protocol, direction, type }: Qualifier, text: string, offset: number): Condition {
    if (protocol !== 'ether' || type === 'net') {
      this.fail(offset, `'${text}' is an Ethernet address`, 'Write ether host, ether src or ether dst before it');
    }
    return this.ethernet(direction, macBytes(text), offset);
  }

  private ethernet(direction: Direction | null, bytes: readonly number[], offset: number): Condition {
    const { layers } = this;
    if (layers.ppp) this.fail(offset, 'behind PPPoE there are no Ethernet addresses', 'Put the condition before pppoes');
    const number = (from: number, to: number) => bytes.slice(from, to).reduce((sum, byte) => sum * 256 + byte, 0);
    const at = (place: number) => and(layers.equals(4, place + 2, number(2, 6)), layers.equals(2, place, number(0, 2)));
    return directed(
      direction,
      () => at(6),
      () => at(0),
    );
  }

  cast(cast: 'broadcast' | 'multicast', protocol: Protocol | null, offset: number): Condition {
    const { layers } = this;
    if (protocol === null || protocol === 'ether') {
      if (cast === 'broadcast') return this.ethernet('dst', Array<number>(6).fill(255), offset);
      if (layers.ppp) this.fail(offset, 'behind PPPoE there are no Ethernet addresses', 'Put the condition before pppoes');
      return layers.compareByte('anyBit', 0, 1);
    }
    if (protocol === 'ip') {
      const carried = layers.carries(ETHERTYPES.ip, offset);
      if (cast === 'multicast') return and(carried, layers.compareByte('atLeast', layers.network + 16, 224));
      return and(carried, or(layers.equals(4, layers.network + 16, 0), layers.equals(4, layers.network + 16, 0xffff_ffff)));
    }
    if (protocol === 'ip6' && cast === 'multicast') {
      return and(layers.carries(ETHERTYPES.ip6, offset), layers.equals(1, layers.network + 24, 255));
    }
    return this.fail(offset, `'${protocol}' has no ${cast}`, 'Write ether or ip; ip6 has multicast only');
  }
}
