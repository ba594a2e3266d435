/**
 * What a placement would cost: cycles per packet of every container, and the rate of the slowest. Pure; the one cost function
 * that planner, policy and simulator share.
 *
 *   cycles of a container = sum of its elements / speed of its core x two busy threads on one core
 *                         + hop from the container before, with the lines that are touched again + rows copied behind it
 */
import type { PathCosts, PathElement } from './costs.js';
import { type Core, type MachineModel, sharingOf } from './machine-model.js';
import { hopCycles, type Sharing } from './measurements.js';

/** Containers by number, on cores of a model. */
export interface Platform {
  readonly hz: number;
  readonly cores: readonly Core[];
  /** Of the container's core; what was learned of it in a run included. */
  readonly speeds: readonly number[];
  readonly smtFactor: number;
  /** Cycles per packet of a hop at full bursts, and per line of the packet. */
  readonly hop: Readonly<Record<Sharing, number>>;
  readonly line: Readonly<Record<Sharing, number>>;
  readonly copyPerByte: number;
  /** What a source outside of the path shares with its containers. */
  readonly outside: Sharing;
}

/** A placement and what it costs. */
export interface Layout {
  /** Container of each element; -1 = outside. */
  readonly containers: readonly number[];
  /** Time-stamp cycles per packet by container number; 0 = nothing runs there. */
  readonly cycles: readonly number[];
  /** The largest of them; of a source outside, its pace. */
  readonly bottleneck: number;
  readonly packetsPerSecond: number;
}

/** `cpus[c]` is the CPU of container c; `factors[c]` is how much slower its core was seen to be than the model says. */
export function platformOf(
  model: MachineModel,
  cpus: readonly number[],
  burst: number,
  factors: readonly number[] = [],
): Platform {
  const { hops, lineCycles, smtFactor, copyPerByte } = model.measurements;
  const byCpu = new Map(model.cores.map((core) => [core.cpu, core]));
  const cores = cpus.map((cpu, container) => byCpu.get(cpu) ?? unknownCore(cpu, container));
  return {
    hz: model.hz,
    cores,
    speeds: cores.map(({ speed }, container) => speed / (factors[container] ?? 1)),
    smtFactor,
    hop: {
      core: hopCycles(hops.core, burst),
      l2: hopCycles(hops.l2, burst),
      l3: hopCycles(hops.l3, burst),
      none: hopCycles(hops.none, burst),
    },
    line: lineCycles,
    copyPerByte,
    outside: 'none',
  };
}

/** A container that is pinned nowhere: an ordinary core that shares nothing. */
function unknownCore(cpu: number, container: number): Core {
  return { cpu, kind: 'cpu', speed: 1, l2: null, l3: null, core: -1 - container, node: 0 };
}

/** Cycles of elements [from, to) without what comes from outside of the container. */
export function ownCycles(elements: readonly PathElement[], from: number, to: number, platform: Platform): number {
  let cycles = 0;
  let copied = 0;
  for (let at = from; at < to; at++) {
    cycles += elements[at]?.cycles ?? 0;
    copied = Math.max(copied, elements[at]?.copiedBytes ?? 0);
  }
  return cycles + (to < elements.length ? copied * platform.copyPerByte : 0);
}

/** Cycles of coming from another core, for a container with elements [from, to). */
export function arrivalCycles(
  elements: readonly PathElement[],
  from: number,
  to: number,
  by: Sharing,
  platform: Platform,
): number {
  let lines = 0;
  for (let at = from; at < to; at++) lines = Math.max(lines, elements[at]?.lines ?? 0);
  return platform.hop[by] + lines * platform.line[by];
}

export function sharingBetween(platform: Platform, before: number, container: number): Sharing {
  const [a, b] = [platform.cores[before], platform.cores[container]];
  return a && b ? sharingOf(a, b) : platform.outside;
}

/** Ranges of elements in one container each, in the order of the path. */
export function rangesOf(containers: readonly number[]): { container: number; from: number; to: number }[] {
  const ranges: { container: number; from: number; to: number }[] = [];
  containers.forEach((container, at) => {
    const last = ranges.at(-1);
    if (container < 0) return;
    if (last?.container === container) last.to = at + 1;
    else ranges.push({ container, from: at, to: at + 1 });
  });
  return ranges;
}

/** Every container has one range, or none, and begins only where one may. */
export function isPossible(containers: readonly number[], elements: readonly PathElement[]): boolean {
  const ranges = rangesOf(containers);
  const contiguous = new Set(ranges.map(({ container }) => container)).size === ranges.length;
  return contiguous && ranges.every(({ from }, index) => index === 0 || elements[from]?.mayBegin === true);
}

export function layoutOf(containers: readonly number[], path: PathCosts, platform: Platform): Layout {
  const { elements } = path;
  const cycles: number[] = new Array(platform.cores.length).fill(0);
  const ranges = rangesOf(containers);
  ranges.forEach(({ container, from, to }, index) => {
    const before = ranges[index - 1]?.container ?? -1;
    const slow = isShared(container, ranges, platform) ? platform.smtFactor : 1;
    const crosses = index > 0 || containers[0] === -1;
    const arrival = crosses ? arrivalCycles(elements, from, to, sharingBetween(platform, before, container), platform) : 0;
    cycles[container] = (ownCycles(elements, from, to, platform) / (platform.speeds[container] ?? 1)) * slow + arrival;
  });
  const pace = containers[0] === -1 ? (elements[0]?.cycles ?? 0) : 0;
  const bottleneck = Math.max(pace, ...cycles);
  return { containers, cycles, bottleneck, packetsPerSecond: platform.hz / bottleneck };
}

/** Whether another hardware thread of its core has work of the path, too. */
export function isShared(container: number, ranges: readonly { readonly container: number }[], platform: Platform): boolean {
  const own = platform.cores[container]?.core;
  return ranges.some((other) => other.container !== container && platform.cores[other.container]?.core === own);
}
