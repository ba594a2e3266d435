/**
 * The start: which placement a path begins with, and what the others would bring. Pure; called by replay's planner and
 * `model-t plan`.
 */
import { ModelTError } from '../errors.js';
import type { PathCosts } from './costs.js';
import { mega } from './helper.js';
import { isShared, type Layout, layoutOf, type Platform, platformOf } from './layout.js';
import { containerCpus, type MachineModel } from './machine-model.js';
import { exactPartition, greedyGap, greedyPartition, isBetter } from './partition.js';
import { timeslice } from './timeslice.js';
import type { Action, Placement, PlacementMode } from './types.js';

export type StartMode = Exclude<PlacementMode, 'auto'>;

/** One way to run the path. */
export interface Expectation {
  /** 0 = it cannot run this way. */
  readonly packetsPerSecond: number;
  /** Containers that have work. */
  readonly containers: number;
  /** Of one lane, where it is replicated. Null = it cannot run this way. */
  readonly layout: Layout | null;
  /** Why it cannot run; null = it can. */
  readonly obstacle: string | null;
}

export interface PlacementChoice {
  readonly mode: StartMode;
  /** Of each lane. */
  readonly placement: Placement;
  /** Whole chains side by side; 1 unless replicated. */
  readonly lanes: number;
  /** CPU of each container, or of each lane's only one. */
  readonly cpus: readonly number[];
  readonly reason: string;
  readonly expected: Readonly<Record<StartMode, Expectation>>;
  /** How much longer the largest stage of the paper's joining is than the exact planner's; 0 = none. */
  readonly greedyGap: number;
  /** Rules that the start follows, for the log. */
  readonly actions: readonly Action[];
}

export interface ChoiceOptions {
  /** Of containers, in this order; default: as many as the model and its quota have. */
  readonly cpus?: readonly number[];
  /** A burst is to be through the path within this time; default 1 ms. */
  readonly latencySeconds?: number;
}

export const DEFAULT_LATENCY_SECONDS = 1e-3;
/** A simpler placement is taken if it brings nearly as much. */
const WORTH = 0.02;

/** Throws ModelTError (PLACEMENT_IMPOSSIBLE) when the asked mode cannot run this path. */
export function choosePlacement(
  mode: PlacementMode,
  path: PathCosts,
  model: MachineModel,
  options: ChoiceOptions = {},
): PlacementChoice {
  const cpus = options.cpus ?? containerCpus(model);
  const platform = platformOf(model, cpus, path.burst);
  const expected: PlacementChoice['expected'] = {
    fused: expectationOf(fusedLayout(path, platform)),
    piped: expectationOf(exactPartition(path, platform)),
    paper: expectationOf(greedyPartition(path, platform)),
    replicated: replicatedExpectation(path, platform),
  };
  const start = mode === 'auto' ? bestOf(expected) : mode;
  const { layout, obstacle } = expected[start];
  if (layout === null)
    throw new ModelTError('PLACEMENT_IMPOSSIBLE', `--placement ${start}: ${obstacle}`, 2, 'Use --placement auto');
  const slice = timeslice(layout, path, model, platform, options.latencySeconds ?? DEFAULT_LATENCY_SECONDS);
  const gap = greedyGap(expected.paper.layout as Layout, expected.piped.layout as Layout);
  const reason = reasonOf(mode, start, expected);
  const placement: Placement = { containers: layout.containers, ...slice, slices: 'horizontal' };
  return {
    mode: start,
    placement,
    lanes: start === 'replicated' ? expected.replicated.containers : 1,
    cpus,
    reason,
    expected,
    greedyGap: gap,
    actions: startActions(start, placement, reason, path, layout, cpus, model),
  };
}

/** Source on one core, the chain on another, whichever way round is faster; everything on one where there is no other. */
function fusedLayout(path: PathCosts, platform: Platform): Layout {
  const containers = [...platform.cores.keys()];
  const pairs = containers.flatMap((source) =>
    containers.filter((chain) => chain !== source).map((chain) => [source, chain] as const),
  );
  /* Cores come in an order in which neighbours share the most; of 128 equal ones the first few say it all. */
  const tried = pairs.filter(([source, chain]) => source < 16 || chain < 16);
  const layouts = (tried.length > 0 ? tried : [[0, 0] as const]).map(([source, chain]) =>
    layoutOf(
      path.elements.map((_, at) => (at > 0 ? chain : path.sourceOutside ? -1 : source)),
      path,
      platform,
    ),
  );
  return layouts.reduce((best, layout) => (isBetter(layout, best) ? layout : best));
}

function expectationOf(layout: Layout): Expectation {
  const containers = layout.cycles.filter((cycles) => cycles > 0).length;
  return { packetsPerSecond: layout.packetsPerSecond, containers, layout, obstacle: null };
}

/** Every core runs source and chain for a share of the flows, if there are as many; the lane that ends last is the rate. */
function replicatedExpectation(path: PathCosts, platform: Platform): Expectation {
  const lanes = platform.cores.length;
  const obstacle = path.sourceOutside
    ? 'the source is not on a core of ours, so that it cannot be split into lanes'
    : path.notReplicable;
  if (obstacle !== null) return { packetsPerSecond: 0, containers: 0, layout: null, obstacle };
  const chain = path.elements.map(() => 0);
  const alone = layoutOf(chain, path, platform);
  const all = platform.cores.map((_, container) => ({ container }));
  const speeds = platform.cores.map(
    (_, lane) => (platform.speeds[lane] ?? 1) / (isShared(lane, all, platform) ? platform.smtFactor : 1),
  );
  const shares = path.laneShares?.(lanes) ?? speeds.map(() => 1 / lanes);
  /* Lanes are numbered as containers are: which flows go into which is not chosen by the speed of its core. */
  const own = alone.bottleneck * (platform.speeds[0] ?? 1);
  const longest = Math.max(...shares.map((share, lane) => (share * own) / (speeds[lane] ?? 1)));
  return { packetsPerSecond: platform.hz / longest, containers: shares.length, layout: alone, obstacle: null };
}

/** The simplest first: a whole chain per core hands nothing over, two containers hand over once. */
function bestOf(expected: PlacementChoice['expected']): StartMode {
  const order: readonly StartMode[] = ['replicated', 'fused', 'piped'];
  const best = Math.max(...order.map((mode) => expected[mode].packetsPerSecond));
  return order.find((mode) => expected[mode].packetsPerSecond >= best * (1 - WORTH)) ?? 'piped';
}

function reasonOf(asked: PlacementMode, start: StartMode, expected: PlacementChoice['expected']): string {
  const figure = (mode: StartMode): string => {
    const { packetsPerSecond, containers, obstacle } = expected[mode];
    if (obstacle !== null) return `${mode} is refused (${obstacle})`;
    return `${mode} ${mega(packetsPerSecond)} on ${containers}`;
  };
  const others = (['replicated', 'fused', 'piped', 'paper'] as const).filter((mode) => mode !== start).map(figure);
  const why = asked === 'auto' ? 'the most is expected of it' : 'it was asked for';
  return `${figure(start)} ${expected[start].containers === 1 ? 'core' : 'cores'}: ${why}; ${others.join(', ')}`;
}

function startActions(
  start: StartMode,
  placement: Placement,
  reason: string,
  path: PathCosts,
  layout: Layout,
  cpus: readonly number[],
  model: MachineModel,
): Action[] {
  const elements = path.elements.length - (path.sourceOutside ? 1 : 0);
  const used = expectationOf(layout).containers;
  const burstMicroseconds = ((path.burst * layout.bottleneck) / model.hz) * 1e6;
  const scarce =
    elements > cpus.length ? `${elements} elements share ${cpus.length} ${cpus.length === 1 ? 'core' : 'cores'}` : null;
  const actions: Action[] = [
    { rule: scarce ? '3a' : '2', kind: scarce ? 'join' : 'schedule', reason: scarce ? `${scarce}: ${reason}` : reason },
    {
      rule: '1',
      kind: 'slice',
      reason: `slices of ${placement.sliceBursts} bursts, ${placement.window} under way, for ${burstMicroseconds.toFixed(1)} µs per burst in the slowest container`,
    },
  ];
  const idle = cpus.length - used;
  if (start !== 'replicated' && idle > 0)
    actions.push({ rule: '3b', kind: 'idle', reason: `${idle} of ${cpus.length} cores are left idle at first` });
  return actions;
}
