/**
 * Bytecode to WGSL, for kernels that filter packets on an accelerator.
 *
 * The text made here needs one function of the kernel around it:
 *   fn packet_word(at: u32) -> u32    the 32-bit little-endian word number `at` of the buffer that holds the packets
 * and gives it
 *   fn NAME(frame: u32, length: u32) -> bool    does the packet match whose bytes begin at byte `frame` of that buffer?
 * It asks for words only that hold bytes of the packet. What it decides is what the interpreter decides: 32-bit unsigned
 * arithmetic; a load beyond `length` and a division by an X of zero end it without a match. FILTER_HELPERS must stand in the
 * kernel once, whatever the number of filters. Jumps go forward only, so blocks in their order, each entered if it is next,
 * need no loop. Pure; programs come from compile.ts.
 */

import type { Instruction } from './bytecode.js';
import * as bpf from './bytecode.js';

export const FILTER_HELPERS = `
fn bpf_byte(at: u32) -> u32 {
  return (packet_word(at >> 2u) >> ((at & 3u) * 8u)) & 255u;
}
fn bpf_half(at: u32) -> u32 {
  return (bpf_byte(at) << 8u) | bpf_byte(at + 1u);
}
fn bpf_word(at: u32) -> u32 {
  let shift = (at & 3u) * 8u;
  var word = packet_word(at >> 2u);
  if (shift != 0u) {
    word = (word >> shift) | (packet_word((at >> 2u) + 1u) << (32u - shift));
  }
  let halves = (word << 16u) | (word >> 16u);
  return ((halves & 0x00ff00ffu) << 8u) | ((halves >> 8u) & 0x00ff00ffu);
}
fn bpf_inside(index: u32, offset: u32, size: u32, length: u32) -> bool {
  return offset <= length && index <= length - offset && size <= length - offset - index;
}
`;

const LOADS: Readonly<Record<number, readonly [string, number]>> = {
  [bpf.WORD]: ['bpf_word', 4],
  [bpf.HALF]: ['bpf_half', 2],
  [bpf.BYTE]: ['bpf_byte', 1],
};
const OPERATORS: Readonly<Record<number, string>> = {
  [bpf.ADD]: '+',
  [bpf.SUB]: '-',
  [bpf.MUL]: '*',
  [bpf.OR]: '|',
  [bpf.AND]: '&',
  [bpf.XOR]: '^',
  [bpf.DIV]: '/',
  [bpf.MOD]: '%',
  [bpf.LSH]: '<<',
  [bpf.RSH]: '>>',
};
const CONDITIONS: Readonly<Record<number, (operand: string) => string>> = {
  [bpf.JEQ]: (operand) => `a == ${operand}`,
  [bpf.JGT]: (operand) => `a > ${operand}`,
  [bpf.JGE]: (operand) => `a >= ${operand}`,
  [bpf.JSET]: (operand) => `(a & ${operand}) != 0u`,
};

const kind = (code: number): number => code & 7;

function load(code: number, k: number): string {
  const [name, size] = LOADS[code & 0x18] ?? ['', 0];
  if ((code & 0xe0) === bpf.ABS)
    return `if (!bpf_inside(0u, ${k}u, ${size}u, length)) { return false; } a = ${name}(frame + ${k}u);`;
  return `if (!bpf_inside(x, ${k}u, ${size}u, length)) { return false; } a = ${name}(frame + x + ${k}u);`;
}

function arithmetic(code: number, k: number): string {
  const operation = code & 0xf0;
  if (operation === bpf.NEG) return 'a = 0u - a;';
  const operator = OPERATORS[operation];
  if (!(code & bpf.X)) return `a = a ${operator} ${k}u;`;
  if (operation === bpf.DIV || operation === bpf.MOD) return `if (x == 0u) { return false; } a = a ${operator} x;`;
  if (operation === bpf.LSH || operation === bpf.RSH) return `a = select(a ${operator} (x & 31u), 0u, x > 31u);`;
  return `a = a ${operator} x;`;
}

/** Anything but jumps and returns. */
function statement({ code, k }: Instruction): string {
  const mode = code & 0xe0;
  switch (kind(code)) {
    case bpf.LD:
      if (mode === bpf.ABS || mode === bpf.IND) return load(code, k);
      return `a = ${mode === bpf.LEN ? 'length' : mode === bpf.MEM ? `m[${k}]` : `${k}u`};`;
    case bpf.LDX:
      if (mode !== bpf.MSH) return `x = ${mode === bpf.LEN ? 'length' : mode === bpf.MEM ? `m[${k}]` : `${k}u`};`;
      return `if (!bpf_inside(0u, ${k}u, 1u, length)) { return false; } x = (bpf_byte(frame + ${k}u) & 15u) * 4u;`;
    case bpf.ST:
      return `m[${k}] = a;`;
    case bpf.STX:
      return `m[${k}] = x;`;
    case bpf.ALU:
      return arithmetic(code, k);
    default:
      return code & bpf.TXA ? 'a = x;' : 'x = a;';
  }
}

/** Instructions that begin a block: all that are jumped to, and what stands behind a jump. */
function leaders(program: readonly Instruction[]): ReadonlySet<number> {
  const found = new Set([0]);
  for (const [at, { code, jt, jf, k }] of program.entries()) {
    if (kind(code) !== bpf.JMP) continue;
    for (const target of (code & 0xf0) === bpf.JA ? [at + 1 + k] : [at + 1 + jt, at + 1 + jf]) found.add(target);
    found.add(at + 1);
  }
  return found;
}

/** The function; `name` must be one of its own in the kernel. */
export function filterShader(program: readonly Instruction[], name = 'bpf_match'): string {
  const starts = leaders(program);
  const lines = [`fn ${name}(frame: u32, length: u32) -> bool {`, '  var a = 0u;', '  var x = 0u;', '  var next = 0u;'];
  if (program.some(({ code }) => kind(code) === bpf.ST || kind(code) === bpf.STX || (code & 0xe6) === bpf.MEM)) {
    lines.push(`  var m: array<u32, ${bpf.MEMORY_WORDS}>;`);
  }
  const go = (target: number): string => {
    const { code, k } = program[target] ?? { code: bpf.RET, k: 0 };
    return code === bpf.RET ? `return ${k !== 0};` : `next = ${target}u;`;
  };
  let unreachable = false;
  for (const [at, instruction] of program.entries()) {
    const { code, jt, jf, k } = instruction;
    unreachable &&= !starts.has(at);
    if (unreachable) continue;
    if (starts.has(at)) lines.push(`  if (next == ${at}u) {`);
    let ends = starts.has(at + 1) || at + 1 === program.length;
    if (kind(code) === bpf.RET) {
      lines.push(`    return ${code & bpf.RET_A ? 'a != 0u' : String(k !== 0)};`);
      ends = true;
    } else if (kind(code) === bpf.JMP) {
      const condition = CONDITIONS[code & 0xf0]?.(code & bpf.X ? 'x' : `${k}u`);
      if (condition === undefined) lines.push(`    ${go(at + 1 + k)}`);
      else lines.push(`    if (${condition}) { ${go(at + 1 + jt)} } else { ${go(at + 1 + jf)} }`);
    } else {
      lines.push(`    ${statement(instruction)}`);
      if (ends) lines.push(`    ${go(at + 1)}`);
    }
    if (ends) lines.push('  }');
    unreachable = kind(code) === bpf.RET;
  }
  lines.push('  return false;', '}');
  return lines.join('\n');
}
