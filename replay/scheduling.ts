/**
 * The loop between the scheduler's policy and a run: every 10 ms it looks (observing.ts), asks the policy, and does what the policy
 * says: other placements, slices, the helper. Everything that was done is kept, with what it did to the rate, for the result.
 *
 *   statistics page ─► Observation ─► schedule() (pure, stack/scheduler/policy.ts) ─► place(), control() ─► records
 *
 * Called by launch.ts. A tick is a few hundred loads, and at every tenth a read of /proc per container.
 */
import type { Action, ActionRecord, Placement } from '../stack/index.js';
import { type PolicyState, schedule } from '../stack/index.js';
import type { NativePlacement, NativeRun } from './native-run.js';
import { type Observed, Observer } from './observing.js';
import type { Statistics } from './statistics.js';

const TICK_MS = 10;
/** Phase of a producer (stack/layout.ts). */
const RUNNING = 1;
/** What an action did is known when the rate has been looked at for this long. */
const SETTLE_SECONDS = 0.1;
/** The newest are kept: a run of days must not fill memory. */
const MOST_RECORDS = 4096;

export function nativePlacement(placement: Placement, latencySeconds: number): NativePlacement {
  return {
    containers: placement.containers,
    window: placement.window,
    sliceBursts: placement.sliceBursts,
    fillPackets: placement.fillPackets,
    latencyNs: BigInt(Math.round(latencySeconds * 1e9)),
    vertical: placement.slices === 'vertical',
  };
}

export interface ScheduledPath {
  readonly observed: Observed;
  readonly state: PolicyState;
  readonly placement: Placement;
}

export interface SchedulingOptions {
  readonly native: Pick<NativeRun, 'place' | 'switches' | 'control'>;
  readonly statistics: Statistics;
  readonly paths: readonly ScheduledPath[];
  readonly latencySeconds: number;
  /** Container of the prefetch helper; null = there is none. */
  readonly helper: number | null;
  /** What led to the first placement. */
  readonly started: readonly Action[];
  /** Told of every action as it happens. */
  readonly onAction?: (record: ActionRecord) => void;
}

/** One path under the policy. */
interface Path {
  readonly observed: Observed;
  /** Null before its first packet. */
  observer: Observer | null;
  readonly number: number;
  state: PolicyState;
  placement: Placement;
  /** Where it is going to while a switch is under way. */
  next: { readonly placement: Placement; readonly record: MutableRecord | null } | null;
  rate: number;
}

interface MutableRecord extends ActionRecord {
  reason: string;
  after: number | null;
  blockedSeconds: number | null;
}

export class Scheduling {
  readonly #options: SchedulingOptions;
  readonly #paths: Path[];
  readonly #records: MutableRecord[] = [];
  #unsettled: { record: MutableRecord; path: Path; packets: number; since: number }[] = [];
  #timer: NodeJS.Timeout | null = null;
  #started: bigint | null = null;

  constructor(options: SchedulingOptions) {
    this.#options = options;
    this.#paths = options.paths.map(({ observed, state, placement }) => ({
      observed,
      observer: null,
      number: observed.path,
      state,
      placement,
      next: null,
      rate: Number.NaN,
    }));
  }

  start(): void {
    for (const action of this.#options.started) {
      this.#keep({ ...action, seconds: 0, path: 0, before: null, after: null, blockedSeconds: null });
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  end(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#takeSwitches();
    for (const path of this.#paths) this.#leave(path);
  }

  get actions(): readonly ActionRecord[] {
    return this.#records;
  }

  placementOf(path: number): Placement | undefined {
    return this.#paths.find(({ number }) => number === path)?.placement;
  }

  /** A switch that never ended is no part of what was done. */
  #leave(path: Path): void {
    const record = path.next?.record;
    path.next = null;
    if (!record) return;
    record.reason += '; the run ended before the switch did';
    record.after = null;
    record.blockedSeconds = null;
  }

  /** Nothing is scheduled before the first packet of a path, or behind its last. */
  #tick(): void {
    const { statistics } = this.#options;
    const running = this.#paths.filter(({ number }) => statistics.producer(number, 'phase') === RUNNING);
    if (running.length === 0) return;
    this.#started ??= process.hrtime.bigint();
    const seconds = Number(process.hrtime.bigint() - this.#started) / 1e9;
    this.#takeSwitches();
    for (const path of running) {
      this.#step(path, seconds);
      this.#settle(path, seconds);
    }
  }

  #step(path: Path, seconds: number): void {
    path.observer ??= new Observer(this.#options.statistics, path.observed, seconds);
    const observation = path.observer.observe(seconds, path.placement, path.next !== null);
    if (observation.interval > 0) path.rate = observation.packets / observation.interval;
    for (const waiting of this.#unsettled) if (waiting.path === path) waiting.packets += observation.packets;
    const { state, actions } = schedule(path.state, observation);
    const moves = actions.find(({ placement }) => placement !== undefined);
    /* Refused, because the stream is over or a switch under way: nothing of this look was done, and the policy looks anew. */
    if (moves?.placement && !this.#place(path, moves.placement)) return;
    path.state = state;
    for (const action of actions) this.#apply(path, action, seconds);
  }

  #place(path: Path, placement: Placement): boolean {
    const { native, latencySeconds } = this.#options;
    return native.place(path.number, nativePlacement(placement, latencySeconds)) === '';
  }

  #apply(path: Path, action: Action, seconds: number): void {
    const before = Number.isFinite(path.rate) ? path.rate : null;
    const record: MutableRecord = { ...action, seconds, path: path.number, before, after: null, blockedSeconds: null };
    if (action.placement) path.next = { placement: action.placement, record };
    if (action.helper !== undefined && this.#options.helper !== null) {
      this.#options.native.control(this.#options.helper, action.helper === null ? 'pause' : 'resume');
    }
    this.#keep(record);
    if (action.placement || action.helper !== undefined) this.#unsettled.push({ record, path, packets: 0, since: seconds });
  }

  #keep(record: MutableRecord): void {
    if (this.#records.length === MOST_RECORDS) this.#records.shift();
    this.#records.push(record);
    this.#options.onAction?.(record);
  }

  #takeSwitches(): void {
    for (const done of this.#options.native.switches()) {
      const path = this.#paths.find(({ number }) => number === done.path);
      if (!path?.next) continue;
      path.placement = path.next.placement;
      if (path.next.record) path.next.record.blockedSeconds = done.blockedSeconds;
      path.next = null;
    }
  }

  #settle(path: Path, seconds: number): void {
    this.#unsettled = this.#unsettled.filter(({ record, packets, since, path: own }) => {
      if (own !== path || seconds - since < SETTLE_SECONDS) return true;
      record.after = packets / (seconds - since);
      return false;
    });
  }
}
