/**
 * What a pipeline is once it is understood, and what it is as JSON. Types only; the language (this folder) makes them, the
 * planner, results and the command line read them.
 *
 *   sequence:  node | node |N node ...
 *   node:      a step, or a group ( sequence ) + ( sequence ) of branches side by side
 */
import type { Operation } from '../ops/operation.js';

export interface Step {
  readonly kind: 'step';
  /** The body that runs: `tcp-stream` where `tcp` is asked for streams. */
  readonly operation: Operation;
  /** As in the text: `match "GET /"`, `tcp@scalar stream`; no condition. */
  readonly text: string;
  /** The argument alone, null = none was given. */
  readonly argument: string | null;
  readonly parameter: number;
  /** What the operation's declaration made of its texts. */
  readonly data: Uint8Array | null;
  /** Null: the planner chooses. */
  readonly variant: string | null;
  /** Only rows of this class come in; null = all. */
  readonly condition: number | null;
  /** Where its name begins in the pipeline's text, from 1. */
  readonly column: number;
}

export interface Group {
  readonly kind: 'group';
  readonly branches: readonly Sequence[];
  readonly condition: number | null;
  /** Of its first parenthesis. */
  readonly column: number;
}

export type Node = Step | Group;
export type Sequence = readonly Node[];

export interface Pipeline {
  readonly sequence: Sequence;
  /** Every step, depth first: the order of plans and results. */
  readonly steps: readonly Step[];
  /** Canonical text: parses to the same pipeline. */
  readonly text: string;
}

/** A pipeline as JSON: what bench specs and programs give. `when` is the class of a conditional pipe. */
export type PipelineSpec = readonly NodeSpec[];
export type NodeSpec = StepSpec | GroupSpec;

export interface StepSpec {
  readonly op: string;
  readonly arguments?: readonly ArgumentSpec[];
  readonly variant?: string;
  readonly when?: number;
}

export interface GroupSpec {
  readonly fork: readonly PipelineSpec[];
  readonly when?: number;
}

/** Text (UTF-8), a number, any bytes, or a file with one argument per line. */
export type ArgumentSpec = string | number | { readonly hex: string } | { readonly file: string };

export interface ParseOptions {
  /** Bytes of the file behind `@FILE`; throws ModelTError when there are none. Left out: files are refused. */
  readonly readFile?: (path: string) => Uint8Array;
}

/** Steps of a sequence and of the branches in it, depth first. */
export function stepsOf(sequence: Sequence): Step[] {
  return sequence.flatMap((node) => (node.kind === 'step' ? [node] : node.branches.flatMap(stepsOf)));
}
