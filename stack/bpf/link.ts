/**
 * Where headers lie and what says which protocol follows: Ethernet, and what `vlan`, `mpls` and `pppoes` make of it for the
 * conditions written behind them. The rules are libpcap's. One Layers per compilation; used by generate.ts.
 */
import { and, type Condition, not, or } from './conditions.js';
import type { Fail } from './error.js';
import { ETHERTYPES } from './names.js';
import type { Comparison, Expression, Tested, Values } from './values.js';

export const asCondition = (tested: Tested): Condition => {
  if (typeof tested === 'boolean') return tested;
  const condition: Condition = { kind: 'test', test: tested.test };
  return tested.sense ? condition : not(condition);
};

/** Largest IEEE 802.3 length; what is larger is an EtherType. */
const LARGEST_LENGTH = 1500;
/** EtherTypes as PPP protocols (RFC 1661 and its kin). */
const PPP_TYPES: Readonly<Record<number, number>> = {
  [ETHERTYPES.ip]: 0x21,
  [ETHERTYPES.ip6]: 0x57,
  [ETHERTYPES.iso]: 0x23,
  [ETHERTYPES.decnet]: 0x27,
  [ETHERTYPES.atalk]: 0x29,
  [ETHERTYPES.ipx]: 0x2b,
  [ETHERTYPES.stp]: 0x31,
  34887: 0x281,
};

export class Layers {
  /** Frame offsets of the link header, of the type field in it, and of what it carries. */
  link = 0;
  private type = 12;
  private payload = 14;
  /** Behind MPLS labels the network header lies this much further. */
  private labels = 0;
  /** IEEE 802.2 header before an OSI network header. */
  private osiHeader = 3;
  ppp = false;

  constructor(
    private readonly values: Values,
    private readonly fail: Fail,
  ) {}

  get mpls(): boolean {
    return this.labels > 0;
  }

  get network(): number {
    return this.payload + this.labels * 4;
  }

  get osi(): number {
    return this.payload + this.labels * 4 + this.osiHeader;
  }

  compare(comparison: Comparison, left: Expression, value: number): Condition {
    return asCondition(this.values.test(comparison, left, this.values.constant(value)));
  }

  compareByte(comparison: Comparison, offset: number, value: number): Condition {
    return this.compare(comparison, this.values.load(1, offset), value);
  }

  /** The bytes at `offset` of the frame, under a mask, are `value`. */
  equals(size: number, offset: number, value: number, mask = 0xffff_ffff): Condition {
    const loaded = this.values.load(size, offset);
    return this.compare('equal', this.values.binary('&', loaded, this.values.constant(mask)), value);
  }

  /** The link layer says that `type` follows: an EtherType, or up to 1500 an IEEE 802.2 service access point. */
  carries(type: number, offset: number): Condition {
    if (this.labels > 0) return this.labelsCarry(type, offset);
    if (this.ppp) return this.equals(2, this.type, PPP_TYPES[type] ?? type);
    const isLength = not(this.compare('greater', this.values.load(2, this.type), LARGEST_LENGTH));
    const snap = (organisation: number): Condition =>
      and(
        this.equals(4, this.payload + 4, ((organisation << 16) | type) >>> 0),
        this.equals(4, this.payload, 0xaaaa0300 + (organisation >>> 16)),
      );
    if (type === ETHERTYPES.iso || type === ETHERTYPES.netbeui)
      return and(isLength, this.equals(2, this.payload, (type << 8) | type));
    if (type === ETHERTYPES.ipx) {
      const novell = or(this.equals(1, this.payload, ETHERTYPES.ipx), this.equals(2, this.payload, 0xffff));
      const snapped = and(this.equals(4, this.payload + 4, 0x8137), this.equals(4, this.payload, 0xaaaa0300));
      return or(this.equals(2, this.type, 0x8137), and(isLength, or(snapped, novell)));
    }
    if (type === ETHERTYPES.atalk) return or(this.equals(2, this.type, type), and(isLength, this.appleSnap()));
    if (type === ETHERTYPES.aarp) return or(this.equals(2, this.type, type), and(isLength, snap(0)));
    if (type <= LARGEST_LENGTH) return and(isLength, this.equals(1, this.payload, type));
    return this.equals(2, this.type, type);
  }

  /** AppleTalk's organisation code is 08-00-07. */
  private appleSnap(): Condition {
    return and(this.equals(4, this.payload + 4, 0x0007809b), this.equals(4, this.payload, 0xaaaa0308));
  }

  /** Labels do not say what they carry: the last one's mark, then the IP version. */
  private labelsCarry(type: number, offset: number): Condition {
    const version = type === ETHERTYPES.ip ? 0x40 : type === ETHERTYPES.ip6 ? 0x60 : 0;
    if (!version) this.fail(offset, 'only IPv4 and IPv6 are known behind MPLS', 'Put the condition before mpls');
    return and(this.equals(1, this.network - 2, 1, 1), this.equals(1, this.network, version, 0xf0));
  }

  vlan(id: number | null, offset: number): Condition {
    if (this.labels > 0) this.fail(offset, 'no VLAN tag follows MPLS labels', 'Put vlan before mpls');
    if (this.ppp) this.fail(offset, 'no VLAN tag follows a PPPoE header', 'Put vlan before pppoes');
    if (id !== null && id > 4095) this.fail(offset, `the VLAN ${id} does not exist`, 'VLAN identifiers end at 4095');
    const tagged = or(this.equals(2, this.type, 0x8100), this.equals(2, this.type, 0x88a8), this.equals(2, this.type, 0x9100));
    const condition = id === null ? tagged : and(tagged, this.equals(2, this.payload, id, 0x0fff));
    this.type += 4;
    this.payload += 4;
    return condition;
  }

  label(id: number | null, offset: number): Condition {
    if (id !== null && id > 0xfffff) this.fail(offset, `the MPLS label ${id} does not exist`, 'Labels end at 1048575');
    const labelled = this.labels > 0 ? this.equals(1, this.network - 2, 0, 1) : this.carries(0x8847, offset);
    const condition = id === null ? labelled : and(labelled, this.equals(4, this.network, (id << 12) >>> 0, 0xfffff000));
    this.labels++;
    return condition;
  }

  pppoeSession(id: number | null, offset: number): Condition {
    if (id !== null && id > 0xffff) this.fail(offset, `the PPPoE session ${id} does not exist`, 'Sessions end at 65535');
    const carried = this.carries(0x8864, offset);
    const condition = id === null ? carried : and(carried, this.equals(4, this.payload, id, 0xffff));
    // Behind the six bytes of PPPoE stands a PPP protocol of two.
    this.link = this.network + 6;
    this.type = this.link;
    this.payload = this.link + 2;
    this.labels = 0;
    this.osiHeader = 0;
    this.ppp = true;
    return condition;
  }
}
