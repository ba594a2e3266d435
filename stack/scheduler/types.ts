/**
 * What the scheduler sees and says, as plain data: placements, observations, actions. Types only; shared by the policy, the
 * planner, the simulator, and the loop that applies actions to a run (replay/).
 *
 *   elements of a path, in order:   source ── intake ── unit ── unit ── ...      (a unit is what cannot be cut: an operation,
 *   containers (pinned threads):    [───── 0 ─────] [──────── 1 ────────]         a header pass, a group)
 */

export const PLACEMENT_MODES = ['auto', 'fused', 'piped', 'replicated', 'paper'] as const;
export type PlacementMode = (typeof PLACEMENT_MODES)[number];

/** `horizontal`: a burst goes to the next stage as soon as it is through one; `vertical`: a whole slice does. */
export type Slices = 'horizontal' | 'vertical';

/**
 * Where each element of a path runs: `containers[e]` is the container of element e (0 the source, 1 the intake, 2 … the units).
 * Each container has one contiguous range of elements, or none. -1 for element 0: the source is outside of the path.
 */
export interface Placement {
  readonly containers: readonly number[];
  /** Bursts that may be between intake and the end of the path; a power of two, 1 to 64. */
  readonly window: number;
  /** Rule 1: bursts that an agent may do before another of its container has its turn. */
  readonly sliceBursts: number;
  /** Packets that intake waits for before the path is scheduled, as long as the latency bound allows; 0 = none. */
  readonly fillPackets: number;
  readonly slices: Slices;
}

/** Of one element since the last observation. */
export interface ElementObservation {
  readonly name: string;
  readonly packets: number;
  /** Time-stamp cycles; NaN where no packet was timed. */
  readonly cyclesPerPacket: number;
}

/** Of one container since the last observation. */
export interface ContainerObservation {
  readonly cpu: number;
  readonly state: 'starting' | 'running' | 'paused' | 'stopped';
  /** Share of its time in turns that did something, 0 to 1. */
  readonly busy: number;
  /** Since its last look. */
  readonly silentSeconds: number;
  /** Share of the time that it was ready to run and another thread had its CPU, 0 to 1; NaN where the kernel does not say. */
  readonly waited: number;
}

export interface Observation {
  /** Since the start of the run. */
  readonly seconds: number;
  /** Since the last observation. */
  readonly interval: number;
  /** Packets that came to the end of the path since the last observation. */
  readonly packets: number;
  readonly placement: Placement;
  /** A switch of placement is under way. */
  readonly switching: boolean;
  readonly elements: readonly ElementObservation[];
  readonly containers: readonly ContainerObservation[];
  /** Published and not consumed, and what the ring holds at most. */
  readonly ring: { readonly distance: number; readonly capacity: number };
}

/** Numbered as in the paper (II-B) and DESIGN 4.6; `watch`: what is noticed and changes nothing. */
export type Rule = '1' | '2' | '3a' | '3b' | '4' | 'watch';

export type ActionKind =
  | 'slice'
  | 'schedule'
  | 'join'
  | 'split'
  | 'migrate'
  | 'prioritise'
  | 'prefetch'
  | 'idle'
  | 'hold'
  | 'rollback'
  | 'starved';

export interface Action {
  readonly rule: Rule;
  readonly kind: ActionKind;
  /** One sentence with the figures that led to it. */
  readonly reason: string;
  /** The placement to switch to; left out: nothing moves. */
  readonly placement?: Placement;
  /** Prefetch helper on (a container number) or off (null). */
  readonly helper?: number | null;
}

/** An action as results keep it. */
export interface ActionRecord extends Action {
  /** Since the start of the run. */
  readonly seconds: number;
  /** Path that it was about. */
  readonly path: number;
  /** Packets per second before it, and after it had settled; null = not known. */
  readonly before: number | null;
  readonly after: number | null;
  /** Effective blocked time of the switch, in seconds; null = no switch, or still under way. */
  readonly blockedSeconds: number | null;
}
