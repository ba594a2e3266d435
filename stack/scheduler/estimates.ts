/**
 * What observations say about the costs of elements and the speeds of cores. Pure; called by the policy at every look.
 *
 * Seen cycles hold the hop, the core's speed and its other thread; what is left belongs to the element. Where all elements of
 * a container change by the same factor at once, the core changed (its clock, a neighbour), and not each of them.
 */
import type { PathCosts } from './costs.js';
import { arrivalCycles, isShared, type Platform, platformOf, rangesOf, sharingBetween } from './layout.js';
import type { ElementEstimate, PolicyState } from './policy-types.js';
import type { Observation } from './types.js';

/** Fewer packets on the path say nothing about shares. */
const FEW_PACKETS = 256;
/** Drift beyond this factor, of all elements of a container, may be the core's. */
const COMMON_DRIFT = 1.15;
/** How near the last look must be to the drift before it is believed. */
const STEADY = 0.12;
const DRIFT_SMOOTHING = 0.4;
/** A change this large is no noise: it counts half at once. */
const LARGE_CHANGE = 1.3;
const FACTOR_BOUND = 8;
/** A core without work is believed to become what the model says, with this time constant. */
const FORGET_SECONDS = 10;
const NEARLY_ONE = 0.05;
/** Of the seen cycles that an element has at least, however large the hop is believed to be. */
const LEAST_OWN = 0.1;

export function observedPath({ setup, elements }: PolicyState): PathCosts {
  return {
    ...setup.path,
    elements: setup.path.elements.map((element, at) => {
      const estimate = elements[at];
      return estimate?.observed ? { ...element, cycles: estimate.cycles, basis: 'observed' as const } : element;
    }),
  };
}

export function platformSeen({ setup, factors }: PolicyState): Platform {
  return platformOf(setup.model, setup.cpus, setup.path.burst, factors);
}

export function learned(state: PolicyState, observation: Observation): PolicyState {
  const elements = [...state.elements];
  const factors = [...state.factors];
  const path = observedPath(state);
  const platform = platformSeen(state);
  const { containers } = observation.placement;
  const ranges = rangesOf(containers);
  ranges.forEach(({ container, from, to }, index) => {
    const seen = ownSeen(observation, path, platform, index);
    const factor = learnRange(elements.slice(from, to), seen, state.tuning.smoothing, (at, estimate) => {
      elements[from + at] = estimate;
    });
    factors[container] = Math.min(FACTOR_BOUND, Math.max(1 / FACTOR_BOUND, (factors[container] ?? 1) * factor));
  });
  const working = new Set(ranges.map(({ container }) => container));
  const kept = Math.exp(-observation.interval / FORGET_SECONDS);
  return {
    ...state,
    elements,
    factors: factors.map((factor, container) => {
      if (working.has(container)) return factor;
      return Math.abs(factor - 1) < NEARLY_ONE ? 1 : 1 + (factor - 1) * kept;
    }),
  };
}

/**
 * Cycles per packet of the path of each element of a range, as they were on a core of speed 1 without hop; NaN = not seen. Rows
 * that are copied to another container are no part of what is seen: that is done behind the operation, outside of its block.
 */
function ownSeen(observation: Observation, path: PathCosts, platform: Platform, index: number): number[] {
  const { containers } = observation.placement;
  const ranges = rangesOf(containers);
  const { container, from, to } = ranges[index] ?? { container: 0, from: 0, to: 0 };
  const before = ranges[index - 1]?.container ?? -1;
  const crosses = index > 0 || containers[0] === -1;
  const arrival = crosses ? arrivalCycles(path.elements, from, to, sharingBetween(platform, before, container), platform) : 0;
  const slow = isShared(container, ranges, platform) ? platform.smtFactor : 1;
  const packets = observation.elements[1]?.packets ?? 0;
  return path.elements.slice(from, to).map((_, offset) => {
    const look = observation.elements[from + offset];
    if (!look || packets < FEW_PACKETS) return Number.NaN;
    const share = from + offset < 2 ? 1 : look.packets / packets;
    const cycles = look.cyclesPerPacket * share;
    const own = cycles - (offset === 0 ? arrival : 0);
    return (Math.max(own, cycles * LEAST_OWN) * (platform.speeds[container] ?? 1)) / slow;
  });
}

/** Updates the estimates of one container, or says by which factor its core became slower. */
function learnRange(
  estimates: readonly ElementEstimate[],
  seen: readonly number[],
  smoothing: number,
  update: (at: number, estimate: ElementEstimate) => void,
): number {
  const drifts: number[] = [];
  const ratios: number[] = [];
  const next = estimates.map((estimate, at) => {
    const cycles = seen[at] ?? Number.NaN;
    if (!(cycles > 0) || !estimate.observed || estimate.cycles <= 0) return estimate;
    const ratio = cycles / estimate.cycles;
    const drift = estimate.drift + DRIFT_SMOOTHING * (ratio - estimate.drift);
    ratios.push(ratio);
    drifts.push(drift);
    return { ...estimate, drift };
  });
  const common = drifts.length >= 2 && (Math.min(...drifts) > COMMON_DRIFT || Math.max(...drifts) < 1 / COMMON_DRIFT);
  if (common && Math.abs(mean(ratios) / mean(drifts) - 1) < STEADY) {
    for (const [at, estimate] of next.entries()) update(at, { ...estimate, drift: 1 });
    return mean(drifts);
  }
  next.forEach((estimate, at) => {
    const cycles = seen[at] ?? Number.NaN;
    if (common || !(cycles > 0)) update(at, estimate);
    else if (!estimate.observed) update(at, { cycles, observed: true, drift: 1 });
    else update(at, { ...estimate, cycles: estimate.cycles + weight(estimate.drift, smoothing) * (cycles - estimate.cycles) });
  });
  return 1;
}

function weight(drift: number, smoothing: number): number {
  return drift > LARGE_CHANGE || drift < 1 / LARGE_CHANGE ? Math.max(smoothing, 0.5) : smoothing;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
