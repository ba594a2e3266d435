/** What the policy is given, what it keeps between two looks, and what it says. Types only; all of it plain data. */
import type { PathCosts } from './costs.js';
import type { MachineModel } from './machine-model.js';
import type { Action, Placement, PlacementMode } from './types.js';

export interface PolicySetup {
  readonly mode: PlacementMode;
  readonly model: MachineModel;
  /** CPU of each container; those without work included. */
  readonly cpus: readonly number[];
  /** What is expected; costs are replaced by what is observed. */
  readonly path: PathCosts;
  /** Rule 1: a burst is to be through within this time. */
  readonly latencySeconds: number;
  /** False: there is no thread for prefetching, and rule 3b leaves cores idle. */
  readonly canPrefetch: boolean;
  readonly tuning?: Partial<Tuning>;
}

export interface Tuning {
  /** Weight of a new observation. */
  readonly smoothing: number;
  /** Expected gain in throughput below which nothing moves. */
  readonly leastGain: number;
  /** Expected gain from which on the policy goes to the planner's placement at once. */
  readonly directGain: number;
  /** Share of throughput that may be missing after an action before it is taken back. */
  readonly worstLoss: number;
  /** After a switch nothing is believed for this long. */
  readonly settleSeconds: number;
  /** Then throughput is averaged for this long, and compared with up to as long before. */
  readonly trialSeconds: number;
  /** A placement that was taken back is not tried again for this long; doubled each time, up to `longestCoolDown`. */
  readonly coolDownSeconds: number;
  readonly longestCoolDown: number;
  /** After an action was taken back nothing moves for this long; doubled with each that follows, up to `longestCoolDown`. */
  readonly patienceSeconds: number;
  /** A queue builds: share of the ring that is full. */
  readonly highWatermark: number;
  /** A path is worth balancing only where a container is busy for this share of its time. */
  readonly busyShare: number;
  /** A helper, or another order in a container, stays if throughput is larger by this. */
  readonly helperGain: number;
  /** A container that was silent for longer, or waited for its CPU for a larger share, is starved. */
  readonly silentSeconds: number;
  readonly waitedShare: number;
  /** Starvation is said aloud of at least this long, and not before: a thread that has just started always waited. */
  readonly noticeSeconds: number;
  /** Nothing is judged while a container is starved, but no longer than this in one episode. */
  readonly holdSeconds: number;
  /** Once nothing was seen for this long, an episode of starvation is over. */
  readonly episodeSeconds: number;
}

export interface ElementEstimate {
  /** Per packet of the path, on a core of speed 1, without hop. */
  readonly cycles: number;
  readonly observed: boolean;
  /** The last few observations over `cycles`, averaged: where it leaves 1 for all elements of a container, the core changed. */
  readonly drift: number;
}

/** Throughput of one look. */
export interface Rate {
  readonly packets: number;
  /** Time in which the busiest container had work: where packets come in bursts, the pauses between them count for nothing. */
  readonly seconds: number;
}

/** A container that is starved, or was a short while ago. */
export interface Episode {
  /** When that was first and last seen. */
  readonly since: number;
  readonly seen: number;
  readonly said: boolean;
}

/** Since the last time that waiting was judged for a notice. */
export interface Waiting {
  readonly seconds: number;
  /** For its CPU, by container. */
  readonly waited: readonly number[];
}

/** An action on trial. */
export interface Trial {
  readonly rule: Action['rule'];
  readonly kind: Action['kind'];
  readonly seconds: number;
  /** What it led to, and what was before. */
  readonly key: string;
  readonly before: Placement;
  readonly rateBefore: number;
  /** It must gain this, or it is taken back; negative: it may lose that much. */
  readonly mustGain: number;
}

/** The helper is off and on in turns; each turn's throughput. */
export interface HelperTrial {
  readonly helper: number;
  readonly seconds: number;
  readonly turns: readonly number[];
}

export interface PolicyState {
  readonly setup: PolicySetup;
  readonly tuning: Tuning;
  readonly elements: readonly ElementEstimate[];
  /** How much slower each container's core was seen to be than the model says. */
  readonly factors: readonly number[];
  /** Since the last switch, the newest last; bounded by the time of a trial. */
  readonly rates: readonly Rate[];
  /** Looks that were believed since the last switch. */
  readonly looks: number;
  readonly trial: Trial | null;
  /** Nothing is believed before. */
  readonly settledAt: number;
  /** Placements that were taken back, or brought nothing. */
  readonly failed: Readonly<Record<string, { readonly until: number; readonly times: number }>>;
  /** Actions taken back since one last brought something; nothing moves before `patientUntil`. */
  readonly failures: number;
  readonly patientUntil: number;
  /** Container that prefetches. */
  readonly helper: number | null;
  readonly helperTrial: HelperTrial | null;
  /** No helper is tried before; null = never again on this placement. */
  readonly helperAt: number | null;
  /** Share of the ring that is full, smoothed. */
  readonly queue: number;
  /** Share of time that the busiest container has work; rises fast and falls slowly, for loads that come in bursts. */
  readonly busiest: number;
  readonly starved: Readonly<Record<string, Episode>>;
  readonly waiting: Waiting;
  readonly saidTooFew: boolean;
  /** Mode `paper`: shorter slices have not been tried yet, or helped each time. */
  readonly mayPrioritise: boolean;
}

/** What became of an action: for its record. Packets per second of the busiest container's working time. */
export interface Settled {
  readonly kind: Action['kind'];
  /** When the action was. */
  readonly seconds: number;
  readonly before: number;
  readonly after: number;
}

export interface Scheduled {
  readonly state: PolicyState;
  /** In the order in which they are to be applied; at most one has a placement. */
  readonly actions: readonly Action[];
  /** The action whose effect is known since this look; null = none. */
  readonly settled: Settled | null;
}
