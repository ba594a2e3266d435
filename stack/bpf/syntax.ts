/** Filter expressions as trees, and their text. Every node knows where it stood. Pure data; made by parser.ts. */
import type { Protocol } from './names.js';

export type Direction = 'src' | 'dst' | 'src or dst' | 'src and dst';
export type ValueType = 'host' | 'net' | 'port' | 'portrange' | 'proto';

/** What a value means; carried over to the next value where none is written. */
export interface Qualifier {
  readonly protocol: Protocol | null;
  readonly direction: Direction | null;
  readonly type: ValueType | null;
}

export type Value =
  | { readonly kind: 'number'; readonly value: number }
  /** An IPv4 address or the first bytes of one; `bits` from a length or a mask. */
  | { readonly kind: 'ip4'; readonly text: string; readonly length: number | null; readonly mask: string | null }
  | { readonly kind: 'ip6'; readonly text: string; readonly length: number | null }
  | { readonly kind: 'mac'; readonly text: string }
  | { readonly kind: 'name'; readonly text: string };

export type Arithmetic =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'length' }
  | { readonly kind: 'negate'; readonly operand: Arithmetic }
  | {
      readonly kind: 'binary';
      readonly operator: ArithmeticOperator;
      readonly offset: number;
      readonly left: Arithmetic;
      readonly right: Arithmetic;
    }
  | {
      readonly kind: 'load';
      readonly protocol: Protocol;
      readonly offset: number;
      readonly index: Arithmetic;
      readonly size: number;
    };

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '<<' | '>>';
export type Relation = '<' | '<=' | '=' | '!=' | '>=' | '>';

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly kind: 'not'; readonly operand: Filter }
  | { readonly kind: 'protocol'; readonly protocol: Protocol; readonly offset: number }
  | { readonly kind: 'value'; readonly qualifier: Qualifier; readonly value: Value; readonly offset: number }
  | {
      readonly kind: 'cast';
      readonly cast: 'broadcast' | 'multicast';
      readonly protocol: Protocol | null;
      readonly offset: number;
    }
  | { readonly kind: 'size'; readonly relation: 'less' | 'greater'; readonly value: number }
  | { readonly kind: 'byte'; readonly index: number; readonly operator: '=' | '<' | '>' | '&' | '|'; readonly value: number }
  /** What moves the headers behind it. */
  | {
      readonly kind: 'shift';
      readonly layer: 'vlan' | 'mpls' | 'pppoes' | 'pppoed';
      readonly id: number | null;
      readonly offset: number;
    }
  | { readonly kind: 'relation'; readonly relation: Relation; readonly left: Arithmetic; readonly right: Arithmetic };

function valueText(value: Value): string {
  if (value.kind === 'number') return String(value.value);
  if (value.kind === 'ip4' && value.mask !== null) return `${value.text} mask ${value.mask}`;
  if ((value.kind === 'ip4' || value.kind === 'ip6') && value.length !== null) return `${value.text}/${value.length}`;
  return value.kind === 'name' ? `\\${value.text}` : value.text;
}

function arithmeticText(node: Arithmetic): string {
  switch (node.kind) {
    case 'number':
      return String(node.value);
    case 'length':
      return 'len';
    case 'negate':
      return `(- ${arithmeticText(node.operand)})`;
    case 'binary':
      return `(${arithmeticText(node.left)} ${node.operator} ${arithmeticText(node.right)})`;
    case 'load':
      return `${node.protocol}[${arithmeticText(node.index)} : ${node.size}]`;
  }
}

/** Text that parses to the same tree, every qualifier and parenthesis written out. */
export function filterText(node: Filter): string {
  switch (node.kind) {
    case 'and':
    case 'or':
      return `(${filterText(node.left)}) ${node.kind} (${filterText(node.right)})`;
    case 'not':
      return `not (${filterText(node.operand)})`;
    case 'protocol':
      return node.protocol;
    case 'value': {
      const { protocol, direction, type } = node.qualifier;
      return [protocol, direction, type, valueText(node.value)].filter((word) => word !== null).join(' ');
    }
    case 'cast':
      return [node.protocol, node.cast].filter((word) => word !== null).join(' ');
    case 'size':
      return `${node.relation} ${node.value}`;
    case 'byte':
      return `byte ${node.index} ${node.operator} ${node.value}`;
    case 'shift':
      return node.id === null ? node.layer : `${node.layer} ${node.id}`;
    case 'relation':
      return `${arithmeticText(node.left)} ${node.relation} ${arithmeticText(node.right)}`;
  }
}
