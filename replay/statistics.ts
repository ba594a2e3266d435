/** The statistics page of a run while it goes on: reads by field name, snapshots, and a bounded history. For run.ts and outcome.ts. */
import { CONTAINER_BLOCK, CURSOR_BYTES, fieldOffsets, OPERATION_BLOCK, PRODUCER_BLOCK } from '../stack/index.js';
import type { TraceInfo } from './captures/native-trace.js';
import type { ReplayPlan, RunSnapshot } from './plan-types.js';

const SAMPLE_MS = 100;
/** At most this many samples are kept; then every second one is dropped and the interval doubles. */
const MAX_SAMPLES = 600;
const PHASES = ['waiting', 'running', 'draining', 'done'] as const;

/** Reads of the statistics page by field name. */
export class Statistics {
  readonly #words: BigUint64Array;
  constructor(page: ArrayBuffer) {
    this.#words = new BigUint64Array(page);
  }
  producer(field: string): number {
    return this.#at(0, PRODUCER_OFFSETS, field);
  }
  container(field: string): number {
    return this.#at(1, CONTAINER_OFFSETS, field);
  }
  operation(index: number, field: string, element = 0): number {
    return this.#at(2 + index, OPERATION_OFFSETS, field, element);
  }
  #at(block: number, offsets: Readonly<Record<string, number>>, field: string, element = 0): number {
    const offset = offsets[field];
    if (offset === undefined) throw new RangeError(`no statistics field ${field}`);
    return Number(this.#words[(block * CURSOR_BYTES + offset) / 8 + element]);
  }
}
const PRODUCER_OFFSETS = fieldOffsets(PRODUCER_BLOCK);
const CONTAINER_OFFSETS = fieldOffsets(CONTAINER_BLOCK);
const OPERATION_OFFSETS = fieldOffsets(OPERATION_BLOCK);

export function takeSnapshot(plan: ReplayPlan, statistics: Statistics, info: TraceInfo): RunSnapshot {
  const ours = plan.target.kind === 'stack' || plan.target.kind === 'pcap';
  const offered = statistics.producer('offered');
  const dropped = statistics.producer('dropped');
  const distance = statistics.producer('ring_distance');
  const started = statistics.producer('started_ns');
  const waiting = plan.target.kind === 'null' ? 0 : distance;
  const delivered = ours ? statistics.container('delivered') : Math.max(0, offered - dropped - waiting);
  const mean = info.packets > 0 ? info.bytes / info.packets : 0;
  return {
    phase: PHASES[statistics.producer('phase')] ?? 'done',
    offered,
    delivered,
    dropped: dropped + (ours ? statistics.container('lost') : 0),
    bytes: ours ? statistics.container('bytes') : Math.round(delivered * mean),
    laps: statistics.producer('laps'),
    failedReaders: statistics.producer('failed_readers'),
    seconds: started === 0 ? 0 : Math.max(0, statistics.producer('updated_ns') - started) / 1e9,
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
