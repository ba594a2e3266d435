/** The plan of a pipeline as `model-t ops --explain` prints it: a tree of steps with their candidates, or JSON. Pure. */
import type { Candidate, HeaderPass, Pipeline, PipelinePlan, Sequence, StepChoice } from '../stack/index.js';
import { aligned, oneLine } from './format.js';

/** Additive changes raise the second number, others the first. */
const SCHEMA_VERSION = '1.1';
/** Longer steps (many patterns) are cut in the tree. */
const STEP_WIDTH = 60;

/** `accelerator`: what measured wgsl bodies; null = there was none. */
export function planLines(pipeline: Pipeline, plan: PipelinePlan, accelerator: string | null = null): string[] {
  const given = Object.entries(plan.needs).filter(([, needed]) => needed);
  const placement = plan.placement === 'fused' ? 'fused: all steps in one container' : 'replicated: one whole chain per core';
  return [
    ...aligned([
      ['pipeline', plan.text],
      ['placement', placement],
      ...(accelerator === null
        ? []
        : [['accelerator', `${accelerator}; wgsl: time of its kernels, as TSC cycles of this CPU per packet`] as const]),
      ['given', ['frames', 'lengths', ...given.map(([column]) => column)].join(', ')],
      ...plan.passes.map((pass, number) => [`header pass ${number}`, passText(pass, plan)] as const),
    ]),
    '',
    ...sequenceLines(pipeline.sequence, plan, { next: 0 }, ''),
  ];
}

function passText({ first, count, variant, stores }: HeaderPass, plan: PipelinePlan): string {
  const names = plan.records.slice(first, first + count).map(({ name }) => name);
  const kept = { all: 'keeps the columns of headers', classes: 'keeps classes only', none: 'keeps no column' }[stores];
  return `${names.join(' | ')} as one pass, ${variant}; ${kept}, as ${stores === 'none' ? 'nothing behind it reads any' : 'steps behind it read them'}`;
}

function sequenceLines(sequence: Sequence, plan: PipelinePlan, counter: { next: number }, indent: string): string[] {
  return sequence.flatMap((node) => {
    const condition = node.condition === null ? '' : `|${node.condition} `;
    if (node.kind === 'step') return stepLines(plan.choices[counter.next++] as StepChoice, indent, condition);
    const branches = node.branches.flatMap((branch, number) => [
      `${indent}${number === 0 ? `${condition}(` : ') + ('}`,
      ...sequenceLines(branch, plan, counter, `${indent}    `),
    ]);
    return [...branches, `${indent})`];
  });
}

function stepLines(choice: StepChoice, indent: string, condition: string): string[] {
  const text = oneLine(choice.text);
  const shown = text.length > STEP_WIDTH ? `${text.slice(0, STEP_WIDTH - 1)}…` : text;
  const body = choice.text.split(/[\s@]/, 1)[0] === choice.operation ? '' : ` (${choice.operation})`;
  const wants = choice.wants.length > 0 ? `; fills in ${choice.wants.join(' and ')}` : '';
  return [
    `${indent}${condition}${shown}${body}`,
    `${indent}    ${choice.variant}: ${choice.why}${wants}`,
    ...candidateLines(choice, `${indent}    `),
  ];
}

function candidateLines({ candidates, variant }: StepChoice, indent: string): string[] {
  const width = Math.max(...candidates.map((candidate) => candidate.variant.length));
  return candidates.map((candidate) => {
    const mark = candidate.variant === variant ? '*' : '-';
    return `${indent}${mark} ${candidate.variant.padEnd(width)}  ${candidateText(candidate)}`;
  });
}

function candidateText({ expectedCycles, observedCycles, obstacle, chain }: Candidate): string {
  const observed = observedCycles === null ? 'not observed' : `observed ${observedCycles.toFixed(1)}`;
  const made = chain.length > 0 ? `; by ${chain.join(', ')}` : '';
  return `expected ${expectedCycles.toFixed(1)}, ${observed}${made}${obstacle === null ? '' : `; ${obstacle}`}`;
}

/** Everything; the data of arguments as base64. */
export function planJson(plan: PipelinePlan, accelerator: string | null = null): object {
  return {
    schema: 'model-t/pipeline-plan',
    schemaVersion: SCHEMA_VERSION,
    ...plan,
    accelerator,
    records: plan.records.map((record) => ({ ...record, data: record.data && Buffer.from(record.data).toString('base64') })),
  };
}
