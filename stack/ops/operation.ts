/**
 * What an operation declares about itself. The declaration is data: the planner checks pipelines with it, results are
 * labelled with it, and `test/stack/ops.test.ts` holds the C++ body (the .cc file beside it) to it. Pure.
 */

/** Columns of a burst (stack/native/burst.h) and bytes of a frame. */
export type Column = 'frames' | 'lengths' | 'types' | 'networks' | 'transports' | 'ends' | 'protocols' | 'marks';

export interface Operation {
  readonly name: string;
  readonly summary: string;
  /** How much of the frame it touches. */
  readonly access: 'none' | 'header' | 'payload';
  /** Frame bytes it may read per packet; null = all. */
  readonly bytesTouched: number | null;
  readonly reads: readonly Column[];
  readonly writes: readonly Column[];
  readonly drops: boolean;
  readonly state: 'none' | 'per-flow' | 'global';
  readonly order: 'any' | 'per-flow' | 'total';
  /** In the order of the native counters; sums that are no packet counts end in `Sum`. */
  readonly verdicts: readonly string[];
  /** Accepted arguments and the number the native body gets; the first is the default. Empty = takes none. */
  readonly parameters: readonly { readonly argument: string; readonly value: number }[];
}
