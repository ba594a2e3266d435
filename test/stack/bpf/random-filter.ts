/** Random filter trees for fast-check, all of them compilable but for conditions that exclude each other. */
import fc from 'fast-check';
import type { Arithmetic, Filter, Qualifier, Value } from '../../../stack/bpf/syntax.js';

const offset = 0;
const byte = fc.nat(255);
const pick = <const T>(...values: readonly T[]) => fc.constantFrom(...values);

const direction = pick(null, 'src', 'dst', 'src or dst', 'src and dst') as fc.Arbitrary<Qualifier['direction']>;

const ip4: fc.Arbitrary<Value> = fc
  .record({ bytes: fc.tuple(byte, byte, byte, byte), parts: fc.integer({ min: 2, max: 4 }) })
  .map(({ bytes, parts }) => ({ kind: 'ip4', text: bytes.slice(0, parts).join('.'), length: null, mask: null }));
const ip4Net: fc.Arbitrary<Value> = fc
  .tuple(byte, byte)
  .map(([a, b]) => ({ kind: 'ip4', text: `${a}.${b}.0.0`, length: 16, mask: null }));
const ip4Masked: fc.Arbitrary<Value> = byte.map((a) => ({ kind: 'ip4', text: `${a}.0.0.0`, length: null, mask: '255.0.0.0' }));
const ip6: fc.Arbitrary<Value> = fc
  .tuple(fc.nat(0xffff), fc.nat(0xffff))
  .map(([a, b]) => ({ kind: 'ip6', text: `${a.toString(16)}::${b.toString(16)}`, length: null }));
const mac: fc.Arbitrary<Value> = fc
  .array(byte, { minLength: 6, maxLength: 6 })
  .map((bytes) => ({ kind: 'mac', text: bytes.map((one) => one.toString(16)).join(':') }));
const number = (max: number): fc.Arbitrary<Value> => fc.nat(max).map((value) => ({ kind: 'number', value }));
const name = (...names: readonly string[]): fc.Arbitrary<Value> => pick(...names).map((text) => ({ kind: 'name', text }));

function values(
  protocols: readonly Qualifier['protocol'][],
  types: readonly Qualifier['type'][],
  value: fc.Arbitrary<Value>,
  directions = direction,
): fc.Arbitrary<Filter> {
  return fc
    .record({ protocol: pick(...protocols), direction: directions, type: pick(...types), value })
    .filter(({ direction: one, type }) => one !== null || type !== null)
    .map(({ value: one, ...qualifier }) => ({ kind: 'value', qualifier, value: one, offset }));
}

const load: fc.Memo<Arithmetic> = fc.memo((depth) =>
  fc.record({
    kind: fc.constant('load' as const),
    protocol: pick('ether', 'ip', 'ip6', 'arp', 'tcp', 'udp', 'icmp', 'icmp6', 'sctp'),
    offset: fc.constant(offset),
    index: depth > 1 ? arithmetic(depth - 1) : fc.nat(60).map((value): Arithmetic => ({ kind: 'number', value })),
    size: pick(1, 2, 4),
  }),
);
const leaf: fc.Arbitrary<Arithmetic> = fc.oneof(
  fc.nat(0xffff_ffff).map((value): Arithmetic => ({ kind: 'number', value })),
  fc.nat(64).map((value): Arithmetic => ({ kind: 'number', value })),
  fc.constant<Arithmetic>({ kind: 'length' }),
);
/** Divisions and shifts have a load on the right: constants may be refused. */
export const arithmetic: fc.Memo<Arithmetic> = fc.memo((depth) => {
  if (depth <= 1) return fc.oneof(leaf, load(1));
  const inner = arithmetic(depth - 1);
  const base = { kind: fc.constant('binary' as const), offset: fc.constant(offset), left: inner };
  return fc.oneof(
    leaf,
    load(depth),
    inner.map((operand): Arithmetic => ({ kind: 'negate', operand })),
    fc.record({ ...base, operator: pick('+', '-', '*', '&', '|', '^'), right: inner }),
    fc.record({ ...base, operator: pick('/', '%', '<<', '>>'), right: load(1) }),
  );
});

const primitive: fc.Arbitrary<Filter> = fc.oneof(
  pick(
    'ip',
    'ip6',
    'arp',
    'rarp',
    'tcp',
    'udp',
    'icmp',
    'icmp6',
    'sctp',
    'igmp',
    'pim',
    'vrrp',
    'ah',
    'esp',
    'iso',
    'ipx',
    'atalk',
    'stp',
  ).map((protocol): Filter => ({ kind: 'protocol', protocol, offset })),
  values([null, 'ip', 'arp', 'rarp'], [null, 'host', 'net'], ip4),
  values([null, 'ip', 'arp'], ['net'], fc.oneof(ip4Net, ip4Masked)),
  values([null, 'ip6'], [null, 'host', 'net'], ip6),
  values(['ether'], [null, 'host'], mac),
  values([null, 'tcp', 'udp', 'sctp'], ['port', 'portrange'], number(65535)),
  values([null], ['port'], name('http', 'domain', 'ntp')),
  values([null, 'tcp', 'udp'], ['portrange'], name('1-1023', '80-90', '50-53')),
  values([null, 'ip', 'ip6'], ['proto'], fc.oneof(number(255), name('tcp', 'gre')), fc.constant(null)),
  values(['ether'], ['proto'], fc.oneof(number(0xffff), name('ip', 'arp')), fc.constant(null)),
  fc
    .tuple(pick('broadcast', 'multicast'), pick(null, 'ether', 'ip'))
    .map(([cast, protocol]): Filter => ({ kind: 'cast', cast, protocol, offset })),
  fc.tuple(pick('less', 'greater'), fc.nat(2000)).map(([relation, value]): Filter => ({ kind: 'size', relation, value })),
  fc
    .tuple(fc.nat(70), pick('=', '<', '>'), byte)
    .map(([index, operator, value]): Filter => ({ kind: 'byte', index, operator, value })),
  fc
    .tuple(pick('<', '<=', '=', '!=', '>=', '>'), arithmetic(3), arithmetic(2))
    .map(([relation, left, right]): Filter => ({ kind: 'relation', relation, left, right })),
);

/** Nothing but vlan moves headers here: behind mpls and pppoes many conditions are refused. */
export const filters: fc.Memo<Filter> = fc.memo((depth) => {
  if (depth <= 1) return primitive;
  const inner = filters(depth - 1);
  return fc.oneof(
    primitive,
    fc.tuple(pick('and', 'or'), inner, inner).map(([kind, left, right]): Filter => ({ kind, left, right })),
    inner.map((operand): Filter => ({ kind: 'not', operand })),
    fc.option(fc.nat(4095)).map((id): Filter => ({ kind: 'shift', layer: 'vlan', id, offset })),
  );
});

/** Frames in which filters find something: of usual types, with small numbers, of any length. */
export const frames: fc.Arbitrary<Uint8Array> = fc
  .record({
    bytes: fc.uint8Array({ minLength: 0, maxLength: 120 }),
    type: pick([0x08, 0x00], [0x86, 0xdd], [0x08, 0x06], [0x81, 0x00], [0x00, 0x26]),
    inner: pick([0x08, 0x00], [0x86, 0xdd]),
    protocol: pick(1, 6, 17, 44, 58, 132),
    ports: pick([0, 80, 4, 0], [19, 196, 0, 53]),
    plain: fc.boolean(),
  })
  .map(({ bytes, type, inner, protocol, ports, plain }) => {
    const frame = Uint8Array.from(bytes);
    const set = (at: number, value: number) => {
      if (at < frame.length) frame[at] = value;
    };
    const tagged = type[0] === 0x81 ? 4 : 0;
    for (const [index, value] of type.entries()) set(12 + index, value);
    if (tagged) for (const [index, value] of inner.entries()) set(16 + index, value);
    set(14 + tagged, 0x45);
    set(20 + tagged, plain ? 0 : protocol);
    if (plain) set(21 + tagged, 0);
    set(23 + tagged, protocol);
    for (const [index, value] of ports.entries()) {
      set(34 + tagged + index, value);
      set(54 + tagged + index, value);
    }
    return frame;
  });
