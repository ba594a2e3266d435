/**
 * What a filter computes from a packet, as a tree with each distinct value once: equal values have the same object, so that
 * a test on a value already looked at is recognised. 32-bit unsigned. Constants are folded as far as that drops no load.
 */
import type { ArithmeticOperator } from './syntax.js';

export type Expression =
  | { readonly id: number; readonly kind: 'constant'; readonly value: number }
  | { readonly id: number; readonly kind: 'length' }
  /** Big-endian; at `offset`, plus the value of `index`. */
  | {
      readonly id: number;
      readonly kind: 'load';
      readonly size: number;
      readonly offset: number;
      readonly index: Expression | null;
    }
  /** 4 * (byte at `offset` & 15): an IPv4 header length. */
  | { readonly id: number; readonly kind: 'header'; readonly offset: number }
  | { readonly id: number; readonly kind: 'negate'; readonly operand: Expression }
  | {
      readonly id: number;
      readonly kind: 'binary';
      readonly operator: ArithmeticOperator;
      readonly left: Expression;
      readonly right: Expression;
    };

export type Comparison = 'equal' | 'greater' | 'atLeast' | 'anyBit';

/** A test of a value, true or false for a packet; a load beyond the packet ends the filter instead. */
export interface Test {
  readonly id: number;
  readonly comparison: Comparison;
  readonly left: Expression;
  readonly right: Expression;
}

export const COMMUTATIVE: readonly ArithmeticOperator[] = ['+', '*', '&', '|', '^'];
/** (a op b) op c = a op (b op c) for these. */
const ASSOCIATIVE = COMMUTATIVE;

export function calculate(operator: ArithmeticOperator, left: number, right: number): number {
  switch (operator) {
    case '+':
      return (left + right) >>> 0;
    case '-':
      return (left - right) >>> 0;
    case '*':
      return Math.imul(left, right) >>> 0;
    case '/':
      return Math.floor(left / right) >>> 0;
    case '%':
      return left % right;
    case '&':
      return (left & right) >>> 0;
    case '|':
      return (left | right) >>> 0;
    case '^':
      return (left ^ right) >>> 0;
    case '<<':
      return right > 31 ? 0 : (left << right) >>> 0;
    case '>>':
      return right > 31 ? 0 : left >>> right;
  }
}

export function compares(comparison: Comparison, left: number, right: number): boolean {
  if (comparison === 'equal') return left === right;
  if (comparison === 'greater') return left > right;
  if (comparison === 'atLeast') return left >= right;
  return (left & right) !== 0;
}

/** A value that is `operand` again, whatever the packet. */
function changesNothing(operator: ArithmeticOperator, right: number): boolean {
  if (['+', '-', '|', '^', '<<', '>>'].includes(operator)) return right === 0;
  return operator === '&' ? right === 0xffff_ffff : right === 1 && operator !== '%';
}

export class Values {
  private readonly known = new Map<string, Expression>();
  private readonly tests = new Map<string, Test>();

  private make(key: string, expression: Record<string, unknown>): Expression {
    const found = this.known.get(key);
    if (found) return found;
    const made = { ...expression, id: this.known.size } as Expression;
    this.known.set(key, made);
    return made;
  }

  constant(value: number): Expression {
    return this.make(`c${value >>> 0}`, { kind: 'constant', value: value >>> 0 });
  }

  length(): Expression {
    return this.make('n', { kind: 'length' });
  }

  load(size: number, offset: number, index: Expression | null = null): Expression {
    if (index?.kind === 'constant') return this.load(size, (offset + index.value) >>> 0);
    return this.make(`l${size},${offset},${index?.id ?? ''}`, { kind: 'load', size, offset, index });
  }

  header(offset: number): Expression {
    return this.make(`h${offset}`, { kind: 'header', offset });
  }

  negate(operand: Expression): Expression {
    if (operand.kind === 'constant') return this.constant(-operand.value);
    return this.make(`-${operand.id}`, { kind: 'negate', operand });
  }

  binary(operator: ArithmeticOperator, left: Expression, right: Expression): Expression {
    if (left.kind === 'constant') {
      if (right.kind === 'constant') return this.constant(calculate(operator, left.value, right.value));
      if (COMMUTATIVE.includes(operator)) return this.binary(operator, right, left);
    }
    if (right.kind === 'constant') {
      if (changesNothing(operator, right.value)) return left;
      if (right.value === 0 && (operator === '&' || operator === '*')) return this.constant(0);
      if (
        left.kind === 'binary' &&
        left.operator === operator &&
        left.right.kind === 'constant' &&
        ASSOCIATIVE.includes(operator)
      ) {
        return this.binary(operator, left.left, this.constant(calculate(operator, left.right.value, right.value)));
      }
    }
    return this.make(`${left.id}${operator}${right.id}`, { kind: 'binary', operator, left, right });
  }

  /** A test of two values; `sense` false: its answer is to be turned round. Or the answer, where it is the same for every packet. */
  test(comparison: Comparison, left: Expression, right: Expression, sense = true): Tested {
    if (left.kind === 'constant') {
      if (right.kind === 'constant') return compares(comparison, left.value, right.value) === sense;
      if (comparison === 'greater') return this.test('atLeast', right, left, !sense);
      if (comparison === 'atLeast') return this.test('greater', right, left, !sense);
      return this.test(comparison, right, left, sense);
    }
    if (comparison === 'equal' && right.kind === 'constant' && left.kind === 'binary' && left.right.kind === 'constant') {
      const { operator, right: own } = left;
      if (operator === '&' && right.value === 0) return this.test('anyBit', left.left, own, !sense);
      if (operator === '+') return this.test('equal', left.left, this.binary('-', right, own), sense);
      if (operator === '-') return this.test('equal', left.left, this.binary('+', right, own), sense);
    }
    const key = `${comparison} ${left.id} ${right.id}`;
    const test = this.tests.get(key) ?? { id: this.tests.size, comparison, left, right };
    this.tests.set(key, test);
    return { test, sense };
  }
}

export type Tested = boolean | { readonly test: Test; readonly sense: boolean };
