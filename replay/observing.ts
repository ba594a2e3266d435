/**
 * What the scheduler sees of a run: differences of the statistics page between two looks, as an Observation per path
 * (stack/scheduler/types.ts). Reads shared memory and /proc; costs the data path nothing. For scheduling.ts.
 */
import { readFileSync } from 'node:fs';
import {
  type ContainerObservation,
  type ElementObservation,
  FRAME_OFFSET,
  type Observation,
  type Placement,
} from '../stack/index.js';
import type { Statistics } from './statistics.js';

const LINE_BYTES = 64;
/** The kernel is asked at every tenth look, 100 ms apart: a system call each, and its figures move with its own ticks. */
const LOOKS_PER_WAIT = 10;
const STATES = ['starting', 'running', 'paused', 'stopped'] as const;

/** An element of a path: its name, and the operations it is made of, none for source and intake. */
export interface Element {
  readonly name: string;
  /** Block in the page: -2 the source, -1 the intake, else the first operation. */
  readonly first: number;
  readonly count: number;
}

/** Counters of one element at a look. */
interface ElementCount {
  readonly packets: number;
  readonly cycles: number;
  readonly timed: number;
}

interface ContainerCount {
  readonly busy: number;
  readonly idle: number;
}

/** What the kernel says of a container's thread. */
interface Wait {
  /** Nanoseconds ready to run, and not running; NaN where the kernel does not say. */
  readonly waited: number;
  /** Of the time since the last time that the kernel was asked. */
  readonly share: number;
}

interface Look {
  readonly seconds: number;
  readonly delivered: number;
  readonly elements: readonly (readonly ElementCount[])[];
  readonly containers: readonly ContainerCount[];
}

export interface Observed {
  readonly path: number;
  /** First container of the path, and how many it has. */
  readonly firstContainer: number;
  readonly containerCount: number;
  readonly cpus: readonly number[];
  readonly elements: readonly Element[];
}

/** Looks at one path again and again. */
export class Observer {
  #before: Look;
  #looks = 0;
  #waits: readonly Wait[] = [];
  #askedNs = 0;

  constructor(
    private readonly statistics: Statistics,
    private readonly observed: Observed,
    seconds: number,
  ) {
    this.#before = this.#look(seconds);
  }

  observe(seconds: number, placement: Placement, switching: boolean): Observation {
    const { statistics, observed } = this;
    const before = this.#before;
    const now = this.#look(seconds);
    this.#before = now;
    this.#ask();
    const packets = now.delivered - before.delivered;
    return {
      seconds,
      interval: seconds - before.seconds,
      packets,
      placement,
      switching,
      elements: observed.elements.map((element, index) =>
        elementBetween(element, before.elements[index] ?? [], now.elements[index] ?? []),
      ),
      containers: now.containers.map((count, index) => this.#container(index, before.containers[index] ?? count, count)),
      ring: { distance: statistics.producer(observed.path, 'ring_distance'), capacity: capacityOf(statistics, observed) },
    };
  }

  #look(seconds: number): Look {
    const { statistics, observed } = this;
    const count = (index: number): ElementCount => ({
      packets: statistics.operation(observed.path, index, 'packets'),
      cycles: statistics.operation(observed.path, index, 'cycles'),
      timed: statistics.operation(observed.path, index, 'timed_packets'),
    });
    return {
      seconds,
      delivered: statistics.path(observed.path, 'delivered'),
      elements: observed.elements.map(({ first, count: length }) => {
        if (first < 0) return [count(first)];
        return Array.from({ length }, (_, offset) => count(first + offset));
      }),
      containers: Array.from({ length: observed.containerCount }, (_, index) => {
        const container = observed.firstContainer + index;
        return {
          busy: statistics.container(container, 'busy_cycles'),
          idle: statistics.container(container, 'idle_cycles'),
        };
      }),
    };
  }

  #ask(): void {
    if (this.#looks++ % LOOKS_PER_WAIT !== 0) return;
    const now = Number(process.hrtime.bigint());
    const passed = now - this.#askedNs;
    this.#askedNs = now;
    const { statistics, observed } = this;
    this.#waits = Array.from({ length: observed.containerCount }, (_, index) => {
      const waited = waitedOf(statistics.container(observed.firstContainer + index, 'thread_id'));
      return { waited, share: Math.min(1, (waited - (this.#waits[index]?.waited ?? Number.NaN)) / passed) };
    });
  }

  #container(index: number, before: ContainerCount, now: ContainerCount): ContainerObservation {
    const { statistics, observed } = this;
    const container = observed.firstContainer + index;
    const busy = now.busy - before.busy;
    const all = busy + now.idle - before.idle;
    const updated = statistics.container(container, 'updated_ns');
    return {
      cpu: observed.cpus[index] ?? -1,
      state: STATES[statistics.container(container, 'state')] ?? 'stopped',
      busy: all > 0 ? busy / all : 0,
      silentSeconds: updated > 0 ? Math.max(0, Number(process.hrtime.bigint()) - updated) / 1e9 : 0,
      waited: this.#waits[index]?.share ?? Number.NaN,
    };
  }
}

/** Per packet that comes to the element: as many as the operation with the most has seen, for those behind a condition see fewer. */
function elementBetween({ name }: Element, before: readonly ElementCount[], now: readonly ElementCount[]): ElementObservation {
  const packets = Math.max(0, ...now.map((count, index) => count.packets - (before[index] ?? count).packets));
  let cycles = 0;
  let isTimed = false;
  for (const [index, count] of now.entries()) {
    const earlier = before[index] ?? count;
    const timed = count.timed - earlier.timed;
    if (timed <= 0) continue;
    isTimed = true;
    cycles += ((count.cycles - earlier.cycles) / timed) * (count.packets - earlier.packets);
  }
  return { name, packets, cyclesPerPacket: isTimed && packets > 0 ? cycles / packets : Number.NaN };
}

/** Positions that the ring holds, of packets as they are on average. */
function capacityOf(statistics: Statistics, { path }: Observed): number {
  const delivered = statistics.path(path, 'delivered');
  const bytes = statistics.path(path, 'bytes');
  const slot = delivered > 0 ? Math.ceil((bytes / delivered + FRAME_OFFSET) / LINE_BYTES) * LINE_BYTES : LINE_BYTES;
  return statistics.producer(path, 'ring_bytes') / slot;
}

/** Nanoseconds that a thread of ours was ready to run and did not: the second number of its schedstat. */
function waitedOf(thread: number): number {
  if (thread === 0) return Number.NaN;
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[1]);
  } catch {
    return Number.NaN;
  }
}
