/**
 * Rule 1: timeslices as long as the latency bound allows, and no more bursts under way than the caches hold. Pure; for the start
 * of a run and, with observed costs, for its course.
 */
import type { PathCosts } from './costs.js';
import { type Layout, type Platform, rangesOf, sharingBetween } from './layout.js';
import type { MachineModel } from './machine-model.js';
import type { Placement } from './types.js';

/** Which slices these are, horizontal or vertical, is the user's choice and no part of it. */
export type Timeslice = Pick<Placement, 'window' | 'sliceBursts' | 'fillPackets'>;

const MOST_BURSTS = 64;
/** Of a cache level for packets on their way; the rest is for tables and what operations remember. */
const CACHE_SHARE = 0.5;
const LINE_BYTES = 64;
/** Columns of a Burst256 and what goes with it, per packet. */
const ROW_BYTES = 64;
/** Each container works on one burst while it hands over another. */
const BURSTS_PER_CONTAINER = 2;

export function timeslice(
  layout: Layout,
  path: PathCosts,
  model: MachineModel,
  platform: Platform,
  latencySeconds: number,
): Timeslice {
  const used = Math.max(1, rangesOf(layout.containers).length);
  const burstSeconds = (path.burst * layout.bottleneck) / model.hz;
  const within = (bursts: number): number => Math.max(1, Math.min(MOST_BURSTS, Math.floor(bursts)));
  const lines = Math.max(1, ...path.elements.map((element) => element.lines));
  const burstBytes = path.burst * (lines * LINE_BYTES + ROW_BYTES);
  const cache = sharedCache(layout, model, platform);
  const fitting = cache === 0 ? MOST_BURSTS : (cache * CACHE_SHARE) / burstBytes;
  const inTime = latencySeconds / burstSeconds;
  const least = used === 1 ? 1 : powerOfTwoUp(BURSTS_PER_CONTAINER * used);
  const window = Math.max(Math.min(least, MOST_BURSTS), powerOfTwoDown(within(Math.min(fitting, inTime))));
  return {
    window: used === 1 ? 1 : window,
    /* A packet waits for its own slice and for those of the other agents of the container: half of the bound each. */
    sliceBursts: powerOfTwoDown(within(Math.min(fitting, inTime / 2))),
    fillPackets: inTime >= BURSTS_PER_CONTAINER * used + 1 ? path.burst : 0,
  };
}

/** The cache in which bursts on their way should stay: the largest private one, or the nearest that all containers share. */
function sharedCache(layout: Layout, model: MachineModel, platform: Platform): number {
  const containers = rangesOf(layout.containers).map(({ container }) => container);
  const apart = containers.some((container, index) => {
    const before = containers[index - 1];
    return before !== undefined && !['core', 'l2'].includes(sharingBetween(platform, before, container));
  });
  /* Apart, each core pulls a burst into its own L2 in turn: what is under way must fit into the smallest of them all the same. */
  if (!apart || model.caches.l3 === 0) return model.caches.l2;
  return Math.max(model.caches.l2, Math.min(model.caches.l3 / 8, 2 * model.caches.l2));
}

function powerOfTwoDown(value: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, value)));
}

function powerOfTwoUp(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, value)));
}
