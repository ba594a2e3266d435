/** The loop between policy and run, over a made-up statistics page: what it sees, and what it says was done. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NativeSwitch } from '../../../replay/native-run.js';
import { type Observed, Observer } from '../../../replay/observing.js';
import { Scheduling } from '../../../replay/scheduling.js';
import { Statistics } from '../../../replay/statistics.js';
import {
  CONTAINER_BLOCK,
  CURSOR_BYTES,
  fieldOffsets,
  type MachineModel,
  OPERATION_BLOCK,
  PATH_BLOCK,
  type Placement,
  PRODUCER_BLOCK,
  presetMachine,
  startPolicy,
} from '../../../stack/index.js';
import { pathOf } from './paths.js';

/** Of source, intake and one unit in one container each, which has three operations: a group. */
class Page {
  readonly #words: BigUint64Array;
  readonly statistics: Statistics;

  constructor(private readonly paths = 1) {
    const page = new ArrayBuffer(CURSOR_BYTES * (2 * paths + 2 * paths + 5 * paths));
    this.#words = new BigUint64Array(page);
    this.statistics = new Statistics(page, { paths, containers: 2 * paths, operations: 3 });
  }

  producer(path: number, fields: Readonly<Record<string, number>>): void {
    this.#set(path, PRODUCER_BLOCK, fields);
  }

  path(path: number, fields: Readonly<Record<string, number>>): void {
    this.#set(this.paths + path, PATH_BLOCK, fields);
  }

  container(container: number, fields: Readonly<Record<string, number>>): void {
    this.#set(2 * this.paths + container, CONTAINER_BLOCK, fields);
  }

  operation(path: number, index: number, fields: Readonly<Record<string, number>>): void {
    this.#set(4 * this.paths + 5 * path + 2 + index, OPERATION_BLOCK, fields);
  }

  #set(block: number, layout: Parameters<typeof fieldOffsets>[0], fields: Readonly<Record<string, number>>): void {
    const offsets = fieldOffsets(layout);
    for (const [name, value] of Object.entries(fields))
      this.#words[(block * CURSOR_BYTES + (offsets[name] ?? Number.NaN)) / 8] = BigInt(Math.round(value));
  }
}

const ELEMENTS = [
  { name: 'source', first: -2, count: 0 },
  { name: 'intake', first: -1, count: 0 },
  { name: 'group', first: 0, count: 3 },
];
const START: Placement = { containers: [0, 0, 0], window: 1, sliceBursts: 4, fillPackets: 0, slices: 'horizontal' };
const observed = (path: number): Observed => ({
  path,
  firstContainer: 2 * path,
  containerCount: 2,
  cpus: [0, 1],
  elements: ELEMENTS,
});

describe('an element', () => {
  it('has the packets of the operation that sees the most', () => {
    const page = new Page();
    const observer = new Observer(page.statistics, observed(0), 0);
    page.operation(0, 1, { packets: 1000, cycles: 500, timed_packets: 100 });
    page.operation(0, 2, { packets: 400, cycles: 300, timed_packets: 100 });
    const { elements } = observer.observe(0.01, START, false);
    expect(elements[2]).toEqual({ name: 'group', packets: 1000, cyclesPerPacket: (1000 * 5 + 400 * 3) / 1000 });
  });
});

describe('the loop', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'hrtime'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A path whose unit costs ten times the source: it is worth a second container. */
  const run = (paths = 1) => {
    const page = new Page(paths);
    const asked: { path: number; containers: readonly number[] }[] = [];
    const ended: NativeSwitch[] = [];
    const native = {
      refusal: '',
      place: (path: number, { containers }: Pick<Placement, 'containers'>): string => {
        asked.push({ path, containers });
        return native.refusal;
      },
      switches: () => ended.splice(0),
      control: () => undefined,
    };
    const state = startPolicy({
      mode: 'piped',
      model: presetMachine('2-shared') as MachineModel,
      cpus: [0, 1],
      path: pathOf([100, 50, 100]),
      latencySeconds: 1e-3,
      canPrefetch: false,
    });
    const scheduling = new Scheduling({
      native,
      statistics: page.statistics,
      paths: Array.from({ length: paths }, (_, path) => ({ observed: observed(path), state, placement: START })),
      latencySeconds: 1e-3,
      helper: null,
      started: [],
    });
    scheduling.start();
    let ticks = 0;
    /** Each tick a full one, of the paths in phase 1. */
    const tick = (count: number): void => {
      for (let each = 0; each < count; each++) {
        ticks++;
        for (let path = 0; path < paths; path++) {
          page.path(path, { delivered: 1e5 * ticks, bytes: 6e6 * ticks });
          page.producer(path, { ring_distance: 900, ring_bytes: 128 * 1000 });
          page.container(2 * path, { state: 1, busy_cycles: 2e7 * ticks, updated_ns: Number(process.hrtime.bigint()) });
          page.operation(path, -2, { packets: 1e5 * ticks, cycles: 1e7 * ticks, timed_packets: 1e5 * ticks });
          page.operation(path, -1, { packets: 1e5 * ticks, cycles: 5e6 * ticks, timed_packets: 1e5 * ticks });
          page.operation(path, 0, { packets: 1e5 * ticks, cycles: 1e7 * ticks, timed_packets: 1e5 * ticks });
        }
        vi.advanceTimersByTime(10);
      }
    };
    return { page, asked, ended, native, scheduling, tick };
  };

  it('asks again for what was refused, and keeps no record of it', () => {
    const { page, asked, native, scheduling, tick } = run();
    page.producer(0, { phase: 1 });
    native.refusal = 'a switch is under way';
    tick(20);
    expect(asked.length).toBeGreaterThan(5);
    expect(scheduling.actions).toEqual([]);
    native.refusal = '';
    tick(1);
    expect(scheduling.actions).toHaveLength(1);
    expect(scheduling.actions[0]?.placement?.containers).toEqual(asked.at(-1)?.containers);
    scheduling.end();
  });

  it('marks a switch that never ended', () => {
    const { page, scheduling, tick } = run();
    page.producer(0, { phase: 1 });
    tick(60);
    scheduling.end();
    const records = scheduling.actions.filter(({ placement }) => placement);
    expect(records).toMatchObject([{ after: null, blockedSeconds: null }]);
    expect(records[0]?.reason).toMatch(/; the run ended before the switch did$/);
    expect(scheduling.placementOf(0)).toEqual(START);
  });

  it('leaves a switch that ended as it is', () => {
    const { page, ended, scheduling, tick } = run();
    page.producer(0, { phase: 1 });
    tick(8);
    const [record] = scheduling.actions;
    ended.push({ path: 0, blockedSeconds: 1e-4 } as NativeSwitch);
    scheduling.end();
    expect(record).toMatchObject({ blockedSeconds: 1e-4 });
    expect(record?.reason).not.toMatch(/the run ended/);
    expect(scheduling.placementOf(0)).toEqual(record?.placement);
  });

  it('looks at each path while that path runs', () => {
    const { page, asked, scheduling, tick } = run(2);
    page.producer(0, { phase: 3 });
    page.producer(1, { phase: 1 });
    tick(10);
    expect(new Set(asked.map(({ path }) => path))).toEqual(new Set([1]));
    scheduling.end();
  });
});
