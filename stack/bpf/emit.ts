/**
 * Graphs of tests to bytecode. A value that A or X holds on every way into a test is not computed again; intermediate values
 * go through X, or the scratch memory where X is taken. Pure; called by compile.ts.
 */

import type { Instruction } from './bytecode.js';
import * as bpf from './bytecode.js';
import { ordered, type Target, type TestNode } from './graph.js';
import type { ArithmeticOperator } from './syntax.js';
import type { Comparison, Expression } from './values.js';

const SIZES: Readonly<Record<number, number>> = { 1: bpf.BYTE, 2: bpf.HALF, 4: bpf.WORD };
const OPERATORS: Readonly<Record<ArithmeticOperator, number>> = {
  '+': bpf.ADD,
  '-': bpf.SUB,
  '*': bpf.MUL,
  '/': bpf.DIV,
  '%': bpf.MOD,
  '&': bpf.AND,
  '|': bpf.OR,
  '^': bpf.XOR,
  '<<': bpf.LSH,
  '>>': bpf.RSH,
};
const JUMPS: Readonly<Record<Comparison, number>> = { equal: bpf.JEQ, greater: bpf.JGT, atLeast: bpf.JGE, anyBit: bpf.JSET };
/** What tcpdump returns for a match: more bytes than any packet has. */
const WHOLE_PACKET = 262144;
const LONGEST_JUMP = 255;

/** What the registers hold, by the number of the value; null = nobody knows. */
interface Registers {
  readonly a: number | null;
  readonly x: number | null;
}

/** The value needs X on its way into A. */
function usesX(expression: Expression): boolean {
  if (expression.kind === 'header') return true;
  if (expression.kind === 'load') return expression.index !== null;
  if (expression.kind === 'negate') return usesX(expression.operand);
  return expression.kind === 'binary' && (expression.right.kind !== 'constant' || usesX(expression.left));
}

/** The value gets into X without passing A. */
const direct = (expression: Expression): boolean => ['constant', 'length', 'header'].includes(expression.kind);

/** The instructions of one test, without its jump. */
class Block {
  readonly code: Instruction[] = [];
  private words = 0;

  constructor(
    public a: number | null,
    public x: number | null,
    private readonly outOfMemory: () => never,
  ) {}

  private put(code: number, k = 0): void {
    this.code.push({ code, jt: 0, jf: 0, k });
  }

  test({ test }: TestNode): { readonly code: number; readonly k: number } {
    const code = bpf.JMP | JUMPS[test.comparison];
    if (test.right.kind === 'constant') {
      this.intoA(test.left);
      return { code, k: test.right.value };
    }
    this.both(test.left, test.right);
    return { code: code | bpf.X, k: 0 };
  }

  private intoA(value: Expression): void {
    if (this.a === value.id) return;
    if (this.x === value.id) this.put(bpf.MISC | bpf.TXA);
    else this.compute(value);
    this.a = value.id;
  }

  private compute(value: Expression): void {
    switch (value.kind) {
      case 'constant':
        this.put(bpf.LD | bpf.IMM, value.value);
        break;
      case 'length':
        this.put(bpf.LD | bpf.WORD | bpf.LEN);
        break;
      case 'load':
        if (value.index !== null) this.intoX(value.index);
        this.put(bpf.LD | (SIZES[value.size] ?? 0) | (value.index === null ? bpf.ABS : bpf.IND), value.offset);
        break;
      case 'header':
        this.intoX(value);
        this.put(bpf.MISC | bpf.TXA);
        break;
      case 'negate':
        this.intoA(value.operand);
        this.put(bpf.ALU | bpf.NEG);
        break;
      case 'binary':
        if (value.right.kind === 'constant') {
          this.intoA(value.left);
          this.put(bpf.ALU | OPERATORS[value.operator], value.right.value);
          break;
        }
        this.both(value.left, value.right);
        this.put(bpf.ALU | OPERATORS[value.operator] | bpf.X);
        break;
    }
  }

  private intoX(value: Expression): void {
    if (this.x === value.id) return;
    if (value.kind === 'constant') this.put(bpf.LDX | bpf.IMM, value.value);
    else if (value.kind === 'length') this.put(bpf.LDX | bpf.WORD | bpf.LEN);
    else if (value.kind === 'header') this.put(bpf.LDX | bpf.BYTE | bpf.MSH, value.offset);
    else {
      this.intoA(value);
      this.put(bpf.MISC | bpf.TAX);
    }
    this.x = value.id;
  }

  /** One value into A, the other into X. */
  private both(left: Expression, right: Expression): void {
    const ready = this.x === right.id && (!usesX(left) || this.a === left.id);
    if (direct(right) || ready) {
      this.intoA(left);
      this.intoX(right);
    } else if (!usesX(left)) {
      this.intoX(right);
      this.intoA(left);
    } else this.throughMemory(left, right);
  }

  private throughMemory(left: Expression, right: Expression): void {
    if (this.words === bpf.MEMORY_WORDS) this.outOfMemory();
    const word = this.words++;
    this.intoA(left);
    this.put(bpf.ST, word);
    this.intoX(right);
    this.put(bpf.LD | bpf.MEM, word);
    this.a = left.id;
    this.words--;
  }
}

type Exits = Map<Target, Registers[]>;

function agreed(states: readonly Registers[] | undefined): Registers {
  const [first, ...rest] = states ?? [];
  if (!first) return { a: null, x: null };
  return {
    a: rest.every(({ a }) => a === first.a) ? first.a : null,
    x: rest.every(({ x }) => x === first.x) ? first.x : null,
  };
}

/** Every way ends in one of the two last instructions. `outOfMemory` ends the compilation. */
export function emit(start: Target, outOfMemory: () => never): readonly Instruction[] {
  const matches: Instruction = { code: bpf.RET, jt: 0, jf: 0, k: WHOLE_PACKET };
  if (typeof start === 'boolean') return [start ? matches : { ...matches, k: 0 }];
  const nodes = ordered(start);
  const into: Exits = new Map();
  const blocks = nodes.map((node) => {
    const before = agreed(into.get(node));
    const block = new Block(before.a, before.x, outOfMemory);
    const jump = block.test(node);
    for (const target of [node.yes, node.no]) into.set(target, [...(into.get(target) ?? []), { a: block.a, x: block.x }]);
    return { node, jump, code: block.code };
  });
  // From the end, where all targets of a jump are known: positions count instructions up to the end.
  const program: Instruction[] = [{ ...matches, k: 0 }, matches];
  const places = new Map<Target, number>([
    [false, 1],
    [true, 2],
  ]);
  for (const { node, jump, code } of blocks.reverse()) {
    const distance = (target: Target): number => program.length - (places.get(target) ?? 0);
    const near = (target: Target): number => {
      if (distance(target) <= LONGEST_JUMP - 1) return distance(target);
      program.push({ code: bpf.JMP | bpf.JA, jt: 0, jf: 0, k: distance(target) });
      return 0;
    };
    const before = program.length;
    near(node.yes);
    const long = program.length - before;
    near(node.no);
    const steps = program.length - before - long;
    const jt = long ? steps : distance(node.yes);
    const jf = steps ? 0 : distance(node.no);
    program.push({ code: jump.code, jt, jf, k: jump.k }, ...code.reverse());
    places.set(node, program.length);
  }
  return program.reverse();
}
