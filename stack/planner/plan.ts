/**
 * From a pipeline to what runs it:
 *
 *   placement ──► wants ──► discovery and selection per step ──► header passes ──► records
 *   refusals      columns   compilers.ts, selection.ts           fusion.ts
 *
 * Pure but for the calibration function it may be given. Called by replay's planner, benches and `model-t ops --explain`.
 */
import { BODIES } from '../operations.js';
import type { Column, Operation } from '../ops/operation.js';
import { fateOf, reads } from '../pipeline/columns.js';
import type { Node, Pipeline, Sequence, Step } from '../pipeline/tree.js';
import { hostPath, refuseStrayDeviceSteps } from './device-steps.js';
import { classifies, passesOf, storesHeaders, storesOf } from './fusion.js';
import { refusePlacement } from './placement.js';
import {
  type HeaderPass,
  NEED_PAYLOADS,
  NEED_STREAMS,
  NEED_TIMES,
  type Needs,
  type PipelinePlan,
  type PlanOptions,
  type PlanRecord,
  type StepChoice,
  WANT_CLASSES,
  WANT_PAYLOADS,
} from './plan-types.js';
import { type Selection, select } from './selection.js';

/** Throws ModelTError (PIPELINE_INVALID) when the pipeline cannot be run this way. */
export function planPipeline(pipeline: Pipeline, options: PlanOptions): PipelinePlan {
  refusePlacement(pipeline, options);
  return new Planner(pipeline, options).plan();
}

/** Records as the native side takes them: a plan's, or a path that is calibrated. */
export function programOf(
  records: readonly PlanRecord[],
  endReads: readonly Column[] = [],
): { readonly records: readonly PlanRecord[]; readonly needs: number } {
  const operations = BODIES.filter(({ name }) => records.some((record) => record.name === name));
  const needs = needsOf(operations, endReads);
  const bits = (needs.times ? NEED_TIMES : 0) | (needs.payloads ? NEED_PAYLOADS : 0) | (needs.streams ? NEED_STREAMS : 0);
  return { records, needs: bits };
}

function needsOf(operations: readonly Operation[], endReads: readonly Column[]): Needs {
  const read = (column: Column): boolean => endReads.includes(column) || operations.some((operation) => reads(operation, column));
  return { times: read('times'), payloads: read('payloads'), streams: read('streams') || read('encodings') };
}

/** A step, with what was decided about it. */
interface Planned {
  readonly step: Step;
  readonly depth: number;
  readonly wants: readonly Column[];
  readonly selection: Selection;
  pass: number;
  stores: boolean;
}

class Planner {
  private readonly planned = new Map<Step, Planned>();
  private readonly passes: { steps: readonly Step[]; stores: HeaderPass['stores']; variant: string }[] = [];
  private readonly endReads: readonly Column[];

  constructor(
    private readonly pipeline: Pipeline,
    private readonly options: PlanOptions,
  ) {
    this.endReads = options.endReads ?? [];
  }

  plan(): PipelinePlan {
    const { sequence, text } = this.pipeline;
    this.select(sequence, [], 0);
    refuseStrayDeviceSteps(
      this.pipeline,
      this.pipeline.steps.map((step) => this.of(step).selection.variant),
    );
    if (this.options.fuse ?? true) this.fuse(sequence, 0, false);
    const records = this.records(sequence);
    return {
      text,
      placement: this.options.placement,
      records,
      passes: this.passes.map(({ steps, stores, variant }, pass) => ({
        first: records.findIndex((record) => record.pass === pass),
        count: steps.length,
        variant,
        stores,
      })),
      needs: needsOf(
        this.pipeline.steps.map(({ operation }) => operation),
        this.endReads,
      ),
      choices: this.pipeline.steps.map((step, index) => this.choice(step, index)),
    };
  }

  private select(sequence: Sequence, before: readonly PlanRecord[], depth: number): void {
    let path = before;
    sequence.forEach((node, index) => {
      if (node.kind === 'group') {
        for (const branch of node.branches) this.select(branch, path, depth + 1);
        return;
      }
      const wants = this.wants(node, sequence.slice(index + 1), depth);
      const recordOf = (variant: string): PlanRecord => recordOfStep(node, { variant, wants, pass: -1, stores: false });
      const selection = select(node, this.pipeline, this.options, hostPath(path), recordOf);
      this.planned.set(node, { step: node, depth, wants, selection, pass: -1, stores: false });
      path = [...path, recordOf(selection.variant)];
    });
  }

  private wants({ operation }: Step, behind: Sequence, depth: number): Column[] {
    return operation.onDemand.filter((column) => {
      const { kind } = fateOf(behind, column, operation.rows);
      return kind === 'read' || (kind === 'end' && depth === 0 && this.endReads.includes(column));
    });
  }

  /** Passes run in the widest vectors: half of what they save is that no column is written in between. */
  private fuse(sequence: Sequence, depth: number, classified: boolean): void {
    const variant = this.options.isa ?? this.options.isas.at(-1) ?? 'scalar';
    if (variant === 'scalar') return;
    const fits = (step: Step): boolean => {
      const has = step.operation.variants.some(({ name }) => name === variant);
      return has && (step.variant ?? variant) === variant && !this.of(step).wants.includes('payloads');
    };
    for (const steps of passesOf(sequence, fits, classified)) {
      const behind = sequence.slice(sequence.indexOf(steps.at(-1) as Node) + 1);
      const endReads = depth === 0 ? this.endReads : [];
      for (const step of steps)
        Object.assign(this.of(step), { pass: this.passes.length, stores: storesHeaders(step, behind, endReads) });
      this.passes.push({ steps, stores: storesOf(steps, behind, endReads), variant });
    }
    sequence.forEach((node, index) => {
      if (node.kind === 'step') return;
      const before = classified || classifies(sequence.slice(0, index));
      for (const branch of node.branches) this.fuse(branch, depth + 1, before);
    });
  }

  private of(step: Step): Planned {
    return this.planned.get(step) as Planned;
  }

  private variant({ pass, selection }: Planned): string {
    return this.passes[pass]?.variant ?? selection.variant;
  }

  private records(sequence: Sequence): PlanRecord[] {
    return sequence.flatMap((node) => {
      if (node.kind === 'step') {
        const planned = this.of(node);
        return [recordOfStep(node, { ...planned, variant: this.variant(planned) })];
      }
      const branches = node.branches.flatMap((branch) => [
        structure('branch', branch[0]?.condition ?? null),
        ...this.records(branch),
      ]);
      return [structure('fork', node.condition), ...branches, structure('join', null)];
    });
  }

  private choice(step: Step, index: number): StepChoice {
    const planned = this.of(step);
    const variant = this.variant(planned);
    const inPass = `runs in header pass ${planned.pass}, which is ${variant}`;
    return {
      step: index,
      text: step.text,
      operation: step.operation.name,
      condition: step.condition,
      depth: planned.depth,
      column: step.column,
      candidates: planned.selection.candidates,
      variant,
      why: planned.pass >= 0 ? inPass : planned.selection.why,
      wants: planned.wants,
      pass: planned.pass,
    };
  }
}

function recordOfStep(
  step: Step,
  { variant, wants, pass, stores }: Pick<Planned, 'wants' | 'pass' | 'stores'> & { variant: string },
): PlanRecord {
  return {
    kind: 'operation',
    name: step.operation.name,
    variant,
    parameter: step.parameter,
    wants: (wants.includes('payloads') ? WANT_PAYLOADS : 0) | (wants.includes('classes') ? WANT_CLASSES : 0),
    data: step.data,
    condition: step.condition ?? -1,
    pass,
    stores,
  };
}

function structure(kind: 'fork' | 'branch' | 'join', condition: number | null): PlanRecord {
  return { kind, name: '', variant: '', parameter: 0, wants: 0, data: null, condition: condition ?? -1, pass: -1, stores: false };
}
