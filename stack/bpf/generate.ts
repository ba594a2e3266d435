/**
 * The meaning of filter expressions: trees to conditions over bytes of a frame. Order of the tests, treatment of fragments,
 * of IPv4 options and of IPv6 (one fragment header is looked behind, no other extension header) are libpcap's, since a filter
 * must match what users know it to match. One Generator per compilation; called by compile.ts.
 */
import { and, type Condition, directed, not, or } from './conditions.js';
import type { Fail } from './error.js';
import { Hosts } from './hosts.js';
import { asCondition, Layers } from './link.js';
import { ETHERTYPES, IP_PROTOCOLS, NAMED_IP_PROTOCOLS, type Protocol, serviceNames, serviceOf, type Transport } from './names.js';
import type { Arithmetic, Filter, Qualifier, Relation } from './syntax.js';
import type { Comparison, Expression, Values } from './values.js';

type Node<Kind extends Filter['kind']> = Extract<Filter, { kind: Kind }>;
type LoadNode = Extract<Arithmetic, { kind: 'load' }>;

/** Protocols that an arithmetic load finds behind the IPv4 header. */
const BEHIND_IP4: readonly Protocol[] = ['tcp', 'udp', 'sctp', 'icmp', 'igmp', 'igrp', 'pim', 'vrrp', 'carp'];
const LINK_PAYLOADS: readonly Protocol[] = ['ip', 'ip6', 'arp', 'rarp', 'atalk', 'decnet', 'lat', 'sca', 'mopdl', 'moprc'];
const IP4_ONLY: readonly Protocol[] = ['icmp', 'igmp', 'igrp', 'vrrp', 'carp'];
const OSI_PROTOCOLS: Readonly<Record<string, number>> = { clnp: 0x81, esis: 0x82, isis: 0x83 };
const FRAGMENT_HEADER = 44;
const LARGEST_PORT = 65535;
const RELATIONS: Readonly<Record<Relation, readonly [Comparison, boolean]>> = {
  '>': ['greater', true],
  '>=': ['atLeast', true],
  '=': ['equal', true],
  '<=': ['greater', false],
  '<': ['atLeast', false],
  '!=': ['equal', false],
};

/** A number from a packet, and what must hold for it to be there. */
interface Guarded {
  readonly value: Expression;
  readonly guard: Condition;
}

export class Generator {
  private readonly layers: Layers;
  private readonly hosts: Hosts;

  constructor(
    private readonly values: Values,
    private readonly fail: Fail,
  ) {
    this.layers = new Layers(values, fail);
    this.hosts = new Hosts(this.layers, fail);
  }

  /** In the order of the text: vlan, mpls and pppoes change what stands behind them, whatever joins the two. */
  condition(node: Filter): Condition {
    switch (node.kind) {
      case 'and':
      case 'or': {
        const left = this.condition(node.left);
        const right = this.condition(node.right);
        return node.kind === 'and' ? and(left, right) : or(left, right);
      }
      case 'not':
        return not(this.condition(node.operand));
      case 'protocol':
        return this.protocol(node.protocol, node.offset);
      case 'value':
        return this.value(node);
      case 'cast':
        return this.hosts.cast(node.cast, node.protocol, node.offset);
      case 'size': {
        const length = this.values.length();
        if (node.relation === 'less') return not(this.layers.compare('greater', length, node.value));
        return this.layers.compare('atLeast', length, node.value);
      }
      case 'byte':
        return this.byte(node);
      case 'shift':
        return this.shift(node);
      case 'relation':
        return this.relation(node);
    }
  }

  private shift({ layer, id, offset }: Node<'shift'>): Condition {
    if (layer === 'vlan') return this.layers.vlan(id, offset);
    if (layer === 'mpls') return this.layers.label(id, offset);
    if (layer === 'pppoes') return this.layers.pppoeSession(id, offset);
    return this.layers.carries(0x8863, offset);
  }

  private byte({ index, operator, value }: Node<'byte'>): Condition {
    const loaded = this.values.load(1, this.layers.link + index);
    if (operator === '=') return this.layers.compare('equal', loaded, value);
    if (operator === '>') return this.layers.compare('greater', loaded, value);
    if (operator === '<') return not(this.layers.compare('atLeast', loaded, value));
    return not(this.layers.compare('equal', this.values.binary(operator, loaded, this.values.constant(value)), 0));
  }

  private protocol(protocol: Protocol, offset: number): Condition {
    if (protocol === 'ether')
      this.fail(offset, "'ether' alone says nothing", 'Add host, src, dst, proto, broadcast or multicast');
    if (protocol in ETHERTYPES) return this.layers.carries(ETHERTYPES[protocol as 'ip'], offset);
    const osi = OSI_PROTOCOLS[protocol];
    if (osi !== undefined) return this.osiProtocol(osi, offset);
    const number = IP_PROTOCOLS[protocol as 'tcp'];
    if (protocol === 'icmp6') return this.ip6Protocol(number, offset);
    return IP4_ONLY.includes(protocol) ? this.ip4Protocol(number, offset) : this.ipProtocol(number, offset);
  }

  private osiProtocol(number: number, offset: number): Condition {
    return and(this.layers.carries(ETHERTYPES.iso, offset), this.layers.equals(1, this.layers.osi, number));
  }

  private ipProtocol(number: number, offset: number): Condition {
    return or(this.ip4Protocol(number, offset), this.ip6Protocol(number, offset));
  }

  private ip4Protocol(number: number, offset: number): Condition {
    const { layers } = this;
    return and(layers.carries(ETHERTYPES.ip, offset), layers.equals(1, layers.network + 9, number));
  }

  private ip6Protocol(number: number, offset: number): Condition {
    const { layers } = this;
    const direct = layers.equals(1, layers.network + 6, number);
    const fragment = and(layers.equals(1, layers.network + 6, FRAGMENT_HEADER), layers.equals(1, layers.network + 40, number));
    return and(layers.carries(ETHERTYPES.ip6, offset), or(direct, fragment));
  }

  private value({ qualifier, value, offset }: Node<'value'>): Condition {
    const { type } = qualifier;
    if (type === 'proto') return this.protocolValue(qualifier, value, offset);
    if (type !== 'port' && type !== 'portrange') return this.hosts.condition(qualifier, value, offset);
    if (value.kind === 'number') return this.ports(qualifier, value.value, value.value, null, offset);
    if (value.kind !== 'name')
      this.fail(offset, `'${value.text}' is no port`, 'Give a number up to 65535 or the name of a service');
    if (type === 'port') {
      const { port, transport } = this.service(value.text, offset);
      return this.ports(qualifier, port, port, transport, offset);
    }
    const [first = '', last, ...more] = value.text.split('-');
    if (last === undefined || more.length > 0) this.fail(offset, `'${value.text}' is no range of ports`, 'Write FIRST-LAST');
    const from = this.service(first, offset);
    const to = this.service(last, offset);
    return this.ports(qualifier, from.port, to.port, from.transport === to.transport ? from.transport : null, offset);
  }

  private service(name: string, offset: number): { readonly port: number; readonly transport: Transport | null } {
    if (/^[0-9]+$/.test(name)) return { port: Number(name), transport: null };
    const service = serviceOf(name);
    if (!service) this.fail(offset, `no service is called '${name}'`, `Give its number; known are ${serviceNames().join(', ')}`);
    return service;
  }

  private protocolValue({ protocol }: Qualifier, value: Node<'value'>['value'], offset: number): Condition {
    const number =
      value.kind === 'number' ? value.value : value.kind === 'name' ? this.protocolNumber(protocol, value.text) : null;
    if (number === null) {
      const text = value.kind === 'number' ? '' : value.text;
      this.fail(offset, `no protocol${protocol ? ` in ${protocol}` : ''} is called '${text}'`, 'Give its number');
    }
    if (protocol === null) return this.ipProtocol(number, offset);
    if (protocol === 'ether') return this.layers.carries(number, offset);
    if (protocol === 'ip') return this.ip4Protocol(number, offset);
    if (protocol === 'ip6') return this.ip6Protocol(number, offset);
    if (protocol === 'iso') return this.osiProtocol(number, offset);
    return this.fail(
      offset,
      `'${protocol}' has no field that says what it carries`,
      'Use proto, ether proto, ip proto or ip6 proto',
    );
  }

  private protocolNumber(protocol: Protocol | null, name: string): number | null {
    const table: Readonly<Record<string, number>> =
      protocol === 'ether' ? ETHERTYPES : protocol === 'iso' ? OSI_PROTOCOLS : NAMED_IP_PROTOCOLS;
    return Object.hasOwn(table, name) ? (table[name] ?? null) : null;
  }

  private ports(qualifier: Qualifier, from: number, to: number, named: Transport | null, offset: number): Condition {
    const { protocol, direction, type } = qualifier;
    if (protocol !== null && protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
      this.fail(offset, `'${protocol}' has no ports`, 'Ports belong to tcp, udp and sctp, in IPv4 and IPv6 alike');
    }
    if (protocol && named && protocol !== named)
      this.fail(offset, `this service runs over ${named}, not ${protocol}`, 'Give its number');
    const largest = Math.max(from, to);
    if (largest > LARGEST_PORT) this.fail(offset, `the port ${largest} does not exist`, `Ports end at ${LARGEST_PORT}`);
    const transport = protocol ?? named;
    const transports: readonly Transport[] = transport ? [transport] : ['sctp', 'tcp', 'udp'];
    const ends = type === 'portrange' ? [Math.min(from, to), largest] : null;
    const { layers } = this;
    const at = (place: Expression): Condition => {
      if (!ends) return layers.compare('equal', place, from);
      return and(layers.compare('atLeast', place, ends[0] ?? 0), not(layers.compare('greater', place, ends[1] ?? 0)));
    };
    const ip6 = transports.map((one) => {
      const load = (field: number): Condition => at(this.values.load(2, layers.network + 40 + field));
      return and(
        layers.equals(1, layers.network + 6, IP_PROTOCOLS[one]),
        directed(
          direction,
          () => load(0),
          () => load(2),
        ),
      );
    });
    const ip4 = transports.map((one) => {
      const load = (field: number): Condition => at(this.behindIp4(2, field));
      const first = and(layers.equals(1, layers.network + 9, IP_PROTOCOLS[one]), this.noLaterFragment());
      return and(
        first,
        directed(
          direction,
          () => load(0),
          () => load(2),
        ),
      );
    });
    return or(and(layers.carries(ETHERTYPES.ip6, offset), or(...ip6)), and(layers.carries(ETHERTYPES.ip, offset), or(...ip4)));
  }

  /** Behind the IPv4 header with its options. */
  private behindIp4(size: number, field: number, index: Expression | null = null): Expression {
    const { values } = this;
    const header = values.header(this.layers.network);
    return values.load(size, this.layers.network + field, index ? values.binary('+', index, header) : header);
  }

  private noLaterFragment(): Condition {
    return not(this.layers.compare('anyBit', this.values.load(2, this.layers.network + 6), 0x1fff));
  }

  private relation({ relation, left, right }: Node<'relation'>): Condition {
    const a = this.arithmetic(left);
    const b = this.arithmetic(right);
    const [comparison, sense] = RELATIONS[relation];
    const tested = asCondition(this.values.test(comparison, a.value, b.value));
    return and(a.guard, b.guard, sense ? tested : not(tested));
  }

  private arithmetic(node: Arithmetic): Guarded {
    const { values } = this;
    if (node.kind === 'number') return { value: values.constant(node.value), guard: true };
    if (node.kind === 'length') return { value: values.length(), guard: true };
    if (node.kind === 'load') return this.load(node);
    if (node.kind === 'negate') {
      const { value, guard } = this.arithmetic(node.operand);
      return { value: values.negate(value), guard };
    }
    const left = this.arithmetic(node.left);
    const right = this.arithmetic(node.right);
    const { operator, offset } = node;
    if (right.value.kind === 'constant') {
      const { value } = right.value;
      if ((operator === '/' || operator === '%') && value === 0)
        this.fail(offset, 'a division by zero', 'Divide by something else');
      if ((operator === '<<' || operator === '>>') && value > 31)
        this.fail(offset, `a shift by ${value} bits`, 'Shift by at most 31');
    }
    // As libpcap has it, only the left operand's protocol is asked for.
    return { value: values.binary(operator, left.value, right.value), guard: left.guard };
  }

  private load(node: LoadNode): Guarded {
    const { protocol, offset, size } = node;
    const { layers, values } = this;
    const index = this.arithmetic(node.index);
    if (protocol === 'ether') return { value: values.load(size, layers.link, index.value), guard: index.guard };
    if (LINK_PAYLOADS.includes(protocol)) {
      return { value: values.load(size, layers.network, index.value), guard: and(index.guard, this.protocol(protocol, offset)) };
    }
    if (protocol === 'icmp6') {
      const carried = and(
        layers.carries(ETHERTYPES.ip6, offset),
        index.guard,
        layers.equals(1, layers.network + 6, IP_PROTOCOLS.icmp6),
      );
      return { value: values.load(size, layers.network + 40, index.value), guard: carried };
    }
    if (!BEHIND_IP4.includes(protocol)) {
      this.fail(offset, `'${protocol}' has no bytes to look at`, 'Use ether, ip, ip6, arp, tcp, udp, icmp, icmp6 …');
    }
    const guard = and(
      layers.carries(ETHERTYPES.ip, offset),
      index.guard,
      this.protocol(protocol, offset),
      this.noLaterFragment(),
    );
    const { value } = index;
    if (value.kind === 'constant') return { value: this.behindIp4(size, value.value), guard };
    return { value: this.behindIp4(size, 0, value), guard };
  }
}
