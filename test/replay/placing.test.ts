/** Where a run's elements are laid out and moved: memory for lanes, the prefetch helper, moves by the program itself, readers of lanes. */
import { describe, expect, it } from 'vitest';
import { planReplay, type ReplayPlan, startReplay } from '../../replay/index.js';
import { lacksMemory, layOut } from '../../replay/layout.js';
import { ringResults } from '../../replay/outcome.js';
import type { Machine } from '../../stack/index.js';
import { trafficFile } from '../helpers/files.js';
import { type Asked, loaded, machine, until } from '../helpers/replay.js';

const PACKETS = 1000;
const PIPELINE = 'eth | burn 50 | count';
const MIB = 2 ** 20;
const MOVED = { window: 8, sliceBursts: 16, fillPackets: 0, slices: 'horizontal' } as const;

const opened = () => loaded(trafficFile({ packets: PACKETS }));
const plan = (request: Asked, on: Machine = machine): ReplayPlan =>
  planReplay({ inputs: ['a'], pipeline: PIPELINE, ...request }, on);

/** This machine with as many CPUs, all behind one cache; those that there are not stay unpinned. */
function withCpus(count: number): Machine {
  const cpus = Array.from({ length: count }, (_, cpu) => cpu);
  const cacheGroups = [{ level: 3, groups: [cpus] }];
  return { ...machine, cpus, onlineCpus: cpus, cores: cpus.map((cpu) => [cpu]), coreKinds: [cpus], cacheGroups, cpuQuota: null };
}

describe('a second copy of the trace', () => {
  it('is refused room that is not there', () => {
    expect(lacksMemory({ slotBytes: 1000 * MIB, packets: MIB }, 1256 * MIB)).toBeNull();
    expect(lacksMemory({ slotBytes: 1000 * MIB, packets: MIB }, 1255 * MIB)).toMatch(/needs 1256 MiB .* 1255 MiB are left$/);
  });

  it('without room auto takes another placement, and an explicit one is refused', async () => {
    const trace = await opened();
    const poor = { ...withCpus(2), availableBytes: MIB };
    const laidOut = layOut(trace, trace.info(), plan({ loop: 0 }, poor), poor);
    expect(laidOut.lanes).toBe(1);
    expect(laidOut.why).toMatch(/replicated is refused \(a second copy/);
    const asked = plan({ loop: 0, placement: 'replicated' }, poor);
    expect(() => layOut(trace, trace.info(), asked, poor)).toThrow(
      expect.objectContaining({ code: 'PLACEMENT_IMPOSSIBLE', exitCode: 2 }),
    );
  });
});

describe('the prefetch helper', () => {
  it('gets the last CPU where there are more than elements, and the path the others', async () => {
    const trace = await opened();
    const layout = (count: number, request: Asked = { placement: 'piped' }) => {
      const many = withCpus(count);
      return layOut(trace, trace.info(), plan({ loop: 0, ...request }, many), many);
    };
    const { elements } = layout(2);
    expect(layout(elements.length).helperCpu).toBeNull();
    const { helperCpu, containers } = layout(elements.length + 1);
    expect({ helperCpu, cpus: containers.map(({ cpu }) => cpu) }).toEqual({
      helperCpu: elements.length,
      cpus: elements.map((_, at) => at),
    });
    expect(layout(elements.length + 1, { place: elements.map(() => 0) }).helperCpu).toBeNull();
  });

  it('is the last container of the result', async () => {
    const trace = await opened();
    const many = withCpus(6);
    const run = startReplay(trace, plan({ loop: 0, placement: 'piped', limit: 200_000 }, many), many);
    const { containers, conserved } = await run.outcome;
    expect({ conserved, count: containers.length }).toEqual({ conserved: true, count: 6 });
    expect(containers.at(-1)).toMatchObject({ name: 'model-t prefetch', core: 5 });
    expect(containers.filter(({ name }) => name === 'model-t prefetch')).toHaveLength(1);
  });
});

describe('place()', () => {
  it('is what the result shows, and not before the switch is over', async () => {
    const trace = await opened();
    const two = withCpus(2);
    const run = startReplay(trace, plan({ loop: 0, place: [0, 0, 0, 0, 0] }, two), two);
    await until('it runs', () => run.snapshot().delivered > 0);
    const refused = run.place?.({ ...MOVED, containers: [0, 1, 0, 1, 0] });
    expect(refused).toMatch(/\w/);
    const containers = [0, 0, 0, 1, 1];
    await until('it is taken', () => run.place?.({ ...MOVED, containers }) === '');
    const before = run.snapshot().delivered;
    await until('it goes on', () => run.snapshot().delivered > before + 100_000);
    run.stop();
    const { placement, operations } = await run.outcome;
    expect(placement).toMatchObject({ switches: 1, disordered: 0, final: { containers } });
    expect(operations.map(({ container }) => container)).toEqual([0, 1, 1]);
  });

  it('is refused where the policy moves elements', async () => {
    const trace = await opened();
    const two = withCpus(2);
    const run = startReplay(trace, plan({ loop: 0, placement: 'piped' }, two), two);
    expect(run.place?.({ ...MOVED, containers: [0, 0, 0, 0, 0] })).toMatch(/^the scheduler moves/);
    run.stop();
    await run.outcome;
  });
});

describe('readers of lanes', () => {
  const ring = { bytes: 1, descriptors: 1, hugePages: '', finalBytes: 1, events: [] };
  const reader = (pid: number) => ({ pid, policy: 'block', offered: 1, delivered: 1, lost: 0, state: 'drained' }) as const;
  const pidsOf = (rings: number, ...pids: number[]) =>
    ringResults(plan({}), { rings: Array.from({ length: rings }, () => ring), readers: pids.map(reader) }).map(({ readers }) =>
      readers.map(({ pid }) => pid),
    );
  it('stand with the ring that they were of, or with none', () => {
    expect(pidsOf(1, 7, 8)).toEqual([[7, 8]]);
    expect(pidsOf(2, 7, 8)).toEqual([[7], [8]]);
    expect(pidsOf(3, 7, 8)).toEqual([[], [], []]);
  });
});
