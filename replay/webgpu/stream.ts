/**
 * The loop that keeps K batches in flight: plan, submit, publish what is mapped, take back what is read.
 *
 *   free --nextBatch, submit--> in flight --mapped, in order--> published --reclaim, unmap--> free
 *
 * It makes a handful of calls per batch and sleeps otherwise; packets pass between the device, native threads and readers.
 * The caller has made the run with these staging buffers and awaits its end. Used by gpu-run.ts.
 */
import { ModelTError } from '../../stack/index.js';
import type { NativeRun } from '../native-run.js';
import type { Feed } from './feed.js';

/** Shortest and longest sleep between two looks at the device. */
const LEAST_NAP_MICROSECONDS = 20;
const MOST_NAP_MICROSECONDS = 4000;
/**
 * With nothing under way on the device the readers are waited for, who tell nobody that they are done: shorter sleeps first, which
 * double while nothing happens.
 */
const READER_NAP_MICROSECONDS = 50;
/**
 * Looks per batch, by batches in flight. With one, every look that comes late is lost time; with three or more the device has two to
 * go on with, and more looks only take a CPU that a software GPU needs (SwiftShader on two CPUs: a third of its rate).
 */
const LOOKS_PER_BATCH = [32, 32, 3, 2] as const;

/** No batch takes this long on any device that works; a driver that resets a hung GPU does so after a few seconds. */
const HUNG_SECONDS = 30;

export interface Flow {
  readonly run: NativeRun;
  readonly feed: Feed;
  readonly staging: readonly GPUBuffer[];
}

/** How long to sleep, from how often batches come. */
class Naps {
  readonly #looks: number;
  #last = performance.now();
  #microseconds = LEAST_NAP_MICROSECONDS;

  constructor(buffers: number) {
    this.#looks = LOOKS_PER_BATCH[Math.min(buffers, 3)] ?? 1;
  }

  /** A batch has come: the time since the one before counts for an eighth. */
  batch(): void {
    const now = performance.now();
    const wanted = (1000 * (now - this.#last)) / this.#looks;
    this.#last = now;
    const next = this.#microseconds + (wanted - this.#microseconds) / 8;
    this.#microseconds = Math.min(Math.max(next, LEAST_NAP_MICROSECONDS), MOST_NAP_MICROSECONDS);
  }

  /** Since the last batch came. */
  get secondsWithout(): number {
    return (performance.now() - this.#last) / 1000;
  }

  /** A batch was begun while none was under way: only now may one be missed. */
  restart(): void {
    this.#last = performance.now();
  }

  get microseconds(): number {
    return this.#microseconds;
  }
}

interface Flight {
  readonly slot: number;
  state: 'making' | 'mapped' | 'published';
}

export interface Streamed {
  readonly batches: number;
}

/** Resolves when the stream is over; the device may still be busy with batches that nobody wants. Rejects with what the device said. */
export async function stream({ run, feed, staging }: Flow): Promise<Streamed> {
  const naps = new Naps(staging.length);
  const flights: Flight[] = []; /* oldest first */
  let batches = 0;
  let making = 0;
  let problem: unknown = null;
  let idle = READER_NAP_MICROSECONDS;

  const reclaim = (): void => {
    if (flights[0]?.state !== 'published' || !run.reclaim()) return;
    bufferOf(staging, flights[0]).unmap();
    flights.shift();
  };
  /* A buffer is taken back when it is needed, not before: those of the last batches stay for verification. */
  const begin = (): boolean => {
    if (flights.length === staging.length) reclaim();
    const batch = flights.length < staging.length ? run.nextBatch() : null;
    const buffer = batch && staging[batch.slot];
    if (!batch || !buffer) return false;
    const flight: Flight = { slot: batch.slot, state: 'making' };
    flights.push(flight);
    batches++;
    if (making++ === 0) naps.restart();
    feed.submit(batch, buffer).then(
      () => {
        making--;
        naps.batch();
        flight.state = 'mapped';
      },
      (error: unknown) => {
        making--;
        problem ??= error;
      },
    );
    return true;
  };
  /* Publication is in order, whatever the order in which maps resolve. */
  const publish = (): void => {
    for (const flight of flights) {
      if (flight.state === 'making') return;
      if (flight.state === 'mapped') run.publish(bufferOf(staging, flight).getMappedRange());
      flight.state = 'published';
    }
  };

  while (!run.ended() && problem === null) {
    publish();
    while (begin()) {}
    if (making > 0 && naps.secondsWithout > HUNG_SECONDS) {
      throw new ModelTError(
        'GPU_HUNG',
        `The GPU has not finished a batch in ${HUNG_SECONDS} seconds`,
        4,
        'Use smaller batches, or mend the kernel',
      );
    }
    /*
     * One nap per turn of the event loop, and here: Dawn looks for results once per turn, and were it that one which napped (pump.ts), what it
     * found would wait for the nap to end.
     */
    idle = making > 0 ? READER_NAP_MICROSECONDS : Math.min(2 * idle, MOST_NAP_MICROSECONDS);
    run.nap(making > 0 ? naps.microseconds : idle);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  if (problem !== null && !run.ended()) throw problem;
  return { batches };
}

function bufferOf(staging: readonly GPUBuffer[], flight: Flight): GPUBuffer {
  const buffer = staging[flight.slot];
  if (!buffer) throw new RangeError(`no staging buffer ${flight.slot}`);
  return buffer;
}
