/** Selection: which candidate of a step runs, and why. Pure; called by the planner. */
import type { InstructionSet } from '../machine.js';
import { refuse } from '../pipeline/refusal.js';
import type { Pipeline, Step } from '../pipeline/tree.js';
import { discover, type Found } from './compilers.js';
import { DEVICE_VARIANT } from './device-steps.js';
import type { Candidate, PlanOptions, PlanRecord } from './plan-types.js';

const ISAS: readonly string[] = ['scalar', 'avx2', 'avx512'] satisfies InstructionSet[];
/** What perByte counts from: the packets that expected cycles per packet are declared for. */
const SMALL_PACKET = 60;

const NOT_LOOKED_FOR = 'nobody has looked for an accelerator';

export interface Selection {
  readonly candidates: readonly Candidate[];
  readonly variant: string;
  readonly why: string;
}

/** `recordOf` makes the record of this step in the given variant; `before` is the path to it. */
export function select(
  step: Step,
  pipeline: Pipeline,
  options: PlanOptions,
  before: readonly PlanRecord[],
  recordOf: (variant: string) => PlanRecord,
): Selection {
  const asked = askedVariant(step, pipeline, options);
  const candidates = discover(step.operation).map((found) => candidateOf(found, step, options, before, recordOf, asked?.variant));
  if (asked) {
    const candidate = candidates.find(({ variant }) => variant === asked.variant);
    if (candidate?.available) return { candidates, ...asked };
    refuseUnavailable(step, pipeline, asked, candidate, candidates);
  }
  const considered = candidates.filter(({ obstacle }) => obstacle === null);
  if (considered.length === 0) refuseUnavailable(step, pipeline, null, candidates[0], candidates);
  return { candidates, ...cheapest(considered) };
}

function candidateOf(
  { implementation, chain }: Found,
  { parameter }: Step,
  options: PlanOptions,
  before: readonly PlanRecord[],
  recordOf: (variant: string) => PlanRecord,
  asked: string | undefined,
): Candidate {
  const { name, expectedCycles, architecture } = implementation.variant;
  const unavailable = whyUnavailable(name, architecture, options);
  const unasked = name === DEVICE_VARIANT && asked !== DEVICE_VARIANT;
  const obstacle = unavailable ?? (unasked ? 'takes whole batches on an accelerator: only when asked for' : null);
  const beyond = Math.max(0, (options.packetBytes ?? SMALL_PACKET) - SMALL_PACKET);
  const { perPacket, perByte, perArgument = 0 } = expectedCycles;
  return {
    variant: name,
    chain: chain.map((compiler) => `${compiler.from} -> ${compiler.to} (${compiler.name})`),
    expectedCycles: perPacket + perByte * beyond + perArgument * parameter,
    observedCycles: unavailable === null ? (options.costs?.(before, recordOf(name)) ?? null) : null,
    available: unavailable === null,
    obstacle,
  };
}

function whyUnavailable(
  name: string,
  architecture: string | undefined,
  { isas, accelerator, architecture: here = 'x64' }: PlanOptions,
): string | null {
  if (ISAS.includes(name) && !isas.some((isa) => isa === name))
    return `${name} is not among what may run here: ${isas.join(', ')}`;
  if (name === DEVICE_VARIANT && !accelerator) return accelerator === null ? NOT_LOOKED_FOR : 'there is no accelerator';
  if (architecture !== undefined && architecture !== here) return `needs ${architecture}, this is ${here}`;
  return null;
}

/** By the step itself, or for all steps that have a body for the instruction set. */
function askedVariant(step: Step, { steps }: Pipeline, { isa, chosen }: PlanOptions): Pick<Selection, 'variant' | 'why'> | null {
  const { variant, operation, text } = step;
  const planned = chosen?.[steps.indexOf(step)];
  if (planned !== undefined) return { variant: planned, why: 'as planned before' };
  if (variant !== null) return { variant, why: `asked for: ${text.split(/\s/, 1)[0]}` };
  const several = operation.variants.filter(({ name }) => ISAS.includes(name)).length > 1;
  return isa !== undefined && several ? { variant: isa, why: `${isa} was asked for` } : null;
}

/** Lowest observed; where nothing was observed, lowest expected. Equal ones: the later, which is the wider. */
function cheapest(considered: readonly Candidate[]): Pick<Selection, 'variant' | 'why'> {
  const observed = considered.filter((candidate) => candidate.observedCycles !== null);
  const field = observed.length > 0 ? observed : considered;
  const cost = (candidate: Candidate): number => candidate.observedCycles ?? candidate.expectedCycles;
  const ranked = [...field].reverse().sort((a, b) => cost(a) - cost(b));
  const [best, second] = ranked;
  if (!best) throw new RangeError('no candidate');
  if (!second)
    return {
      variant: best.variant,
      why: considered.length === 1 ? 'the only one that runs here' : 'the only one that was measured',
    };
  const how = observed.length > 0 ? 'observed' : 'expected';
  return {
    variant: best.variant,
    why: `lowest ${how}: ${cost(best).toFixed(1)} cycles per packet, ${second.variant} ${cost(second).toFixed(1)}`,
  };
}

function refuseUnavailable(
  { column, text, operation }: Step,
  pipeline: Pipeline,
  asked: Pick<Selection, 'variant'> | null,
  candidate: Candidate | undefined,
  candidates: readonly Candidate[],
): never {
  const what = asked ? `'${operation.name}' as ${asked.variant}` : `'${text.split(/\s/, 1)[0]}'`;
  const others = candidates.filter(({ available }) => available).map(({ variant }) => variant);
  const why = candidate?.obstacle ?? 'it has no such variant';
  refuse(
    pipeline.text,
    column - 1,
    `${what} cannot run here: ${why},`,
    others.length > 0 ? `Here run ${others.join(', ')}` : 'Leave it out',
  );
}
