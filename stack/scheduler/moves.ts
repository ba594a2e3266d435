/**
 * Rule 4: what may move when a queue builds. An element at the edge of its container goes to the core of its neighbour, or the
 * front, the back or all of a container goes to an idle core; nothing else. Pure; called by the policy.
 */
import type { PathCosts } from './costs.js';
import { isPossible, type Layout, layoutOf, type Platform, rangesOf, sharingBetween } from './layout.js';

export interface Move {
  readonly kind: 'migrate' | 'split';
  /** Elements [from, to) go to container `target`. */
  readonly from: number;
  readonly to: number;
  readonly source: number;
  readonly target: number;
  readonly layout: Layout;
}

/** All of them, the best first. */
export function movesFrom(containers: readonly number[], path: PathCosts, platform: Platform): Move[] {
  const ranges = rangesOf(containers);
  const moves: Move[] = [];
  const add = (kind: Move['kind'], from: number, to: number, target: number): void => {
    const moved = containers.with(from, target).fill(target, from, to);
    if (isPossible(moved, path.elements))
      moves.push({ kind, from, to, source: containers[from] ?? -1, target, layout: layoutOf(moved, path, platform) });
  };
  ranges.forEach(({ container, from, to }, index) => {
    const [before, behind] = [ranges[index - 1], ranges[index + 1]];
    if (before) add('migrate', from, from + 1, before.container);
    if (behind) add('migrate', to - 1, to, behind.container);
    for (const idle of idleContainers(container, containers, platform)) {
      add('migrate', from, to, idle);
      for (let cut = from + 1; cut < to; cut++) {
        add('split', from, cut, idle);
        add('split', cut, to, idle);
      }
    }
  });
  return moves.sort((a, b) => a.layout.bottleneck - b.layout.bottleneck);
}

/** Of those without work, one of each speed at each distance from the container: the others are just the same. */
export function idleContainers(container: number, containers: readonly number[], platform: Platform): number[] {
  const kinds = new Map<string, number>();
  for (const idle of platform.cores.keys()) {
    if (containers.includes(idle)) continue;
    const loaded = containers.some((other) => other >= 0 && platform.cores[other]?.core === platform.cores[idle]?.core);
    const kind = `${platform.speeds[idle]} ${sharingBetween(platform, container, idle)} ${loaded}`;
    if (!kinds.has(kind)) kinds.set(kind, idle);
  }
  return [...kinds.values()];
}
