/**
 * A third reading of BPF programs, as plain as can be: the interpreter that the native ones and the shaders are compared with,
 * and programs as tcpdump prints them. Only tests may import this.
 */

import type { Instruction } from '../../stack/bpf/bytecode.js';
import * as bpf from '../../stack/bpf/bytecode.js';

function load(frame: Uint8Array, size: number, at: number): number | null {
  if (at + size > frame.length) return null;
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (frame[at + i] ?? 0);
  return value;
}

const SIZES: Readonly<Record<number, number>> = { [bpf.WORD]: 4, [bpf.HALF]: 2, [bpf.BYTE]: 1 };

function alu(operation: number, a: number, b: number): number | null {
  switch (operation) {
    case bpf.ADD:
      return (a + b) >>> 0;
    case bpf.SUB:
      return (a - b) >>> 0;
    case bpf.MUL:
      return Number((BigInt(a) * BigInt(b)) & 0xffff_ffffn);
    case bpf.DIV:
      return b === 0 ? null : Math.floor(a / b);
    case bpf.MOD:
      return b === 0 ? null : a % b;
    case bpf.AND:
      return (a & b) >>> 0;
    case bpf.OR:
      return (a | b) >>> 0;
    case bpf.XOR:
      return (a ^ b) >>> 0;
    case bpf.LSH:
      return b > 31 ? 0 : (a << b) >>> 0;
    case bpf.RSH:
      return b > 31 ? 0 : a >>> b;
    case bpf.NEG:
      return -a >>> 0;
    default:
      throw new Error(`operation ${operation}`);
  }
}

/** What the program returns for a frame; 0 = no match. `length` is what the instruction for the length gives. */
export function interpret(program: readonly Instruction[], frame: Uint8Array, length = frame.length): number {
  let a = 0;
  let x = 0;
  const memory = new Array<number>(bpf.MEMORY_WORDS).fill(0);
  for (let at = 0; ; at++) {
    const { code, jt, jf, k } = program[at] ?? { code: -1, jt: 0, jf: 0, k: 0 };
    const mode = code & 0xe0;
    const operand = code & bpf.X ? x : k;
    let value: number | null = null;
    switch (code & 7) {
      case bpf.LD:
        if (mode === bpf.IMM) value = k;
        else if (mode === bpf.MEM) value = memory[k] ?? 0;
        else if (mode === bpf.LEN) value = length;
        else value = load(frame, SIZES[code & 0x18] ?? 0, mode === bpf.IND ? x + k : k);
        if (value === null) return 0;
        a = value;
        break;
      case bpf.LDX:
        if (mode === bpf.MSH) value = load(frame, 1, k);
        if (mode === bpf.MSH && value === null) return 0;
        x = mode === bpf.IMM ? k : mode === bpf.MEM ? (memory[k] ?? 0) : mode === bpf.LEN ? length : ((value ?? 0) & 15) * 4;
        break;
      case bpf.ST:
        memory[k] = a;
        break;
      case bpf.STX:
        memory[k] = x;
        break;
      case bpf.ALU:
        value = alu(code & 0xf0, a, operand);
        if (value === null) return 0;
        a = value;
        break;
      case bpf.JMP: {
        const test = code & 0xf0;
        if (test === bpf.JA) at += k;
        else {
          const holds: Readonly<Record<number, boolean>> = {
            [bpf.JEQ]: a === operand,
            [bpf.JGT]: a > operand,
            [bpf.JGE]: a >= operand,
            [bpf.JSET]: (a & operand) !== 0,
          };
          at += holds[test] ? jt : jf;
        }
        break;
      }
      case bpf.RET:
        return code & bpf.RET_A ? a : k;
      default:
        if (code & bpf.TXA) a = x;
        else x = a;
    }
  }
}

/** Of `tcpdump -ddd`: the number of instructions, then one per line. */
export function fromDecimal(text: string): readonly Instruction[] {
  const [, ...lines] = text.trim().split('\n');
  return lines.map((line) => {
    const [code = 0, jt = 0, jf = 0, k = 0] = line.split(' ').map(Number);
    return { code, jt, jf, k };
  });
}
