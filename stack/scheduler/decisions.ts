/**
 * What the policy does when nothing is on trial: rules 4, 3a and 2 where a container cannot keep up, then rule 1, then rule 3b.
 * Pure; called by policy.ts.
 */
import type { PathCosts } from './costs.js';
import { observedPath, platformSeen } from './estimates.js';
import { helperFor, mega, percent, startHelperTrial } from './helper.js';
import { type Layout, layoutOf, type Platform, rangesOf } from './layout.js';
import { isFree, keyOf, rateOf, unsettled } from './memory.js';
import { type Move, movesFrom } from './moves.js';
import { alignedTo, exactPartition } from './partition.js';
import type { PolicyState } from './policy-types.js';
import { type Timeslice, timeslice } from './timeslice.js';
import type { Action, Observation, Placement } from './types.js';

export interface Decision {
  readonly state: PolicyState;
  readonly actions: readonly Action[];
}

/** A decision every so many looks since the last switch: costs are averages by then, and planning takes up to a millisecond. */
const LOOKS = 5;
/** A single move is enough if it brings this share of what the planner's placement would. */
const MOST_OF_IT = 0.5;
/** Slices and windows change if they are off by more than this factor. */
const SLICE_FACTOR = 4;

/** What a decision looks at. */
interface View {
  readonly state: PolicyState;
  readonly observation: Observation;
  readonly path: PathCosts;
  readonly platform: Platform;
  readonly now: Layout;
}

export function decided(state: PolicyState, observation: Observation): Decision {
  if (state.looks === 0 || state.looks % LOOKS !== 0) return { state, actions: [] };
  const path = observedPath(state);
  const platform = platformSeen(state);
  const view = { state, observation, path, platform, now: layoutOf(observation.placement.containers, path, platform) };
  const moves = state.setup.mode !== 'fused' && observation.seconds >= state.patientUntil;
  const isFull = state.busiest >= state.tuning.busyShare || state.queue >= state.tuning.highWatermark;
  return (moves && isFull ? balanced(view) : null) ?? sliced(view) ?? (isFull ? helped(view) : null) ?? { state, actions: [] };
}

/** Rules 4, 3a and 2. Null = the placement is as good as any. */
function balanced(view: View): Decision | null {
  const { state, observation, path, platform, now } = view;
  const { leastGain, directGain } = state.tuning;
  const { containers } = observation.placement;
  const gainOf = (layout: Layout): number => now.bottleneck / layout.bottleneck - 1;
  const step = movesFrom(containers, path, platform).find(({ layout }) => mayTry(view, layout));
  const stepGain = step ? gainOf(step.layout) : 0;
  if (state.setup.mode === 'paper') return prioritised(view) ?? (step && stepGain >= leastGain ? moved(view, step) : null);
  const target = alignedTo(containers, exactPartition(path, platform), path, platform);
  const gain = mayTry(view, target) ? gainOf(target) : 0;
  if (gain >= directGain && stepGain < gain * MOST_OF_IT) return replanned(view, target);
  if (step && stepGain >= leastGain && stepGain >= gain * MOST_OF_IT) return moved(view, step);
  return gain >= leastGain ? replanned(view, target) : null;
}

function mayTry({ state, observation }: View, { containers }: { readonly containers: readonly number[] }): boolean {
  return isFree(state, keyOf({ ...observation.placement, containers }), observation.seconds);
}

/**
 * Rule 4 within a container, as the paper has it: where a queue builds between source and intake on one core, intake comes first.
 * Slices are of source and intake alike: shorter ones let intake have its turn sooner, and give it no larger share. So this is
 * tried in mode `paper` only, and not again in a run once it brought nothing.
 */
function prioritised(view: View): Decision | null {
  const { state, observation } = view;
  const { placement } = observation;
  const [source, intake] = placement.containers;
  if (!state.mayPrioritise || source !== intake || state.queue < state.tuning.highWatermark || placement.sliceBursts <= 1)
    return null;
  const next = { ...placement, sliceBursts: placement.sliceBursts / 2 };
  if (!isFree(state, keyOf(next), observation.seconds)) return null;
  const full = `${(state.queue * 100).toFixed(0)} % of the ring is full`;
  const reason = `${full} between source and intake, both in container ${source}: slices of ${next.sliceBursts} bursts instead of ${placement.sliceBursts}`;
  const decision = switched(view, { rule: '4', kind: 'prioritise', reason, placement: next }, state.tuning.helperGain);
  return { ...decision, state: { ...decision.state, mayPrioritise: false } };
}

function moved(view: View, move: Move): Decision {
  const { path, state, now, platform } = view;
  const names = path.elements.slice(move.from, move.to).map(({ name }) => `'${name}'`);
  const where = rangesOf(view.observation.placement.containers).some(({ container }) => container === move.target)
    ? 'its neighbour,'
    : 'the idle';
  const reason = `${slowest(now, state)} cannot keep up: ${names.join(', ')} from container ${move.source} to ${where} container ${move.target}; ${outlook(now, move.layout, platform)}`;
  return switched(view, { rule: '4', kind: move.kind, reason, placement: placed(view, move.layout) }, -state.tuning.worstLoss);
}

function replanned(view: View, target: Layout): Decision {
  const { path, state, now, platform } = view;
  const elements = path.elements.length - (path.sourceOutside ? 1 : 0);
  const scarce = elements > state.setup.cpus.length;
  const reason = `${slowest(now, state)} cannot keep up, and no single move brings half of what can be had: the planner's placement for the costs seen; ${outlook(now, target, platform)}`;
  const action = { rule: scarce ? '3a' : '2', kind: 'schedule', reason, placement: placed(view, target) } as const;
  return switched(view, action, -state.tuning.worstLoss);
}

function placed({ observation }: View, { containers }: Layout): Placement {
  return { ...observation.placement, containers };
}

function slowest(layout: Layout, { setup }: PolicyState): string {
  const container = layout.cycles.indexOf(Math.max(...layout.cycles));
  return `container ${container} (CPU ${setup.cpus[container]}, ${layout.bottleneck.toFixed(1)} cycles per packet)`;
}

function outlook(now: Layout, next: Layout, platform: Platform): string {
  const gain = now.bottleneck / next.bottleneck - 1;
  return `${next.bottleneck.toFixed(1)} cycles in the slowest instead of ${now.bottleneck.toFixed(1)}, ${mega(platform.hz / next.bottleneck)} expected (${percent(gain)})`;
}

/** Puts an action on trial. A helper stops: its core may have got work, and what it was measured on is gone. */
function switched(view: View, action: Action & { readonly placement: Placement }, mustGain: number): Decision {
  const { state, observation } = view;
  const { seconds, placement: before } = observation;
  const stops: Action[] =
    state.helper === null
      ? []
      : [{ rule: '3b', kind: 'idle', helper: null, reason: 'the path is about to change: no helper until it has settled' }];
  const rateBefore = rateOf(state.rates);
  const trial = { rule: action.rule, kind: action.kind, seconds, key: keyOf(action.placement), before, rateBefore, mustGain };
  const next = { ...state, ...unsettled(state, seconds), trial, helper: null, helperTrial: null, helperAt: seconds + 1 };
  return { state: next, actions: [...stops, action] };
}

/** Rule 1, with what was observed. */
function sliced(view: View): Decision | null {
  const { state, observation, path, platform, now } = view;
  const { placement } = observation;
  const best = timeslice(now, path, state.setup.model, platform, state.setup.latencySeconds);
  const off = (a: number, b: number): boolean => Math.max(a / b, b / a) >= SLICE_FACTOR;
  if (!off(best.sliceBursts, placement.sliceBursts) && !off(best.window, placement.window)) return null;
  const next: Placement = { ...placement, ...best };
  if (!isFree(state, keyOf(next), observation.seconds)) return null;
  return switched(view, { rule: '1', kind: 'slice', reason: sliceReason(view, best), placement: next }, -state.tuning.worstLoss);
}

function sliceReason({ observation: { placement }, state, path, now }: View, best: Timeslice): string {
  const { hz } = state.setup.model;
  const burst = ((path.burst * now.bottleneck) / hz) * 1e6;
  const bound = state.setup.latencySeconds * 1e6;
  return `a burst takes ${burst.toFixed(1)} µs in the slowest container, the bound is ${bound.toFixed(0)} µs: slices of ${best.sliceBursts} bursts instead of ${placement.sliceBursts}, ${best.window} under way instead of ${placement.window}`;
}

/** Rule 3b. */
function helped(view: View): Decision | null {
  const { state, observation, platform, now } = view;
  const { containers } = observation.placement;
  const { helperAt, setup } = state;
  if (!setup.canPrefetch || helperAt === null || observation.seconds < helperAt || state.helper !== null) return null;
  if (platform.cores.every((_, container) => containers.includes(container))) return null;
  const helper = helperFor(now.cycles.indexOf(Math.max(...now.cycles)), containers, platform);
  if (helper === null) {
    const reason = 'no idle core shares a cache with the slowest container: what it fetched would not be near; idle';
    return { state: { ...state, helperAt: null }, actions: [{ rule: '3b', kind: 'idle', reason }] };
  }
  const { trial, action } = startHelperTrial(helper, observation.seconds, setup.cpus[helper] ?? -1);
  const next = { ...state, ...unsettled(state, observation.seconds), helperTrial: trial };
  return { state: next, actions: action ? [action] : [] };
}
