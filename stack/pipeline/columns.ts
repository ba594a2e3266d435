/**
 * What becomes of a column behind a step: read, overwritten, gone, or still there at the end. Pure; for the language's checks
 * and the planner.
 */
import type { Column, Operation, Rows } from '../ops/operation.js';
import type { Node, Sequence, Step } from './tree.js';

/** There before the first operation, and of rows that an operation makes. The others hold nothing that means anything. */
export const GIVEN: readonly Column[] = ['frames', 'lengths', 'times', 'payloads'];
export const GIVEN_TO_NEW_ROWS: readonly Column[] = ['frames', 'lengths', 'times'];

export type Fate =
  | { readonly kind: 'read' | 'overwritten' | 'gone'; readonly by: Node }
  /** Nobody reads it; at the end it is there to be looked at. */
  | { readonly kind: 'end' };

const END: Fate = { kind: 'end' };

export function reads({ reads, readsIfWritten }: Operation, column: Column): boolean {
  return reads.includes(column) || (readsIfWritten?.includes(column) ?? false);
}

/** Columns that the step's own body reads: that of an accelerator may do with less. */
export function readsOf({ operation, variant }: Step): readonly Column[] {
  return operation.variants.find(({ name }) => name === variant)?.reads ?? operation.reads;
}

/** True if it writes the column of at least `rows`, asked or not. */
function overwrites(operation: Operation, column: Column, rows: Rows): boolean {
  if (!operation.writes.includes(column) || operation.onDemand.includes(column)) return false;
  return operation.expands || operation.rows === 'all' || operation.rows === rows;
}

/** Reads that an operation does not do without. */
export function needs(operation: Operation, column: Column): boolean {
  return operation.reads.includes(column);
}

/** What happens first to `column` of `rows` in a sequence. Branches work on copies: what they write is not seen behind them. */
export function fateOf(sequence: Sequence, column: Column, rows: Rows, isRead = reads): Fate {
  for (const node of sequence) {
    if (node.condition !== null && column === 'classes') return { kind: 'read', by: node };
    if (node.kind === 'step') {
      const fate = fateAt(node, column, rows, isRead);
      if (fate) return fate;
      continue;
    }
    for (const branch of node.branches) {
      const fate = fateOf(branch, column, rows, isRead);
      if (fate.kind === 'read') return fate;
    }
  }
  return END;
}

function fateAt(step: Step, column: Column, rows: Rows, isRead: typeof reads): Fate | null {
  if (isRead({ ...step.operation, reads: readsOf(step) }, column)) return { kind: 'read', by: step };
  if (overwrites(step.operation, column, rows)) return { kind: 'overwritten', by: step };
  if (step.operation.last) return END;
  if (step.operation.expands && !['frames', 'lengths', 'times'].includes(column)) return { kind: 'gone', by: step };
  return null;
}
