/**
 * The table of the exact planner: dynamic programming over contiguous ranges on given containers. Pure; for partition.ts.
 *
 *   state = (containers taken of each speed, speed of the last one, elements placed) -> the least largest stage so far
 */
import type { PathCosts } from './costs.js';
import { isShared, type Platform, sharingBetween } from './layout.js';

/** Two stages that differ by less are the same: then fewer cores win. */
export const SAME = 1e-9;
/** Where every core has a speed of its own, the slowest are left out from here on. */
const MOST_STATES = 60_000;

/** Containers of one speed, in the order in which they are taken. */
interface SpeedClass {
  readonly speed: number;
  readonly containers: readonly number[];
  /** Of the number of its containers that are taken, in the mixed-radix number `counts` of a state. */
  readonly radix: number;
}

/** Container of each element; null = nothing is better than `limit`. */
export function bestPlacement(used: readonly number[], path: PathCosts, platform: Platform, limit: number): number[] | null {
  return new Table(speedClasses(used, path.elements.length, platform), path, platform).solve(limit);
}

/** The fastest first; both threads of a core in use are slower. No more of each than there are elements. */
function speedClasses(used: readonly number[], elements: number, platform: Platform): SpeedClass[] {
  const all = used.map((container) => ({ container }));
  const bySpeed = new Map<number, number[]>();
  for (const container of used) {
    const speed = (platform.speeds[container] ?? 1) / (isShared(container, all, platform) ? platform.smtFactor : 1);
    const members = bySpeed.get(speed) ?? [];
    if (members.length < elements) bySpeed.set(speed, [...members, container]);
  }
  const classes: SpeedClass[] = [];
  let radix = 1;
  for (const [speed, containers] of [...bySpeed].sort(([a], [b]) => b - a)) {
    if (radix * (containers.length + 1) * (classes.length + 1) * (elements + 1) > MOST_STATES && classes.length > 0) break;
    classes.push({ speed, containers, radix });
    radix *= containers.length + 1;
  }
  return classes;
}

class Table {
  private readonly n: number;
  private readonly begin: number;
  /** States per value of `counts`. */
  private readonly width: number;
  private readonly value: Float64Array;
  private readonly previous: Int32Array;

  constructor(
    private readonly classes: readonly SpeedClass[],
    private readonly path: PathCosts,
    private readonly platform: Platform,
  ) {
    this.n = path.elements.length;
    this.begin = path.sourceOutside ? 1 : 0;
    this.width = classes.length * (this.n + 1);
    const combinations = classes.reduce((product, { containers }) => product * (containers.length + 1), 1);
    this.value = new Float64Array(combinations * this.width).fill(Number.POSITIVE_INFINITY);
    this.previous = new Int32Array(this.value.length).fill(-1);
  }

  solve(limit: number): number[] | null {
    for (let k = 0; k < this.classes.length; k++) this.extend(-1, k, limit);
    for (let state = this.width; state < this.value.length; state++) {
      if (state % (this.n + 1) === this.n || this.value[state] === Number.POSITIVE_INFINITY) continue;
      for (let k = 0; k < this.classes.length; k++) this.extend(state, k, limit);
    }
    const end = this.bestEnd();
    return end < 0 ? null : this.read(end);
  }

  /** Every range that could follow a state, on the next container of class `k`. State -1: nothing is placed yet. */
  private extend(state: number, k: number, limit: number): void {
    const { elements } = this.path;
    const speedClass = this.classes[k];
    const container = speedClass?.containers[this.taken(state, k)];
    if (!speedClass || container === undefined) return;
    const placed = this.placed(state);
    const sharing = sharingBetween(this.platform, this.lastContainer(state), container);
    const crosses = state >= 0 || this.path.sourceOutside;
    const reached = state < 0 ? 0 : (this.value[state] ?? 0);
    const base = (Math.max(0, Math.floor(state / this.width)) + speedClass.radix) * this.width + k * (this.n + 1);
    let [cycles, lines, copied] = [0, 0, 0];
    for (let to = placed + 1; to <= this.n; to++) {
      const element = elements[to - 1];
      if (!element) return;
      cycles += element.cycles;
      lines = Math.max(lines, element.lines);
      copied = Math.max(copied, element.copiedBytes);
      if (to < this.n && !elements[to]?.mayBegin) continue;
      const own = cycles + (to < this.n ? copied * this.platform.copyPerByte : 0);
      const arrival = crosses ? this.platform.hop[sharing] + lines * this.platform.line[sharing] : 0;
      const largest = Math.max(reached, own / speedClass.speed + arrival);
      if (largest > limit || largest >= (this.value[base + to] ?? 0)) continue;
      this.value[base + to] = largest;
      this.previous[base + to] = state;
    }
  }

  /** How many containers of class `k` a state has taken. */
  private taken(state: number, k: number): number {
    const { radix = 1, containers = [] } = this.classes[k] ?? {};
    return state < 0 ? 0 : Math.floor(Math.floor(state / this.width) / radix) % (containers.length + 1);
  }

  private placed(state: number): number {
    return state < 0 ? this.begin : state % (this.n + 1);
  }

  private lastContainer(state: number): number {
    if (state < 0) return -1;
    const k = Math.floor((state % this.width) / (this.n + 1));
    return this.classes[k]?.containers[this.taken(state, k) - 1] ?? -1;
  }

  /** The least largest stage; among equal ones the fewest containers. */
  private bestEnd(): number {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    const size = (state: number): number => this.classes.reduce((sum, _, k) => sum + this.taken(state, k), 0);
    for (let state = this.n; state < this.value.length; state += this.n + 1) {
      const value = this.value[state] ?? Number.POSITIVE_INFINITY;
      if (value === Number.POSITIVE_INFINITY || value > least * (1 + SAME)) continue;
      if (best >= 0 && value >= least * (1 - SAME) && size(state) >= size(best)) continue;
      best = state;
      least = value;
    }
    return best;
  }

  private read(end: number): number[] {
    const containers: number[] = new Array(this.n).fill(-1);
    for (let state = end; state >= 0; state = this.previous[state] ?? -1)
      containers.fill(this.lastContainer(state), this.placed(this.previous[state] ?? -1), this.placed(state));
    return containers;
  }
}
