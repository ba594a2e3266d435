/**
 * Filter expressions (pcap-filter(7)) as trees. `and` and `or` bind equally and to the left, `not` tighter; a value without a
 * qualifier takes that of the value before it. Pure; called by compile.ts.
 */

import { ArithmeticParser, DEPTH, NotArithmetic } from './arithmetic-parser.js';
import type { Fail } from './error.js';
import type { Token } from './lexer.js';
import { CONSTANTS, PROTOCOL_ALIASES, PROTOCOLS } from './names.js';
import type { Direction, Filter, Qualifier, Relation, Value, ValueType } from './syntax.js';

const TYPES: readonly string[] = ['host', 'net', 'port', 'portrange'];
const RELATIONS: Readonly<Record<string, Relation>> = {
  '<': '<',
  '<=': '<=',
  '=': '=',
  '==': '=',
  '!=': '!=',
  '>=': '>=',
  '>': '>',
};
/** What pcap-filter(7) knows and this language refuses, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  protochain: 'it needs a program with loops; `proto` looks at the first header',
  gateway: 'it needs the Ethernet address that belongs to a name; write `ether host` and `not host`',
  geneve: 'write `udp port 6081`',
  inbound: 'a capture does not tell the direction',
  outbound: 'a capture does not tell the direction',
  ifindex: 'a packet here has no interface',
  ifname: 'a packet here has no interface',
  on: 'a packet here has no interface',
  llc: 'write `ether[12:2] <= 1500` and look at the bytes behind it',
  wlan: 'frames here are Ethernet',
  radio: 'frames here are Ethernet',
};
const RESERVED = new Set([
  ...PROTOCOLS,
  ...Object.keys(PROTOCOL_ALIASES),
  ...TYPES,
  ...Object.keys(REFUSED),
  ...['src', 'dst', 'proto', 'mask', 'less', 'greater', 'byte', 'broadcast', 'multicast', 'and', 'or', 'not', 'len', 'length'],
  ...['vlan', 'mpls', 'pppoes', 'pppoed'],
]);
/** Longest chain of `and` and `or`: trees lean to the left, and functions over them recurse. */
const TERMS = 250;

class Parser extends ArithmeticParser {
  private terms = 0;
  private carried: Qualifier | null = null;

  whole(): Filter | null {
    if (this.token().type === 'end') return null;
    const filter = this.expression();
    const { type, offset, text } = this.token();
    if (type !== 'end') this.fail(offset, `'${text}' is not expected here`, 'Put `and` or `or` between two conditions');
    return filter;
  }

  private expression(): Filter {
    let left = this.term();
    for (;;) {
      const operator = this.takes('and', '&&', 'or', '||');
      if (!operator) return left;
      if (++this.terms > TERMS) this.fail(operator.offset, `more than ${TERMS} conditions`, 'Use networks and ranges');
      const kind = operator.text === 'and' || operator.text === '&&' ? 'and' : 'or';
      left = { kind, left, right: this.term() };
    }
  }

  private term(): Filter {
    const { offset } = this.token();
    if (this.depth++ > DEPTH) this.fail(offset, `more than ${DEPTH} nested conditions`, 'Write it flatter');
    const filter = this.innerTerm();
    this.depth--;
    return filter;
  }

  private innerTerm(): Filter {
    if (this.takes('not', '!')) return { kind: 'not', operand: this.term() };
    const relation = this.relation();
    if (relation) {
      this.carried = null;
      return relation;
    }
    if (this.takes('(')) {
      const carried = this.carried;
      const inner = this.expression();
      this.expect(')');
      this.carried = carried;
      return inner;
    }
    const token = this.token();
    if (token.type === 'word' && RESERVED.has(token.text)) return this.keyword(token);
    if (token.type === 'end') this.fail(token.offset, 'a condition is missing', 'Give one, for example `tcp port 80`');
    const qualifier = this.carried;
    if (!qualifier) {
      const remedy = 'Say what it is: host, net, port, portrange, proto, with src or dst before it if need be';
      this.fail(token.offset, `'${token.text}' has no qualifier`, remedy);
    }
    return this.value(qualifier);
  }

  private keyword(token: Token): Filter {
    const refused = Object.hasOwn(REFUSED, token.text) ? REFUSED[token.text] : undefined;
    if (refused) this.fail(token.offset, `'${token.text}' is not supported`, refused[0]?.toUpperCase() + refused.slice(1));
    const other = this.other(token);
    if (other) {
      this.carried = null;
      return other;
    }
    return this.qualified(token);
  }

  /** Conditions that are no value with a qualifier. */
  private other({ text, offset }: Token): Filter | null {
    if (this.takes('less', 'greater')) return { kind: 'size', relation: text as 'less' | 'greater', value: this.number() };
    if (this.takes('byte')) {
      const index = this.number();
      const operator = this.takes('=', '<', '>', '&', '|');
      if (!operator) return this.fail(this.token().offset, "'byte' lacks its operator", 'Write =, <, >, & or | after the offset');
      return { kind: 'byte', index, operator: operator.text as '=', value: this.number() };
    }
    if (!this.takes('vlan', 'mpls', 'pppoes', 'pppoed')) return null;
    const id = text !== 'pppoed' && this.numberFollows() ? this.number() : null;
    return { kind: 'shift', layer: text as 'vlan', id, offset };
  }

  /** [protocol] then broadcast, multicast, or [direction] [type] and a value; or a protocol alone. */
  private qualified({ offset }: Token): Filter {
    const protocol = this.protocol();
    const cast = this.takes('broadcast', 'multicast');
    if (cast) {
      this.carried = null;
      return { kind: 'cast', cast: cast.text as 'broadcast', protocol, offset };
    }
    const direction = this.direction();
    const { text, type: sort, offset: at } = this.token();
    const refused = sort === 'word' && Object.hasOwn(REFUSED, text) ? REFUSED[text] : undefined;
    if (refused) this.fail(at, `'${text}' is not supported`, refused[0]?.toUpperCase() + refused.slice(1));
    const type = (this.takes(...TYPES, ...(direction ? [] : ['proto']))?.text ?? null) as ValueType | null;
    if (protocol && !direction && !type) {
      this.carried = null;
      return { kind: 'protocol', protocol, offset };
    }
    if (!direction && !type)
      this.fail(offset, `'${text}' is not expected here`, 'A condition starts with a protocol, src, dst, host, net, port …');
    this.carried = { protocol, direction, type };
    return this.values(this.carried);
  }

  private direction(): Direction | null {
    const first = this.takes('src', 'dst');
    if (!first) return null;
    const joined = ['and', '&&'].some((text) => this.is(text)) ? 'and' : ['or', '||'].some((text) => this.is(text)) ? 'or' : null;
    if (!joined || !['src', 'dst'].some((text) => this.is(text, 1))) return first.text as Direction;
    if (this.is(first.text, 1))
      this.fail(this.token(1).offset, `'${first.text}' stands on both sides`, 'Write src or dst, src and dst');
    this.next += 2;
    return `src ${joined} dst`;
  }

  /** A value, or values in parentheses, behind a qualifier. */
  private values(qualifier: Qualifier): Filter {
    if (this.takes('not', '!')) return { kind: 'not', operand: this.values(qualifier) };
    const { offset } = this.token();
    if (!this.takes('(')) return this.value(qualifier);
    if (this.depth++ > DEPTH) this.fail(offset, `more than ${DEPTH} nested conditions`, 'Write it flatter');
    let left = this.values(qualifier);
    for (;;) {
      const operator = this.takes('and', '&&', 'or', '||');
      if (!operator) break;
      left = { kind: operator.text === 'and' || operator.text === '&&' ? 'and' : 'or', left, right: this.values(qualifier) };
    }
    this.expect(')');
    this.depth--;
    return left;
  }

  private value(qualifier: Qualifier): Filter {
    const { offset } = this.token();
    return { kind: 'value', qualifier, value: this.plainValue(), offset };
  }

  private plainValue(): Value {
    const { type, text, offset } = this.token();
    if (type === 'number' || (type === 'word' && Object.hasOwn(CONSTANTS, text))) return { kind: 'number', value: this.number() };
    if (type === 'word' && RESERVED.has(text)) {
      this.fail(offset, `the keyword '${text}' stands where a value must`, `Write \\${text} to mean the name`);
    }
    if (type === 'end' || type === 'operator') {
      this.fail(offset, `a value is missing${text ? ` before '${text}'` : ''}`, 'Give an address, a network, a number or a name');
    }
    this.next++;
    if (type === 'mac') return { kind: 'mac', text };
    if (type === 'ip6') return { kind: 'ip6', text, length: this.prefixLength() };
    if (type !== 'ip4') return { kind: 'name', text };
    if (!this.takes('mask')) return { kind: 'ip4', text, length: this.prefixLength(), mask: null };
    const mask = this.token();
    if (mask.type !== 'ip4') this.fail(mask.offset, 'a mask is missing', 'Write it like an address, for example 255.255.0.0');
    this.next++;
    return { kind: 'ip4', text, length: null, mask: mask.text };
  }

  private prefixLength(): number | null {
    return this.takes('/') ? this.number() : null;
  }

  /** An arithmetic relation if one starts here. */
  private relation(): Filter | null {
    const indexed = this.token().type === 'word' && this.is('[', 1);
    const may = this.is('(') || this.is('-') || this.is('len') || this.is('length') || this.numberFollows() || indexed;
    if (!may) return null;
    const { next, depth } = this;
    try {
      const left = this.arithmetic(0);
      const relation = this.token().type === 'operator' ? RELATIONS[this.token().text] : undefined;
      if (relation === undefined) {
        if (indexed) this.fail(this.token().offset, 'a comparison is missing', 'Compare it: = != < <= > >=');
        throw new NotArithmetic();
      }
      this.next++;
      return { kind: 'relation', relation, left, right: this.rightSide() };
    } catch (error) {
      if (!(error instanceof NotArithmetic)) throw error;
      Object.assign(this, { next, depth });
      return null;
    }
  }
}

/** The tree of an expression; null when it is empty, which every packet matches. */
export function parseFilter(text: string, fail: Fail): Filter | null {
  return new Parser(text, fail).whole();
}
