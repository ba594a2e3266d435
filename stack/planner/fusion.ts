/**
 * Fusion: which steps become one pass over the headers, and what that pass must leave behind. A pass is a maximal run of fusable
 * steps on one path that begins with `eth | ip4`, without conditions inside. Pure; called by the planner.
 */
import type { Column } from '../ops/operation.js';
import { fateOf } from '../pipeline/columns.js';
import type { Sequence, Step } from '../pipeline/tree.js';
import type { HeaderPass } from './plan-types.js';

/** Whether its declaration, argument and condition allow it. What else must be (variant, wants) is the planner's to ask. */
export function isFusable({ operation, parameter, condition }: Step): boolean {
  if (!operation.fusable || condition !== null) return false;
  if (operation.argument.kind !== 'choice') return true;
  return operation.argument.choices.find(({ value }) => value === parameter)?.fusable !== false;
}

/** True if packets may have a class behind these. */
export function classifies(nodes: Sequence): boolean {
  return nodes.some((node) => node.kind === 'step' && node.operation.writes.includes('classes'));
}

/**
 * Steps of `sequence` that can be passes, as ranges. `fits` asks whatever else a step must be; `classified` says that packets
 * may have a class already when they come in.
 */
export function passesOf(sequence: Sequence, fits: (step: Step) => boolean, classified: boolean): Step[][] {
  const passes: Step[][] = [];
  for (let at = 0; at < sequence.length; at++) {
    const run = runFrom(sequence.slice(at), fits, classified || classifies(sequence.slice(0, at)));
    if (run[0]?.operation.name !== 'eth' || run[1]?.operation.name !== 'ip4') continue;
    passes.push(run);
    at += run.length - 1;
  }
  return passes;
}

function runFrom(sequence: Sequence, fits: (step: Step) => boolean, hasClass: boolean): Step[] {
  const run: Step[] = [];
  let classified = hasClass;
  for (const node of sequence) {
    if (node.kind !== 'step' || !isFusable(node) || !fits(node)) break;
    const { writes, onDemand } = node.operation;
    /* A pass gives one class to every packet: where one was given before, it would not stay with those that keep it. */
    if (classified && writes.includes('classes')) break;
    classified ||= writes.includes('classes') && !onDemand.includes('classes');
    run.push(node);
  }
  return run;
}

/** Whether anything but classes that the step writes is read behind the pass, or at the end of the pipeline. */
export function storesHeaders(step: Step, behind: Sequence, endReads: readonly Column[]): boolean {
  return step.operation.writes.some((column) => column !== 'classes' && isRead(step, column, behind, endReads));
}

/** Columns that the pass writes and somebody reads behind it, or at the end of the pipeline. */
export function storesOf(pass: readonly Step[], behind: Sequence, endReads: readonly Column[]): HeaderPass['stores'] {
  if (pass.some((step) => storesHeaders(step, behind, endReads))) return 'all';
  return pass.some((step) => isRead(step, 'classes', behind, endReads)) ? 'classes' : 'none';
}

function isRead({ operation }: Step, column: Column, behind: Sequence, endReads: readonly Column[]): boolean {
  if (!operation.writes.includes(column)) return false;
  const { kind } = fateOf(behind, column, operation.rows);
  return kind === 'read' || (kind === 'end' && endReads.includes(column));
}
