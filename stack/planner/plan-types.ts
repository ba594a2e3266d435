/**
 * What a planned pipeline is: records for the native program (native/program.h), and for people the candidates of every step
 * and why the winner won. Types only; plain data, apart from `data`.
 */
import type { InstructionSet } from '../machine.js';
import type { NativeRecord } from '../native.js';
import type { Column } from '../ops/operation.js';

/** One record, depth first. A group is `fork, branch ..., branch ..., join`; a branch has the condition of its first record. */
export type PlanRecord = NativeRecord;

/** Bits of `wants`: enum Want of native/operation.h. */
export const WANT_PAYLOADS = 1;
export const WANT_CLASSES = 2;

/** Fused steps. They follow each other in `records`. */
export interface HeaderPass {
  /** Index in `records` of the first one. */
  readonly first: number;
  readonly count: number;
  readonly variant: string;
  /** Columns that somebody reads behind it: of headers too, classes only, or none. */
  readonly stores: 'all' | 'classes' | 'none';
}

/** Bits of a native program's `needs`: enum Need of native/program.h. */
export const NEED_TIMES = 1;
export const NEED_PAYLOADS = 2;
export const NEED_STREAMS = 4;

/** Columns that somebody reads and that the program must fill in before the first operation. */
export interface Needs {
  readonly times: boolean;
  readonly payloads: boolean;
  readonly streams: boolean;
}

/** An implementation of a step that exists or can be made. */
export interface Candidate {
  readonly variant: string;
  /** Compilers that lead to it, in order: `bpf expression -> bpf bytecode (expression compiler)`. */
  readonly chain: readonly string[];
  /** Cycles per packet by its declaration. */
  readonly expectedCycles: number;
  /** Cycles per packet here; null = not measured. */
  readonly observedCycles: number | null;
  readonly available: boolean;
  /** Why it cannot run, or is not considered unasked; null = it is considered. */
  readonly obstacle: string | null;
}

export interface StepChoice {
  /** Of the pipeline's steps, depth first. */
  readonly step: number;
  readonly text: string;
  /** Native name. */
  readonly operation: string;
  readonly condition: number | null;
  /** How many groups it lies in. */
  readonly depth: number;
  readonly column: number;
  readonly candidates: readonly Candidate[];
  readonly variant: string;
  readonly why: string;
  readonly wants: readonly Column[];
  /** Of the header pass; -1 = none. */
  readonly pass: number;
}

export interface PipelinePlan {
  /** Canonical text of the pipeline. */
  readonly text: string;
  readonly placement: ChainPlacement;
  readonly records: readonly PlanRecord[];
  readonly passes: readonly HeaderPass[];
  readonly needs: Needs;
  /** One per step, in the order of the pipeline's steps and of the operations among `records`. */
  readonly choices: readonly StepChoice[];
}

/** Fused: the whole chain in one container. Replicated: one whole chain per core, packets shared out. */
export type ChainPlacement = 'fused' | 'replicated';

/**
 * Cycles per packet of `candidate` behind `before`, which is the path that leads to it, without branches beside it.
 * Null = this cannot be measured.
 */
export type Calibrate = (before: readonly PlanRecord[], candidate: PlanRecord) => number | null;

export interface PlanOptions {
  /** What this CPU runs, the best last. */
  readonly isas: readonly InstructionSet[];
  readonly placement: ChainPlacement;
  /** Packets may be changed where they lie. */
  readonly memoryWritable: boolean;
  /** Forced: every operation that has a body for it takes that one. */
  readonly isa?: InstructionSet;
  readonly costs?: Calibrate;
  /** Variant of each step, depth first, as an earlier plan chose them. */
  readonly chosen?: readonly string[];
  /** Header passes; default true. */
  readonly fuse?: boolean;
  /** Something that runs WGSL is there; null = nobody looked. Default false. */
  readonly accelerator?: boolean | null;
  /** As `process.arch` names it; default x64. */
  readonly architecture?: string;
  /** Captured bytes per packet that costs are expected for; default 60. */
  readonly packetBytes?: number;
  /** Columns that are looked at where the pipeline ends. */
  readonly endReads?: readonly Column[];
}
