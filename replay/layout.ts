/**
 * From a plan's placement to what runs: lanes, containers, the first placement of each path, and the loop that changes it. Where
 * there is something to choose, the chain is measured for a few milliseconds on packets of the trace first. For launch.ts.
 *
 *   plan, trace, machine ─► costs of the elements ─► choosePlacement() (pure, stack/scheduler) ─► Layout ─► Scheduling
 */
import {
  type ActionRecord,
  choosePlacement,
  isPossible,
  layoutOf,
  type Machine,
  type MachineModel,
  ModelTError,
  modelOf,
  native,
  type PathCosts,
  type Placement,
  type PlacementChoice,
  parsePipeline,
  pathCosts,
  platformOf,
  startPolicy,
  unitsOf,
} from '../stack/index.js';
import type { TraceInfo } from './captures/native-trace.js';
import { type NativeRun, replayNative } from './native-run.js';
import type { Element, Observed } from './observing.js';
import type { Placed } from './outcome.js';
import { tracePackets } from './packets.js';
import type { PlacementOutcome, ReplayPlan } from './plan-types.js';
import type { Watch } from './run.js';
import { Scheduling } from './scheduling.js';
import { refusesReplication, stackOf, stackProgram } from './stack-plan.js';
import type { Statistics } from './statistics.js';
import { memoryLeft, nativeOf, type Trace } from './trace.js';

/** What native code takes for: no prefetch helper. */
export const NO_HELPER = -2;

/** Element 0 of a path whose packets come from elsewhere. */
const OUTSIDE = -1;
/** Of paths that nothing was chosen for: everything in one container. */
const USUAL = { window: 1, sliceBursts: 16, fillPackets: 0 } as const;

/** Bursts under way in a path that is cut where the user says. */
const STARTING_WINDOW = 8;

/** Below these a choice takes longer than it could gain. */
const FEW_PACKETS = 2 ** 21;
const SHORT_SECONDS = 0.2;
/** Source and intake. */
const ELEMENTS_BEFORE = 2;
/** What --digest headers covers of a slot. */
const HEADER_BYTES = 126;
const SAMPLE_PACKETS = 4096;
const SAMPLE_SECONDS = 0.003;
const SAMPLE_ROUNDS = 3;
/** Of a packet in a lane beside its slot: columns of the image and of the mutation, and its number in the whole trace. */
const LANE_PACKET_BYTES = 128;
/** Huge pages that are not full, rings, and what the rest of the process takes. */
const SPARE_BYTES = 128 * 2 ** 20;
const MIB = 2 ** 20;

export interface Layout {
  readonly containers: readonly { readonly name: string; readonly cpu: number }[];
  readonly lanes: number;
  readonly placement: Placement;
  readonly helperCpu: number | null;
  readonly elements: readonly Element[];
  /** Null: nothing was chosen, and nothing will be moved. */
  readonly choice: { readonly costs: PathCosts; readonly made: PlacementChoice } | null;
  readonly chosen: PlacementOutcome['chosen'];
  readonly why: string;
  readonly expected: PlacementOutcome['expected'];
  readonly expectedPacketsPerSecond: number | null;
  /** First container that is the path's: those before it are producers. */
  readonly firstContainer: number;
}

/** Containers of producers stand before those of the path where the source is no element of it. */
function names(count: number, producers: number, lanes: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    if (lanes > 1) return `model-t lane ${index}`;
    return index < producers ? `model-t source ${index}` : `model-t stack ${index - producers}`;
  });
}

/** Everything in its usual place: producers apart, the chain in one container behind them. */
function usualLayout(plan: ReplayPlan, why: string): Layout {
  const reads = plan.target.kind === 'stack' || plan.target.kind === 'pcap';
  const pulls = plan.gpu?.insert === 'pull' && reads;
  const isMovable = reads && plan.threads === 1 && (plan.engine === 'native' || pulls);
  const units = unitsOf(stackOf(plan)?.planned ?? { records: [] });
  const count = isMovable ? Math.min(2, Math.max(1, plan.cores.length)) : plan.threads + (reads ? 1 : 0);
  const chain = isMovable ? count - 1 : 0;
  const placement: Placement = {
    ...USUAL,
    containers: [isMovable ? 0 : OUTSIDE, chain, ...units.map(() => chain)],
    slices: plan.placement.slices,
  };
  return {
    containers: names(count, isMovable ? 0 : plan.threads, 1).map((name, index) => ({ name, cpu: plan.cores[index] ?? -1 })),
    lanes: 1,
    placement,
    helperCpu: null,
    elements: elementsOf(plan),
    choice: null,
    chosen: 'fused',
    why,
    expected: [],
    expectedPacketsPerSecond: null,
    firstContainer: isMovable ? 0 : plan.threads,
  };
}

function elementsOf(plan: ReplayPlan): Element[] {
  const units = unitsOf(stackOf(plan)?.planned ?? { records: [] });
  return [
    { name: 'source', first: -2, count: 0 },
    { name: 'intake', first: -1, count: 0 },
    ...units.map(({ name, firstOperation, operations }) => ({ name, first: firstOperation, count: operations })),
  ];
}

function isShort({ durationSeconds, loop, limit }: ReplayPlan, packets: number): boolean {
  if (durationSeconds !== null && durationSeconds < SHORT_SECONDS) return true;
  const all = loop === 0 ? Number.POSITIVE_INFINITY : packets * loop;
  return Math.min(all, limit ?? Number.POSITIVE_INFINITY) < FEW_PACKETS;
}

/** Throws ModelTError when what was asked for cannot be. */
export function layOut(trace: Trace, info: TraceInfo, plan: ReplayPlan, machine: Machine): Layout {
  const { mode } = plan.placement;
  if (mode === 'fused') return usualLayout(plan, 'it was asked for, or nothing else is possible');
  if (mode === 'auto') {
    if (trace.live) return usualLayout(plan, 'the trace comes as a stream, of which there is nothing to measure yet');
    if (isShort(plan, info.packets)) return usualLayout(plan, 'the run is too short to choose for');
  }
  if (trace.live && mode === 'replicated') {
    throw new ModelTError(
      'PLACEMENT_IMPOSSIBLE',
      '--placement replicated needs the whole capture first, to share out its flows',
      2,
      'Use --placement piped, or save the stream to a file',
    );
  }
  return chosenLayout(plan, machine, costsOf(trace, info, plan, machine));
}

function chosenLayout(plan: ReplayPlan, machine: Machine, costs: PathCosts): Layout {
  const { slices, start } = plan.placement;
  const model = modelOf(machine);
  const { made, helperCpu } = chosenWithHelper(plan, model, costs, cpusOf(plan, machine));
  const count = made.lanes > 1 ? made.lanes : made.cpus.length;
  const placement = { ...made.placement, slices, ...(start && { containers: start, window: STARTING_WINDOW }) };
  if (start) refuseStart(start, costs, count);
  const whole = layoutOf(placement.containers, costs, platformOf(model, made.cpus, costs.burst)).packetsPerSecond;
  return {
    containers: names(count, 0, made.lanes).map((name, index) => ({ name, cpu: made.cpus[index] ?? -1 })),
    lanes: made.lanes,
    placement,
    helperCpu,
    elements: elementsOf(plan),
    choice: { costs, made },
    chosen: made.mode,
    why: start ? 'it was asked for' : made.reason,
    expected: Object.entries(made.expected).map(([name, { packetsPerSecond }]) => ({
      mode: name as PlacementChoice['mode'],
      packetsPerSecond,
    })),
    expectedPacketsPerSecond: made.lanes > 1 ? made.expected.replicated.packetsPerSecond : whole,
    firstContainer: 0,
  };
}

function cpusOf(plan: ReplayPlan, machine: Machine): readonly number[] {
  return plan.cores.length > 0 ? plan.cores : machine.cpus.slice(0, 1);
}

/** Rule 3b: with more CPUs than elements the last one can fetch ahead, and the path is laid out on the others. */
function chosenWithHelper(
  { placement: { mode, latencySeconds, moves, start } }: ReplayPlan,
  model: MachineModel,
  costs: PathCosts,
  cpus: readonly number[],
): { readonly made: PlacementChoice; readonly helperCpu: number | null } {
  const made = choosePlacement(mode, costs, model, { cpus, latencySeconds });
  const others = cpus.slice(0, -1);
  const isWanted = start?.includes(others.length) ?? false;
  if (made.lanes > 1 || !moves || isWanted || cpus.length <= costs.elements.length) return { made, helperCpu: null };
  const beside = choosePlacement(mode, costs, model, { cpus: others, latencySeconds });
  /* One lane less may have the luckier deal of flows; what was chosen for all CPUs stays. */
  return beside.lanes > 1 ? { made, helperCpu: null } : { made: beside, helperCpu: cpus.at(-1) ?? null };
}

/** What native code would refuse too, in the words of the flag. */
function refuseStart(start: readonly number[], { elements }: PathCosts, count: number): void {
  const text = `--place ${start.join(',')}`;
  const refuse = (problem: string, remedy: string): never => {
    throw new ModelTError('PLACEMENT_IMPOSSIBLE', `${text} ${problem}`, 2, remedy);
  };
  const names = elements.map(({ name }) => name).join(', ');
  if (start.length !== elements.length) {
    refuse(`names ${start.length} containers for ${elements.length} elements`, `Give one for each of: ${names}`);
  }
  const beyond = start.find((container) => container >= count);
  if (beyond !== undefined) refuse(`has container ${beyond}, and there are ${count}`, 'Count from 0, or give more --cores');
  if (!isPossible(start, elements)) refuse('comes back to a container that it has left', 'Give each container one range');
}

/** Share of each lane if every CPU had one; or why the trace cannot be split. */
function laneSharesOf(trace: Trace, info: TraceInfo, plan: ReplayPlan, machine: Machine): number[] | string {
  if (trace.live) return 'the trace comes as a stream';
  const obstacle = refusesReplication(plan) ?? lacksMemory(info, Math.min(machine.availableBytes, memoryLeft()));
  if (obstacle !== null) return obstacle;
  try {
    const loads = replayNative().laneShares(nativeOf(trace), cpusOf(plan, machine).length);
    return loads.map((load) => load.packets / info.packets);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Lanes are a second copy of the trace. Null: there is room for one. */
export function lacksMemory({ slotBytes, packets }: Pick<TraceInfo, 'slotBytes' | 'packets'>, left: number): string | null {
  const needed = slotBytes + packets * LANE_PACKET_BYTES + SPARE_BYTES;
  if (needed <= left) return null;
  return `a second copy of the trace, in lanes, needs ${Math.ceil(needed / MIB)} MiB of memory, and ${Math.floor(left / MIB)} MiB are left`;
}

/** Of every element, those of the chain as measured on packets of the trace. */
function costsOf(trace: Trace, info: TraceInfo, plan: ReplayPlan, machine: Machine): PathCosts {
  const stack = stackOf(plan);
  if (!stack) throw new TypeError('a placement is chosen for a stack only');
  const { packets, bytes } = info;
  const lanes = laneSharesOf(trace, info, plan, machine);
  const frameBytes = packets > 0 ? bytes / packets : undefined;
  const costs = pathCosts(parsePipeline(plan.pipeline), stack.planned, {
    ...(frameBytes !== undefined && { frameBytes }),
    ...(plan.digest === 'headers' && { digestBytes: HEADER_BYTES }),
    ...(Array.isArray(lanes) && { laneShares: () => lanes }),
  });
  const measured = trace.live ? null : measuredUnits(trace, plan);
  return {
    ...costs,
    notReplicable: typeof lanes === 'string' ? lanes : null,
    elements: costs.elements.map((element, index) => {
      const cycles = measured?.[index - ELEMENTS_BEFORE];
      return cycles === undefined ? element : { ...element, cycles, basis: 'measured' as const };
    }),
  };
}

/** Cycles of each unit per packet of the path: the program itself, over the first packets of the trace; the best of a few rounds. */
function measuredUnits(trace: Trace, plan: ReplayPlan): number[] {
  const packets = tracePackets(trace, SAMPLE_PACKETS);
  const units = unitsOf(stackOf(plan)?.planned ?? { records: [] });
  const best = units.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < SAMPLE_ROUNDS; round++) {
    const { steps } = native.runProgram({ program: stackProgram(plan), packets, collect: false, seconds: SAMPLE_SECONDS });
    const all = steps[0]?.packets ?? 0;
    for (const [index, { firstOperation, operations }] of units.entries()) {
      const own = steps.slice(firstOperation, firstOperation + operations);
      const cycles = own.reduce((sum, step) => sum + (step.packets > 0 ? step.cyclesPerPacket * step.packets : 0), 0);
      best[index] = Math.min(best[index] ?? Number.POSITIVE_INFINITY, all > 0 ? cycles / all : 0);
    }
  }
  return best;
}

/** The loop that looks after the paths, and its helper, the container behind all others; null where there is nothing to look after. */
export function scheduled(
  plan: ReplayPlan,
  machine: Machine,
  layout: Layout,
  run: NativeRun,
  statistics: Statistics,
  { onAction }: Watch,
): Scheduling | null {
  if (!layout.choice || !plan.placement.moves) return null;
  const { costs, made } = layout.choice;
  const { paths } = statistics.shape;
  const perPath = layout.lanes > 1 ? 1 : layout.containers.length;
  const observed = (path: number): Observed => ({
    path,
    firstContainer: layout.lanes > 1 ? path : layout.firstContainer,
    containerCount: perPath,
    cpus: layout.lanes > 1 ? made.cpus.slice(path, path + 1) : made.cpus,
    elements: layout.elements,
  });
  return new Scheduling({
    native: run,
    statistics,
    latencySeconds: plan.placement.latencySeconds,
    helper: layout.helperCpu === null ? null : layout.containers.length,
    started: made.actions,
    paths: Array.from({ length: paths }, (_, path) => ({
      observed: observed(path),
      placement: layout.placement,
      state: startPolicy({
        mode: layout.chosen === 'fused' && plan.placement.mode === 'auto' ? 'auto' : layout.chosen,
        model: modelOf(machine),
        cpus: observed(path).cpus,
        path: costs,
        latencySeconds: plan.placement.latencySeconds,
        canPrefetch: layout.helperCpu !== null,
      }),
    })),
    ...(onAction && { onAction }),
  });
}

/** `moved`: what each path has at the end, where it may have been moved. */
export function placedBy(
  layout: Layout,
  moved: { placementOf(path: number): Placement | undefined },
  actions: readonly ActionRecord[],
): Placed {
  const final = (path: number): Placement => moved.placementOf(path) ?? layout.placement;
  const helper = layout.helperCpu === null ? [] : [{ name: 'model-t prefetch', cpu: layout.helperCpu }];
  return {
    containers: [...layout.containers, ...helper],
    containerOf: (path, operation) => {
      const element = layout.elements.findIndex(({ first, count }) => operation >= first && operation < first + count);
      const own = final(path).containers[element] ?? 0;
      return layout.lanes > 1 ? path : layout.firstContainer + own;
    },
    outcome: {
      chosen: layout.chosen,
      why: layout.why,
      expected: layout.expected,
      expectedPacketsPerSecond: layout.expectedPacketsPerSecond,
      elements: layout.elements.map(({ name }) => name),
      final: final(0),
      actions,
    },
  };
}
