/**
 * What the elements of a path cost before anything was observed: source, intake, and the units of a planned pipeline. A unit is
 * what cannot be cut: an operation, a header pass, a group. Pure; called by commands, replay's planner, tests.
 */
import { ModelTError } from '../errors.js';
import type { Operation } from '../ops/operation.js';
import type { Pipeline } from '../pipeline/tree.js';
import { DEVICE_VARIANT } from '../planner/device-steps.js';
import { refusePlacement } from '../planner/placement.js';
import type { PipelinePlan, PlanRecord, StepChoice } from '../planner/plan-types.js';
import { DEFAULT_MEASUREMENTS, type Measurements } from './measurements.js';

/** A top-level node of a planned pipeline. */
export interface PlanUnit {
  readonly name: string;
  /** Among the plan's records: from `first` on, `count` of them. */
  readonly first: number;
  readonly count: number;
  /** Among the plan's operations, which are steps of the pipeline and blocks of the statistics page. */
  readonly firstOperation: number;
  readonly operations: number;
}

/** An element of a path, as types.ts numbers them. */
export interface PathElement {
  readonly name: string;
  readonly kind: 'source' | 'intake' | 'unit';
  /** Time-stamp cycles per packet of the path on a core of speed 1, its lines in the first-level cache. */
  readonly cycles: number;
  readonly basis: 'declared' | 'measured' | 'observed';
  /** Lines of the packet that it touches. */
  readonly lines: number;
  /** Bytes per packet that are copied if another container goes on behind it: rows of its own making. */
  readonly copiedBytes: number;
  /** False: what stands before it is in the same container. */
  readonly mayBegin: boolean;
}

export interface PathCosts {
  /** 0 the source, 1 the intake, 2 … the units. */
  readonly elements: readonly PathElement[];
  /** The source needs no core of ours (a GPU); its cycles are its pace, and no container runs it. */
  readonly sourceOutside: boolean;
  /** Packets that cross between containers at once. */
  readonly burst: number;
  /** Captured, of a packet. */
  readonly frameBytes: number;
  /** Why whole chains side by side are refused; null = they are possible. */
  readonly notReplicable: string | null;
  /** Share of the packets in each of several lanes, for a number of lanes; left out: equal. */
  readonly laneShares?: (lanes: number) => readonly number[];
}

export interface CostOptions {
  /** Captured bytes per packet; default 60. */
  readonly frameBytes?: number;
  /** Bytes from the slot's start that the digest covers; default all. */
  readonly digestBytes?: number;
  readonly measurements?: Measurements;
  /** Cycles per packet of a source that is no container of ours. */
  readonly outsideSourceCycles?: number;
  readonly laneShares?: (lanes: number) => readonly number[];
}

/** As the native side counts: at most this many packets in a burst. */
export const FULL_BURST = 256;
const LINE_BYTES = 64;
/** Frames begin that far into their slot. */
const SLOT_OFFSET = 2;
const SMALL_PACKET = 60;
/** Ethernet, tags, IP and transport lie in these. */
const HEADER_LINES = 2;

export function unitsOf({ records }: Pick<PipelinePlan, 'records'>): PlanUnit[] {
  const units: PlanUnit[] = [];
  let operation = 0;
  for (let first = 0; first < records.length; ) {
    const count = unitLength(records, first);
    const own = records.slice(first, first + count);
    const operations = own.filter(({ kind }) => kind === 'operation').length;
    units.push({ name: unitName(own), first, count, firstOperation: operation, operations });
    operation += operations;
    first += count;
  }
  return units;
}

function unitLength(records: readonly PlanRecord[], first: number): number {
  const record = records[first];
  if (record?.kind === 'fork') {
    let depth = 0;
    for (let at = first; at < records.length; at++) {
      depth += records[at]?.kind === 'fork' ? 1 : records[at]?.kind === 'join' ? -1 : 0;
      if (depth === 0) return at - first + 1;
    }
    return records.length - first;
  }
  if (!record || record.pass < 0) return 1;
  const end = records.findIndex((other, at) => at > first && other.pass !== record.pass);
  return (end < 0 ? records.length : end) - first;
}

/** `eth | ip4 | tcp`, `match`, `( flow ) + ( tcp | count )`. */
function unitName(records: readonly PlanRecord[]): string {
  let text = '';
  records.forEach(({ kind, name }, index) => {
    const before = records[index - 1]?.kind;
    if (kind === 'fork') text += before === 'operation' ? ' | ' : '';
    else if (kind === 'branch') text += before === 'fork' ? '( ' : ' ) + ( ';
    else if (kind === 'join') text += ' )';
    else text += before === 'operation' || before === 'join' ? ` | ${name}` : name;
  });
  return text;
}

/** Costs of a path through the host's part of a plan: steps of an accelerator belong to the source. */
export function pathCosts(pipeline: Pipeline, plan: PipelinePlan, options: CostOptions = {}): PathCosts {
  const { measurements = DEFAULT_MEASUREMENTS, frameBytes = SMALL_PACKET, outsideSourceCycles } = options;
  const units = unitsOf(plan).filter(({ first }) => plan.records[first]?.variant !== DEVICE_VARIANT);
  const operations = pipeline.steps.map((step) => step.operation);
  return {
    elements: [
      sourceElement(measurements, frameBytes, outsideSourceCycles),
      intakeElement(measurements, frameBytes, options.digestBytes),
      ...units.map((unit) => unitElement(unit, plan, operations, measurements, frameBytes)),
    ],
    sourceOutside: outsideSourceCycles !== undefined,
    burst: FULL_BURST,
    frameBytes,
    notReplicable: refusalOf(() => refusePlacement(pipeline, { placement: 'replicated', memoryWritable: true })),
    ...(options.laneShares && { laneShares: options.laneShares }),
  };
}

function sourceElement({ source }: Measurements, frameBytes: number, outside: number | undefined): PathElement {
  const cycles = outside ?? source.perPacket + source.perByte * Math.max(0, frameBytes - SMALL_PACKET);
  const known = outside === undefined && isMeasured(source, DEFAULT_MEASUREMENTS.source);
  return { ...element('source', 'source', cycles, linesOf(frameBytes)), basis: known ? 'measured' : 'declared' };
}

function intakeElement({ intake }: Measurements, frameBytes: number, digestBytes = frameBytes): PathElement {
  const covered = Math.min(frameBytes, digestBytes);
  const cycles = intake.perPacket + intake.perByte * covered;
  const known = isMeasured(intake, DEFAULT_MEASUREMENTS.intake);
  return { ...element('intake', 'intake', cycles, linesOf(covered)), basis: known ? 'measured' : 'declared' };
}

/** The defaults were measured on another machine than this; a machine file may bring its own. */
function isMeasured(given: Measurements['source'], known: Measurements['source']): boolean {
  return given.perPacket !== known.perPacket || given.perByte !== known.perByte;
}

function unitElement(
  unit: PlanUnit,
  plan: PipelinePlan,
  operations: readonly Operation[],
  { passShare }: Measurements,
  frameBytes: number,
): PathElement {
  const to = unit.firstOperation + unit.operations;
  const choices = plan.choices.slice(unit.firstOperation, to);
  const own = operations.slice(unit.firstOperation, to);
  const isPass = (plan.records[unit.first]?.pass ?? -1) >= 0;
  const costs = choices.map(costOf);
  const cycles = costs.reduce((sum, cost) => sum + cost.cycles, 0) * (isPass ? passShare : 1);
  const all = linesOf(frameBytes);
  const touches = { none: 0, header: Math.min(HEADER_LINES, all), payload: all };
  return {
    ...element(unit.name, 'unit', cycles, Math.max(0, ...own.map(({ access }) => touches[access]))),
    basis: costs.every(({ measured }) => measured) ? 'measured' : 'declared',
    copiedBytes: own.some(({ expands }) => expands) ? frameBytes : 0,
  };
}

function costOf({ candidates, variant }: StepChoice): { cycles: number; measured: boolean } {
  const chosen = candidates.find((candidate) => candidate.variant === variant);
  const observed = chosen?.observedCycles ?? null;
  return { cycles: observed ?? chosen?.expectedCycles ?? 0, measured: observed !== null };
}

/** For machines and paths that are made up. */
export function element(name: string, kind: PathElement['kind'], cycles: number, lines = 0): PathElement {
  return { name, kind, cycles, basis: 'declared', lines, copiedBytes: 0, mayBegin: true };
}

function linesOf(bytes: number): number {
  return Math.ceil((SLOT_OFFSET + bytes) / LINE_BYTES);
}

function refusalOf(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    return error.message;
  }
}
