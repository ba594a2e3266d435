/**
 * Which elements share a container: the exact planner, and the paper's joining. Pure; called by the policy and by commands.
 *
 *   source  intake  u  u | u  u  u | u        contiguous ranges, one per container; the slowest container is the rate
 *
 * Exact: dynamic programming over (elements placed, cores taken of each speed); with equal cores O(n^2 k) for n elements and
 * k containers. Cores of one speed are taken in the order given, in which neighbours share the most.
 */
import type { PathCosts, PathElement } from './costs.js';
import { type Layout, layoutOf, ownCycles, type Platform, rangesOf } from './layout.js';
import { bestPlacement, SAME } from './partition-table.js';

/** The largest stage as small as can be, with as few containers as that takes. Containers that are left out stay empty. */
export function exactPartition(path: PathCosts, platform: Platform): Layout {
  const threads = threadsOf(platform);
  const most = path.elements.length;
  const doubled = Math.max(0, Math.min(threads.others.length, most - threads.first.length));
  let best: Layout | null = null;
  for (let others = 0; others <= doubled; others++) {
    const used = [...threads.first, ...threads.others.slice(0, others)];
    const containers = bestPlacement(used, path, platform, best?.bottleneck ?? Number.POSITIVE_INFINITY);
    const layout = containers && layoutOf(containers, path, platform);
    if (layout && (best === null || isBetter(layout, best))) best = layout;
  }
  return best as Layout;
}

/** Rule 3a as the paper has it: each element alone, then the neighbours with the shortest completion time joined, recursively. */
export function greedyPartition(path: PathCosts, platform: Platform): Layout {
  const { elements } = path;
  const first = path.sourceOutside ? 1 : 0;
  const cycles = (from: number, to: number): number => ownCycles(elements, from, to, platform);
  let ranges = elements.slice(first).map((_, at) => ({ from: first + at, to: first + at + 1 }));
  const join = (at: number): void => {
    const [left, right] = [ranges[at], ranges[at + 1]];
    if (left && right) ranges = ranges.toSpliced(at, 2, { from: left.from, to: right.to });
  };
  for (let at = ranges.length - 1; at > 0; at--) if (!elements[ranges[at]?.from ?? 0]?.mayBegin) join(at - 1);
  while (ranges.length > platform.cores.length) {
    const pairs = ranges.slice(1).map(({ to }, at) => cycles(ranges[at]?.from ?? 0, to));
    join(pairs.indexOf(Math.min(...pairs)));
  }
  /* Which core the paper does not say: the longest range gets the fastest, the rest keeps to the order of the path. */
  const cores = fastest(platform, ranges.length);
  const containers: number[] = new Array(elements.length).fill(-1);
  const longest = [...ranges].sort((a, b) => cycles(b.from, b.to) - cycles(a.from, a.to));
  const equal = new Set(cores.map((core) => platform.speeds[core])).size === 1;
  (equal ? ranges : longest).forEach(({ from, to }, index) => {
    containers.fill(cores[index] ?? 0, from, to);
  });
  return layoutOf(containers, path, platform);
}

/** How much longer the greedy one's largest stage is: 0 = it is exact. */
export function greedyGap(greedy: Layout, exact: Layout): number {
  return greedy.bottleneck / exact.bottleneck - 1;
}

/** The same layout on containers that move as little as can be from where elements are, among cores that are alike. */
export function alignedTo(containers: readonly number[], layout: Layout, path: PathCosts, platform: Platform): Layout {
  const ranges = rangesOf(layout.containers);
  const free = new Set(platform.cores.keys());
  const chosen = new Map<number, number>();
  const overlaps = ranges
    .flatMap((range) => rangesOf(containers).map((old) => ({ range, old, overlap: overlapCycles(range, old, path.elements) })))
    .filter(({ range, old }) => platform.speeds[range.container] === platform.speeds[old.container])
    .sort((a, b) => b.overlap - a.overlap);
  for (const { range, old, overlap } of overlaps) {
    if (overlap <= 0 || chosen.has(range.container) || !free.delete(old.container)) continue;
    chosen.set(range.container, old.container);
  }
  for (const { container } of ranges) {
    if (chosen.has(container)) continue;
    const alike = [container, ...free].find((other) => free.has(other) && platform.speeds[other] === platform.speeds[container]);
    if (alike === undefined) return layout;
    free.delete(alike);
    chosen.set(container, alike);
  }
  const moved = layout.containers.map((container) => chosen.get(container) ?? container);
  const result = layoutOf(moved, path, platform);
  return result.bottleneck <= layout.bottleneck * (1 + SAME) ? result : layout;
}

export function isBetter(a: Layout, b: Layout): boolean {
  if (a.bottleneck < b.bottleneck * (1 - SAME)) return true;
  return a.bottleneck <= b.bottleneck * (1 + SAME) && rangesOf(a.containers).length < rangesOf(b.containers).length;
}

type Range = { readonly from: number; readonly to: number };

function overlapCycles(a: Range, b: Range, elements: readonly PathElement[]): number {
  let cycles = 0;
  for (let at = Math.max(a.from, b.from); at < Math.min(a.to, b.to); at++) cycles += (elements[at]?.cycles ?? 0) + 1e-6;
  return cycles;
}

/** Containers on the first hardware thread of each core, and on the others. */
function threadsOf({ cores }: Platform): { first: number[]; others: number[] } {
  const first: number[] = [];
  const others: number[] = [];
  const seen = new Set<number>();
  cores.forEach(({ core }, container) => {
    (seen.has(core) ? others : first).push(container);
    seen.add(core);
  });
  return { first, others };
}

/** One thread per core before any second one; fast ones before slow ones; otherwise in their order. */
function fastest(platform: Platform, count: number): number[] {
  const { first, others } = threadsOf(platform);
  const speed = (container: number): number => platform.speeds[container] ?? 0;
  const ordered = (list: number[]): number[] => list.sort((a, b) => speed(b) - speed(a));
  return [...ordered(first), ...ordered(others)].slice(0, count).sort((a, b) => speed(b) - speed(a));
}
