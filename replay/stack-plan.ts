/**
 * The stack's side of a replay plan: which bodies run its pipeline, and the program that native code gets. Pure but for the
 * calibration that a request may bring along. Called by plan.ts, launch.ts, outcome.ts.
 */
import {
  type Calibrate,
  ModelTError,
  type NativeProgram,
  type Pipeline,
  type PipelinePlan,
  type PlanOptions,
  parsePipeline,
  planPipeline,
  programOf,
  type Step,
} from '../stack/index.js';
import type { ReplayPlan, ReplayRequest } from './plan-types.js';

type StackSide = Pick<ReplayPlan, 'payload' | 'gpu' | 'isa' | 'readerPolicy' | 'placement'>;

/** In the order in which each runs what stands before it, too. */
const ISAS = ['scalar', 'avx2', 'avx512'] as const;

/**
 * Resident payload and pushed staging buffers are read again in later laps, and what a lag reader looks at may be a packet that
 * others have yet to get: nothing may be written there.
 */
function optionsOf({ payload, gpu, isa, readerPolicy, placement }: StackSide): PlanOptions {
  const memoryWritable = payload === 'copy' && gpu?.insert !== 'push' && readerPolicy !== 'lag';
  const chains = placement.mode === 'replicated' ? 'replicated' : 'fused';
  return { isas: ISAS.slice(0, ISAS.indexOf(isa) + 1), placement: chains, memoryWritable, isa };
}

/** A lag reader's packets may be overwritten while they are looked at: what is kept of them would be kept wrong. */
function refuseLag({ steps, text }: Pipeline, { readerPolicy }: StackSide): void {
  const keeper = steps.find(({ operation }) => operation.expands || operation.name === 'flow');
  if (readerPolicy !== 'lag' || !keeper) return;
  const problem = `'${keeper.operation.name}' (column ${keeper.column} of '${text}') keeps what it sees of packets`;
  const remedy = 'Use --reader block or --reader drop';
  throw new ModelTError('POLICY_UNSUITABLE', `${problem}, and --reader lag lets them be overwritten meanwhile`, 2, remedy);
}

/**
 * One variant per step, depth first. An instruction set that was asked for is taken where there is a body for it; else the
 * fastest by calibration, where there is one. Throws ModelTError for what cannot be planned.
 */
export function chooseVariants(
  pipeline: Pipeline,
  plan: StackSide,
  request: ReplayRequest,
  isas: PlanOptions['isas'],
  costs?: Calibrate,
): string[] {
  const { isa, ...options } = optionsOf(plan);
  const asked = (request.isa ?? 'auto') !== 'auto';
  const choice: PlanOptions = asked && isa ? { ...options, isa } : { ...options, isas, ...(costs && { costs }) };
  refuseLag(pipeline, plan);
  return planPipeline(pipeline, choice).choices.map(({ variant }) => variant);
}

/** The pipeline of a plan, and what runs it. */
interface Stack {
  readonly steps: readonly Step[];
  readonly planned: PipelinePlan;
}

/** Plans are frozen: what was compiled for the start of a run (a thousand patterns take a while) serves its outcome as well. */
const stacks = new WeakMap<ReplayPlan, Stack>();

/** Null without a stack. */
export function stackOf(plan: ReplayPlan): Stack | null {
  if (plan.target.kind !== 'stack') return null;
  const known = stacks.get(plan);
  if (known) return known;
  const pipeline = parsePipeline(plan.pipeline);
  const stack = { steps: pipeline.steps, planned: planPipeline(pipeline, { ...optionsOf(plan), chosen: plan.variants }) };
  stacks.set(plan, stack);
  return stack;
}

/** Why its chain cannot stand on several cores side by side; null: it can. */
export function refusesReplication(plan: ReplayPlan): string | null {
  const stack = stackOf(plan);
  if (!stack) return 'there is no stack';
  try {
    planPipeline(parsePipeline(plan.pipeline), { ...optionsOf(plan), placement: 'replicated', chosen: plan.variants });
    return null;
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    return error.message;
  }
}

export function stackProgram(plan: ReplayPlan): NativeProgram {
  const stack = stackOf(plan);
  return stack ? programOf(stack.planned.records) : { records: [], needs: 0 };
}
