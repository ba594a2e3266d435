/**
 * Pipelines as text, in the manner of Unix pipes: `eth | ip4 | ip6 | tcp | udp | checksum-verify header | count`.
 *
 * Parsing and checking are pure. A pipeline whose declarations conflict is refused: an operation that reads what nobody
 * before it wrote reads garbage. Errors point at the column. Called by replay's planner and the CLI through the door.
 */
import { ModelTError } from './errors.js';
import { checksumVerify } from './ops/checksum-verify.js';
import { count } from './ops/count.js';
import { eth } from './ops/eth.js';
import { ip4 } from './ops/ip4.js';
import { ip6 } from './ops/ip6.js';
import type { Column, Operation } from './ops/operation.js';
import { tcp } from './ops/tcp.js';
import { udp } from './ops/udp.js';

/** Every operation there is, in the order of a usual pipeline. */
export const OPERATIONS: readonly Operation[] = [eth, ip4, ip6, tcp, udp, checksumVerify, count];

/** The first stack: what `replay --to stack` runs unless told otherwise. */
export const DEFAULT_PIPELINE = 'eth | ip4 | ip6 | tcp | udp | checksum-verify | count';

export interface Step {
  readonly operation: Operation;
  readonly argument: string | null;
  readonly parameter: number;
}

export interface Pipeline {
  readonly steps: readonly Step[];
  /** Canonical text: parses to the same pipeline. */
  readonly text: string;
}

/** Filled in by the container before the first operation runs (it also presets protocols to "none" and marks to 0). */
const GIVEN: readonly Column[] = ['frames', 'lengths'];
const MAX_STEPS = 64;

function fail(text: string, column: number, problem: string, remedy: string): never {
  throw new ModelTError('PIPELINE_INVALID', `pipeline, column ${column + 1}: ${problem} in '${text}'`, 2, remedy);
}

function parseStep(text: string, part: string, start: number): Step {
  const column = start + (part.length - part.trimStart().length);
  const words = part.trim().split(/\s+/);
  const [name, argument, ...rest] = words;
  if (!name) fail(text, column, 'an operation is missing', 'Put one operation between two pipes');
  const operation = OPERATIONS.find((candidate) => candidate.name === name);
  const known = OPERATIONS.map((candidate) => candidate.name).join(', ');
  if (!operation) fail(text, column, `no operation is called '${name}'`, `Known: ${known}`);
  if (rest.length > 0) fail(text, column, `'${name}' takes at most one argument`, 'Separate operations with |');
  if (argument === undefined) return { operation, argument: null, parameter: operation.parameters[0]?.value ?? 0 };
  const parameter = operation.parameters.find((candidate) => candidate.argument === argument);
  if (!parameter) {
    const accepted = operation.parameters.map((candidate) => candidate.argument).join(' or ');
    const remedy = accepted ? `It takes ${accepted}` : 'It takes no argument';
    fail(text, column, `'${name}' does not take '${argument}'`, remedy);
  }
  return { operation, argument, parameter: parameter.value };
}

/** Parses and checks. Throws ModelTError (exit code 2) that names the column. */
export function parsePipeline(text: string): Pipeline {
  const steps: Step[] = [];
  const written = new Set<Column>(GIVEN);
  let start = 0;
  for (const part of text.split('|')) {
    const step = parseStep(text, part, start);
    for (const column of step.operation.reads) {
      if (written.has(column)) continue;
      const writers = OPERATIONS.filter((candidate) => candidate.writes.includes(column)).map((candidate) => candidate.name);
      const problem = `'${step.operation.name}' reads the column '${column}', which nothing before it writes,`;
      fail(text, start + (part.length - part.trimStart().length), problem, `Put ${writers.join(' or ')} before it`);
    }
    for (const column of step.operation.writes) written.add(column);
    steps.push(step);
    start += part.length + 1;
  }
  if (steps.length > MAX_STEPS) fail(text, 0, `${steps.length} operations`, `A container runs at most ${MAX_STEPS}`);
  return { steps, text: steps.map((step) => [step.operation.name, step.argument].filter(Boolean).join(' ')).join(' | ') };
}
