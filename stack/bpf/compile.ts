/**
 * Filter expressions of pcap-filter(7) for Ethernet frames to classic BPF. Pure. The length of a packet is its captured length:
 * a ring does not hold the original one. Called by stack/ops/bpf.ts and by tests.
 */
import { encode, type Instruction, MAX_INSTRUCTIONS } from './bytecode.js';
import { emit } from './emit.js';
import { type Fail, FilterError } from './error.js';
import { Generator } from './generate.js';
import { Graph } from './graph.js';
import { parseFilter } from './parser.js';
import type { Filter } from './syntax.js';
import { Values } from './values.js';

const failing =
  (text: string): Fail =>
  (offset, problem, remedy) => {
    throw new FilterError(offset, problem, remedy, text);
  };

export const parse = (text: string): Filter | null => parseFilter(text, failing(text));

/** The program of a tree; `text` is for messages. */
export function compileTree(filter: Filter | null, text: string): readonly Instruction[] {
  const fail = failing(text);
  const condition = filter === null ? true : new Generator(new Values(), fail).condition(filter);
  const start = new Graph().improved(condition);
  if (start === false) fail(0, 'no packet can match', 'Two of its conditions exclude each other');
  const program = emit(start, () => fail(0, 'too many intermediate values', 'Make the arithmetic simpler'));
  if (program.length > MAX_INSTRUCTIONS) {
    fail(0, `${program.length} instructions`, `A filter may have ${MAX_INSTRUCTIONS}; use networks and ranges`);
  }
  return program;
}

/** The program of an expression. Throws FilterError. */
export const compileFilter = (text: string): readonly Instruction[] => compileTree(parse(text), text);

/** The same as bytes: what the native bodies read. */
export const filterBytecode = (text: string): Uint8Array => encode(compileFilter(text));
