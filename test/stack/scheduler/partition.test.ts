/** Partitions: the exact planner against every placement there is, and the paper's joining against both. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  alignedTo,
  type Core,
  exactPartition,
  greedyGap,
  greedyPartition,
  isPossible,
  layoutOf,
  type MachineModel,
  type PathCosts,
  platformOf,
  presetMachine,
  rangesOf,
} from '../../../stack/index.js';
import { best, everyLayout, pathOf } from './paths.js';

function preset(name: string): MachineModel {
  const model = presetMachine(name);
  if (!model) throw new RangeError(name);
  return model;
}

const cores = (count: number, name = '8-private'): ReturnType<typeof platformOf> =>
  platformOf(preset(name), [...Array(count).keys()], 256);

function machineOf(speeds: readonly number[], threads = 1): MachineModel {
  const list: Core[] = Array.from({ length: speeds.length * threads }, (_, cpu) => {
    const core = cpu % speeds.length;
    return { cpu, kind: 'cpu', speed: speeds[core] ?? 1, l2: core, l3: 0, core, node: 0 };
  });
  return { ...preset('8-private'), cores: list };
}

const cycles = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 2, maxLength: 6 });
const flags = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 });

describe('the exact planner', () => {
  it('cuts where the largest stage is least, hop included', () => {
    const layout = exactPartition(pathOf([10, 10, 10, 10]), cores(2));
    expect(layout.containers).toEqual([0, 0, 1, 1]);
    expect(layout.cycles.slice(0, 2)).toEqual([20, 26]);
    expect(layout.packetsPerSecond).toBe(2.6e9 / 26);
  });

  it('uses no more containers than it takes', () => {
    expect(rangesOf(exactPartition(pathOf([10, 4, 100, 4]), cores(8)).containers)).toHaveLength(3);
    expect(exactPartition(pathOf([2, 1, 1]), cores(8)).containers).toEqual([0, 0, 0]);
  });

  it('equals the best of every placement on every choice of unequal cores', () => {
    fc.assert(
      fc.property(
        cycles,
        fc.array(fc.constantFrom(0.5, 0.8, 1), { minLength: 1, maxLength: 4 }),
        flags,
        (costs, speeds, mayBegin) => {
          const plain = pathOf(costs);
          const elements = plain.elements.map((each, at) => ({ ...each, mayBegin: mayBegin[at] ?? true, lines: at % 3 }));
          const path: PathCosts = { ...plain, elements };
          const platform = platformOf(machineOf(speeds), [...speeds.keys()], 256);
          const layout = exactPartition(path, platform);
          expect(isPossible(layout.containers, elements)).toBe(true);
          expect(layout.bottleneck).toBeCloseTo(best(everyLayout(path, platform)).bottleneck, 6);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('equals it on two hardware threads per core, and with a source outside', () => {
    fc.assert(
      fc.property(cycles, fc.boolean(), (costs, sourceOutside) => {
        const path = pathOf(costs, { sourceOutside });
        const platform = platformOf(machineOf([1, 1], 2), [0, 1, 2, 3], 256);
        const layout = exactPartition(path, platform);
        const least = best(everyLayout(path, platform)).bottleneck;
        /* A second thread's hop is cheaper than any other: where that decides, the planner is at most that hop off. */
        expect(layout.bottleneck).toBeLessThanOrEqual(least + 6);
        expect(layout.bottleneck).toBeGreaterThanOrEqual(least - 1e-9);
      }),
      { numRuns: 100 },
    );
  });

  it('in clusters is at most one hop off the best', () => {
    fc.assert(
      fc.property(cycles, (costs) => {
        const path = pathOf(costs);
        const platform = platformOf({ ...preset('8-shared') }, [2, 3, 4, 5], 256);
        const [ours, least] = [exactPartition(path, platform).bottleneck, best(everyLayout(path, platform)).bottleneck];
        expect(ours).toBeGreaterThanOrEqual(least - 1e-9);
        expect(ours).toBeLessThanOrEqual(least + 3);
      }),
      { numRuns: 60 },
    );
  });

  it('fills one sharing domain before it goes to the next (rule 2)', () => {
    const platform = platformOf(preset('64-shared'), [...Array(64).keys()], 256);
    const { containers } = exactPartition(pathOf([50, 50, 50, 50]), platform);
    expect(new Set(containers.map((container) => platform.cores[container]?.l2)).size).toBe(1);
  });

  it('charges rows of an operation’s own making to whoever hands them over', () => {
    const plain = pathOf([10, 10, 30, 30]);
    const elements = plain.elements.map((each, at) => ({ ...each, copiedBytes: at === 2 ? 1000 : 0 }));
    const layout = layoutOf([0, 0, 0, 1], { ...plain, elements }, cores(2));
    expect(layout.cycles.slice(0, 2)).toEqual([50 + 60, 36]);
    expect(exactPartition({ ...plain, elements }, cores(2)).containers).toEqual([0, 0, 1, 1]);
  });

  it('takes a path of 12 on 128 cores within 20 ms', () => {
    const platform = platformOf(preset('128-private'), [...Array(128).keys()], 256);
    const path = pathOf(Array.from({ length: 12 }, (_, at) => 10 + at));
    exactPartition(path, platform);
    const before = performance.now();
    exactPartition(path, platform);
    expect(performance.now() - before).toBeLessThan(20);
  });
});

describe('the paper’s joining (rule 3a)', () => {
  it('joins the neighbours with the shortest completion time, recursively', () => {
    /* 10+4, then 14+5 (19) before 5+30; then 19+30 against 30+8: the latter. */
    expect(greedyPartition(pathOf([10, 4, 5, 30, 8]), cores(3)).containers).toEqual([0, 0, 0, 1, 2]);
    expect(greedyPartition(pathOf([10, 4, 5, 30, 8]), cores(2)).containers).toEqual([0, 0, 0, 1, 1]);
  });

  it('leaves each element alone where there are cores enough', () => {
    expect(greedyPartition(pathOf([1, 2, 3]), cores(8)).containers).toEqual([0, 1, 2]);
  });

  it('has a gap that the exact planner closes', () => {
    const path = pathOf([10, 10, 10, 10, 10, 10]);
    const gap = greedyGap(greedyPartition(path, cores(4)), exactPartition(path, cores(4)));
    expect(gap).toBeGreaterThanOrEqual(0);
    const worse = pathOf([30, 29, 1, 29, 30]);
    expect(greedyGap(greedyPartition(worse, cores(2)), exactPartition(worse, cores(2)))).toBeGreaterThan(0);
  });

  it('is always contiguous, never on more containers than cores, never better than exact', () => {
    fc.assert(
      fc.property(cycles, fc.integer({ min: 1, max: 8 }), flags, (costs, count, mayBegin) => {
        const plain = pathOf(costs);
        const path = { ...plain, elements: plain.elements.map((each, at) => ({ ...each, mayBegin: mayBegin[at] ?? true })) };
        const [greedy, exact] = [greedyPartition(path, cores(count)), exactPartition(path, cores(count))];
        for (const { containers } of [greedy, exact]) {
          expect(isPossible(containers, path.elements)).toBe(true);
          expect(new Set(containers).size).toBeLessThanOrEqual(count);
        }
        expect(greedyGap(greedy, exact)).toBeGreaterThanOrEqual(-1e-9);
      }),
    );
  });
});

it('a layout is carried over to the containers that have most of it already', () => {
  const path = pathOf([10, 10, 100, 10]);
  const layout = layoutOf([0, 0, 1, 2], path, cores(4));
  expect(alignedTo([2, 2, 2, 2], layout, path, cores(4)).containers).toEqual([0, 0, 2, 1]);
});
