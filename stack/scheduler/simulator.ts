/**
 * A made-up machine that runs a path under the policy of live runs, tick by tick: a fluid model with queues between containers,
 * pauses for switches, noise by a seeded generator, bursts of arrivals, costs and clocks that change. Pure; for tests, and for
 * looking at machines that are not at hand.
 *
 *   arrivals ─► queue ─► container ─► queue ─► container ─►        a container does what its cycles allow,
 *               ring                  window                       what has come, and what there is room for behind it
 */
import type { PathCosts } from './costs.js';
import { arrivalCycles, isPossible, isShared, layoutOf, type Platform, platformOf, rangesOf, sharingBetween } from './layout.js';
import type { MachineModel } from './machine-model.js';
import { schedule, startPolicy } from './policy.js';
import type { PolicySetup, PolicyState } from './policy-types.js';
import type { ActionRecord, Observation, Placement } from './types.js';

export interface Simulation extends PolicySetup {
  /** Where it begins. */
  readonly start: Placement;
  readonly seconds: number;
  /** What is true of the machine and the path; left out, what the policy believes. */
  readonly trueModel?: MachineModel;
  readonly trueCycles?: (seconds: number) => readonly number[];
  /** How much slower a container's core is than the model says. */
  readonly slowness?: (container: number, seconds: number) => number;
  /** Share of the time that something else has a container's CPU. */
  readonly stolen?: (container: number, seconds: number) => number;
  /** Packets per second that come; left out: as many as the source can. */
  readonly offered?: (seconds: number) => number;
  /** Share of the slowest container's cycles that a helper saves; negative: it costs. */
  readonly helperSaves?: (helper: number) => number;
  /** Share of everything's cycles that slices of this length cost. */
  readonly sliceCosts?: (sliceBursts: number) => number;
  readonly tickSeconds?: number;
  /** Of what is seen: 0.1 = up to a tenth more or less. */
  readonly noise?: number;
  readonly seed?: number;
  readonly ringPackets?: number;
}

export interface Tick {
  readonly seconds: number;
  readonly placement: Placement;
  /** As it is, without noise. */
  readonly packetsPerSecond: number;
  readonly helper: number | null;
}

export interface Simulated {
  readonly ticks: readonly Tick[];
  readonly actions: readonly ActionRecord[];
  readonly placement: Placement;
  readonly state: PolicyState;
}

const TICK_SECONDS = 0.01;
const RING_PACKETS = 16384;

export function simulate(simulation: Simulation): Simulated {
  const { seconds: length, tickSeconds = TICK_SECONDS, noise = 0, seed = 1 } = simulation;
  const machine = new SimulatedPath(simulation);
  const random = generator(seed);
  const ticks: Tick[] = [];
  const actions: ActionRecord[] = [];
  let state = startPolicy(simulation);
  for (let tick = 1; tick * tickSeconds <= length + tickSeconds / 2; tick++) {
    const seconds = tick * tickSeconds;
    const { placement, helper } = machine;
    const observation = machine.run(seconds, tickSeconds, () => 1 + noise * (2 * random() - 1));
    ticks.push({ seconds, placement, packetsPerSecond: machine.delivered / tickSeconds, helper });
    const next = schedule(state, observation);
    state = next.state;
    const { settled } = next;
    const index = settled ? actions.findLastIndex((action) => action.seconds === settled.seconds && action.placement) : -1;
    const record = actions[index];
    if (settled && record) actions[index] = { ...record, before: settled.before, after: settled.after };
    for (const action of next.actions) {
      actions.push({ ...action, seconds, path: 0, before: null, after: null, blockedSeconds: machine.apply(action) });
    }
  }
  return { ticks, actions, placement: machine.placement, state };
}

/** Packets per second of a path that is fed without end, by what is true: what a perfect policy would reach on a placement. */
export function trueRate(simulation: Simulation, placement: Pick<Placement, 'containers'>, seconds: number): number {
  const { path, platform } = truth(simulation, seconds);
  return layoutOf(placement.containers, path, platform).packetsPerSecond;
}

export function truth(simulation: Simulation, seconds: number): { path: PathCosts; platform: Platform } {
  const { path, cpus, model, trueModel = model, trueCycles, slowness } = simulation;
  const cycles = trueCycles?.(seconds);
  const elements = path.elements.map((element, at) => ({ ...element, cycles: cycles?.[at] ?? element.cycles }));
  const factors = cpus.map((_, container) => slowness?.(container, seconds) ?? 1);
  return { path: { ...path, elements }, platform: platformOf(trueModel, cpus, path.burst, factors) };
}

class SimulatedPath {
  placement: Placement;
  helper: number | null = null;
  /** Packets through the end in the last tick. */
  delivered = 0;
  /** Packets in front of each element; what crosses no container does not queue. */
  private queues: number[];
  private pause = 0;

  constructor(private readonly simulation: Simulation) {
    this.placement = simulation.start;
    this.queues = simulation.path.elements.map(() => 0);
  }

  /** Takes effect with the next tick. Returns the time for which intake stands still. */
  apply({ placement, helper }: { readonly placement?: Placement; readonly helper?: number | null }): number | null {
    if (helper !== undefined) this.helper = helper;
    if (placement === undefined) return null;
    if (!isPossible(placement.containers, this.simulation.path.elements)) throw new RangeError('impossible placement');
    this.placement = placement;
    /* Everything under way is through before the new placement begins. */
    this.queues = this.queues.map((packets, at) => (at <= 1 ? packets : 0));
    this.pause = (this.simulation.trueModel ?? this.simulation.model).measurements.switchSeconds;
    return this.pause;
  }

  run(seconds: number, interval: number, noisy: () => number): Observation {
    const { simulation, placement } = this;
    const { cpus, ringPackets = RING_PACKETS } = simulation;
    const { path, platform } = truth(simulation, seconds);
    const layout = layoutOf(placement.containers, path, platform);
    const stretch = this.stretch(layout.cycles);
    const ranges = rangesOf(placement.containers);
    const stolen = (container: number): number => simulation.stolen?.(container, seconds) ?? 0;
    const able = ranges.map(({ container }) => {
      const time = interval * (1 - stolen(container)) - this.pause;
      return (Math.max(0, time) * platform.hz) / ((layout.cycles[container] ?? 1) * (stretch[container] ?? 1));
    });
    this.pause = 0;
    const done = this.flow(ranges, able, seconds, interval);
    const busy = cpus.map((_, container) => {
      const index = ranges.findIndex((range) => range.container === container);
      return index < 0 || !able[index] ? 0 : Math.min(1, (done[index] ?? 0) / (able[index] ?? 1));
    });
    return {
      seconds,
      interval,
      packets: this.delivered * noisy(),
      placement,
      switching: false,
      elements: this.looks(path, platform, stretch, done, noisy),
      containers: cpus.map((cpu, container) => ({
        cpu,
        state: 'running',
        busy: busy[container] ?? 0,
        silentSeconds: 0,
        waited: stolen(container),
      })),
      ring: { distance: Math.min(ringPackets, this.queues[1] ?? 0), capacity: ringPackets },
    };
  }

  /** What a helper and the length of slices do to each container. */
  private stretch(cycles: readonly number[]): number[] {
    const { helperSaves, sliceCosts } = this.simulation;
    const slowest = cycles.indexOf(Math.max(...cycles));
    const slices = 1 + (sliceCosts?.(this.placement.sliceBursts) ?? 0);
    return cycles.map((_, container) => {
      const saved = this.helper !== null && container === slowest ? (helperSaves?.(this.helper) ?? 0) : 0;
      return slices * (1 - saved);
    });
  }

  /** Packets that each range does: back to front what there is room for, front to back what has come. */
  private flow(
    ranges: readonly { readonly from: number }[],
    able: readonly number[],
    seconds: number,
    interval: number,
  ): number[] {
    const { offered, path, ringPackets = RING_PACKETS } = this.simulation;
    const window = (this.placement.window * path.burst) / Math.max(1, ranges.length - 1);
    const room = (at: number): number => Math.max(0, (at <= 1 ? ringPackets : window) - (this.queues[at] ?? 0));
    const accepted = [...able];
    for (let index = ranges.length - 2; index >= 0; index--)
      accepted[index] = Math.min(able[index] ?? 0, (accepted[index + 1] ?? 0) + room(ranges[index + 1]?.from ?? 0));
    const pace = path.sourceOutside ? this.simulation.model.hz / (path.elements[0]?.cycles ?? 1) : Number.POSITIVE_INFINITY;
    let coming = Math.min(offered?.(seconds) ?? Number.POSITIVE_INFINITY, pace) * interval;
    const done: number[] = [];
    ranges.forEach(({ from }, index) => {
      /* Nothing waits in front of the source: what it has no time for is not made. A source outside fills the ring. */
      const queued = index === 0 && from === 0 ? 0 : (this.queues[from] ?? 0);
      const packets = Math.min(accepted[index] ?? 0, queued + coming);
      const limit = from <= 1 ? ringPackets : window;
      this.queues[from] = index === 0 && from === 0 ? 0 : Math.min(limit, Math.max(0, queued + coming - packets));
      done.push(packets);
      coming = packets;
    });
    this.delivered = coming;
    return done;
  }

  /** A hop is seen in the element that comes behind it; copied rows are seen in none, as the blocks of a live run have it. */
  private looks(
    path: PathCosts,
    platform: Platform,
    stretch: readonly number[],
    done: readonly number[],
    noisy: () => number,
  ): Observation['elements'] {
    const { containers } = this.placement;
    const ranges = rangesOf(containers);
    return path.elements.map((element, at) => {
      const index = ranges.findIndex(({ from, to }) => at >= from && at < to);
      const range = ranges[index];
      if (!range) return { name: element.name, packets: done[0] ?? 0, cyclesPerPacket: Number.NaN };
      const { container, from, to } = range;
      const before = ranges[index - 1]?.container ?? -1;
      const crosses = at === from && (index > 0 || containers[0] === -1);
      const hop = crosses ? arrivalCycles(path.elements, from, to, sharingBetween(platform, before, container), platform) : 0;
      const slow = isShared(container, ranges, platform) ? platform.smtFactor : 1;
      const own = ((element.cycles * slow) / (platform.speeds[container] ?? 1) + hop) * (stretch[container] ?? 1);
      const packets = done[index] ?? 0;
      return { name: element.name, packets, cyclesPerPacket: packets > 0 ? own * noisy() : Number.NaN };
    });
  }
}

/** Mulberry32: the same numbers for the same seed, anywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
