/** Conditions on a packet: tests joined by and, or, not, tried from left to right. Pure data; made by generate.ts. */
import type { Direction } from './syntax.js';
import type { Test } from './values.js';

export type Condition =
  | boolean
  | { readonly kind: 'test'; readonly test: Test }
  | { readonly kind: 'not'; readonly operand: Condition }
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition };

export function not(operand: Condition): Condition {
  return typeof operand === 'boolean' ? !operand : { kind: 'not', operand };
}

function joined(kind: 'and' | 'or', conditions: readonly Condition[]): Condition {
  const neutral = kind === 'and';
  let result: Condition = neutral;
  for (const condition of conditions) {
    if (result === neutral) result = condition;
    else if (result === !neutral || condition === !neutral) result = !neutral;
    else if (condition !== neutral) result = { kind, left: result, right: condition };
  }
  return result;
}

export const and = (...conditions: readonly Condition[]): Condition => joined('and', conditions);
export const or = (...conditions: readonly Condition[]): Condition => joined('or', conditions);

/** Source, destination, one of them or both; libpcap looks at the source first. */
export function directed(direction: Direction | null, source: () => Condition, destination: () => Condition): Condition {
  if (direction === 'src') return source();
  if (direction === 'dst') return destination();
  return direction === 'src and dst' ? and(source(), destination()) : or(source(), destination());
}
