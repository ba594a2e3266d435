/**
 * Pipelines that span processors: which steps run on an accelerator, what is left for the CPU, and the same on the CPU alone, as
 * a reference. Steps of an accelerator are the first ones of a pipeline, or all: rows cannot be sent back to it. Pure.
 */
import { type DeviceStep, MOST_DEVICE_STEPS } from '../accelerator.js';
import { findOperation } from '../operations.js';
import type { Operation, VariantDeclaration } from '../ops/operation.js';
import { refuse } from '../pipeline/refusal.js';
import type { Pipeline } from '../pipeline/tree.js';
import type { PlanRecord } from './plan-types.js';

/** Variant of bodies that run on an accelerator. */
export const DEVICE_VARIANT = 'wgsl';

/** Whether a step of the pipeline asks for an accelerator. */
export function asksForDevice({ steps }: Pipeline): boolean {
  return steps.some(({ variant }) => variant === DEVICE_VARIANT);
}

/** Throws ModelTError. `variants` are those of the pipeline's steps, depth first. */
export function refuseStrayDeviceSteps({ sequence, steps, text }: Pipeline, variants: readonly string[]): void {
  const first = sequence.findIndex((node) => node.kind === 'group' || variants[steps.indexOf(node)] !== DEVICE_VARIANT);
  const most = first < 0 ? sequence.length : first;
  steps.forEach(({ operation: { name }, column }, index) => {
    if (variants[index] !== DEVICE_VARIANT) return;
    if (index >= most) {
      const before = steps[most];
      const why =
        before && most < index
          ? `the CPU runs '${before.operation.name}' (column ${before.column}) before it, and rows cannot go back to the accelerator`
          : 'groups are run by the CPU';
      const remedy = `Put '${name}@${DEVICE_VARIANT}' before every step that is not @${DEVICE_VARIANT}, or write ${name}`;
      refuse(text, column - 1, `'${name}' as ${DEVICE_VARIANT} cannot run there: ${why},`, remedy);
    }
    if (index >= MOST_DEVICE_STEPS) {
      const remedy = `Leave @${DEVICE_VARIANT} out from here on`;
      refuse(text, column - 1, `an accelerator runs at most ${MOST_DEVICE_STEPS} steps, '${name}' is one too many,`, remedy);
    }
  });
}

/** A plan's records, shared out. */
export interface SharedOut {
  readonly device: readonly DeviceStep[];
  /** Of the native program, which gets the rows that go on. */
  readonly host: readonly PlanRecord[];
}

export function shareOut(records: readonly PlanRecord[]): SharedOut {
  const isOnDevice = ({ variant }: PlanRecord): boolean => variant === DEVICE_VARIANT;
  return {
    device: records.filter(isOnDevice).map(({ name, parameter, data }) => ({ operation: name, parameter, data })),
    host: records.filter((record) => !isOnDevice(record)),
  };
}

/** Records of the whole pipeline for the CPU, and for each step of an accelerator how many operations stand before its own. */
export interface HostReference {
  readonly records: readonly PlanRecord[];
  /** Place of each of `records`'s operations that is a step of the pipeline, among all operations there. */
  readonly places: readonly number[];
}

/**
 * What an accelerator's body finds out by itself, operations do before its step on the CPU: in a branch, so that the columns
 * they write stay theirs.
 */
export function hostReference(records: readonly PlanRecord[]): HostReference {
  const made: PlanRecord[] = [];
  const places: number[] = [];
  let operations = 0;
  for (const record of records) {
    const expanded = record.variant === DEVICE_VARIANT ? onHost(record) : [record];
    made.push(...expanded);
    operations += expanded.filter(({ kind }) => kind === 'operation').length;
    if (record.kind === 'operation') places.push(operations - 1);
  }
  return { records: made, places };
}

/** The way to a step as the CPU can go it, for measuring what stands behind: steps that keep all rows are left out. */
export function hostPath(before: readonly PlanRecord[]): PlanRecord[] {
  return before.flatMap((record) => {
    if (record.variant !== DEVICE_VARIANT) return [record];
    return findOperation(record.name)?.drops ? onHost(record) : [];
  });
}

function onHost(record: PlanRecord): PlanRecord[] {
  const operation = findOperation(record.name);
  const includes = declarationOf(operation)?.includes ?? [];
  const own = { ...record, variant: operation?.variants[0]?.name ?? 'scalar' };
  if (includes.length === 0) return [own];
  const blank = { ...record, name: '', variant: '', parameter: 0, data: null, condition: -1 };
  const before = includes.map((name) => ({ ...blank, name, variant: 'scalar' }));
  return [{ ...blank, kind: 'fork' }, { ...blank, kind: 'branch' }, ...before, own, { ...blank, kind: 'join' }];
}

function declarationOf(operation: Operation | undefined): VariantDeclaration | undefined {
  return operation?.variants.find(({ name }) => name === DEVICE_VARIANT);
}
