/** The statistics page of a run while it goes on: reads by field name, snapshots, and a bounded history. For run.ts and outcome.ts. */
import { CONTAINER_BLOCK, CURSOR_BYTES, fieldOffsets, OPERATION_BLOCK, PATH_BLOCK, PRODUCER_BLOCK } from '../stack/index.js';
import type { TraceInfo } from './captures/native-trace.js';
import type { ReplayPlan, RunSnapshot } from './plan-types.js';

const SAMPLE_MS = 100;
/** At most this many samples are kept; then every second one is dropped and the interval doubles. */
const MAX_SAMPLES = 600;
const PHASES = ['waiting', 'running', 'draining', 'done'] as const;

/** What a statistics page holds: blocks of producers and paths (one each per lane), of containers, of elements of paths. */
export interface PageShape {
  readonly paths: number;
  readonly containers: number;
  readonly operations: number;
}

/** Of the operation blocks of a path: source and intake stand before the operations. */
const ELEMENTS_BEFORE = 2;

/** Reads of the statistics page by field name. */
export class Statistics {
  readonly #words: BigUint64Array;
  constructor(
    page: ArrayBuffer,
    readonly shape: PageShape,
  ) {
    this.#words = new BigUint64Array(page);
  }
  producer(path: number, field: string): number {
    return this.#at(path, PRODUCER_OFFSETS, field);
  }
  path(path: number, field: string): number {
    return this.#at(this.shape.paths + path, PATH_OFFSETS, field);
  }
  container(container: number, field: string): number {
    return this.#at(2 * this.shape.paths + container, CONTAINER_OFFSETS, field);
  }
  /** The source is -2, the intake -1, operations count from 0. */
  operation(path: number, index: number, field: string, element = 0): number {
    const before = 2 * this.shape.paths + this.shape.containers;
    const block = before + path * (ELEMENTS_BEFORE + this.shape.operations) + ELEMENTS_BEFORE + index;
    return this.#at(block, OPERATION_OFFSETS, field, element);
  }
  /** Of all producers. */
  sumOfProducers(field: string): number {
    return sumOver(this.shape.paths, (path) => this.producer(path, field));
  }
  /** Of all paths. */
  sumOfPaths(field: string): number {
    return sumOver(this.shape.paths, (path) => this.path(path, field));
  }
  #at(block: number, offsets: Readonly<Record<string, number>>, field: string, element = 0): number {
    const offset = offsets[field];
    if (offset === undefined) throw new RangeError(`no statistics field ${field}`);
    return Number(this.#words[(block * CURSOR_BYTES + offset) / 8 + element]);
  }
}
const PRODUCER_OFFSETS = fieldOffsets(PRODUCER_BLOCK);
const PATH_OFFSETS = fieldOffsets(PATH_BLOCK);
const CONTAINER_OFFSETS = fieldOffsets(CONTAINER_BLOCK);
const OPERATION_OFFSETS = fieldOffsets(OPERATION_BLOCK);

function sumOver(count: number, value: (index: number) => number): number {
  let sum = 0;
  for (let index = 0; index < count; index++) sum += value(index);
  return sum;
}

function each(count: number, value: (index: number) => number): number[] {
  return Array.from({ length: count }, (_, index) => value(index));
}

/** Of several lanes: the phase of the one that is furthest behind, the laps that all have done, the time of the first to start. */
export function takeSnapshot(plan: ReplayPlan, statistics: Statistics, info: TraceInfo): RunSnapshot {
  const { paths } = statistics.shape;
  const ours = plan.target.kind === 'stack' || plan.target.kind === 'pcap';
  const offered = statistics.sumOfProducers('offered');
  const dropped = statistics.sumOfProducers('dropped');
  const distance = statistics.sumOfProducers('ring_distance');
  const started = each(paths, (path) => statistics.producer(path, 'started_ns')).filter((time) => time > 0);
  const updated = Math.max(...each(paths, (path) => statistics.producer(path, 'updated_ns')));
  const waiting = plan.target.kind === 'null' ? 0 : distance;
  const delivered = ours ? statistics.sumOfPaths('delivered') : Math.max(0, offered - dropped - waiting);
  const mean = info.packets > 0 ? info.bytes / info.packets : 0;
  return {
    phase: PHASES[Math.min(...each(paths, (path) => statistics.producer(path, 'phase')))] ?? 'done',
    offered,
    delivered,
    dropped: dropped + (ours ? statistics.sumOfPaths('lost') : 0),
    bytes: ours ? statistics.sumOfPaths('bytes') : Math.round(delivered * mean),
    laps: Math.min(...each(paths, (path) => statistics.producer(path, 'laps'))),
    failedReaders: statistics.sumOfProducers('failed_readers'),
    seconds: started.length === 0 ? 0 : Math.max(0, updated - Math.min(...started)) / 1e9,
    ringBytes: statistics.sumOfProducers('ring_bytes'),
    ringResizes: statistics.sumOfProducers('resizes'),
    ringDistance: ours ? Math.max(0, offered - dropped - delivered) : waiting,
  };
}

/** Keeps a bounded history of the run. */
export class Sampler {
  readonly taken: RunSnapshot[] = [];
  #every = 1;
  #ticks = 0;
  readonly #timer: NodeJS.Timeout;
  constructor(snapshot: () => RunSnapshot) {
    this.#timer = setInterval(() => {
      if (this.#ticks++ % this.#every !== 0) return;
      this.taken.push(snapshot());
      if (this.taken.length < MAX_SAMPLES) return;
      this.taken.splice(0, this.taken.length, ...this.taken.filter((_, i) => i % 2 === 1));
      this.#every *= 2;
    }, SAMPLE_MS);
    this.#timer.unref();
  }
  end(): void {
    clearInterval(this.#timer);
  }
}
