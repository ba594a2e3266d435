/**
 * Placements that a program switches to itself, where no policy does, and which of them each path has. Called by launch.ts.
 *
 * A path takes one switch at a time and counts in the statistics page those that are over: with as many over as were accepted it
 * has the newest placement, else the one before.
 */
import type { Placement } from '../stack/index.js';
import type { NativeRun } from './native-run.js';
import { nativePlacement } from './scheduling.js';
import type { Statistics } from './statistics.js';

interface Switched {
  readonly before: Placement;
  readonly newest: Placement;
  readonly accepted: number;
}

export class ByHand {
  readonly #paths: Switched[];

  constructor(
    private readonly native: Pick<NativeRun, 'place'>,
    private readonly statistics: Pick<Statistics, 'shape' | 'path'>,
    first: Placement,
    private readonly latencySeconds: number,
  ) {
    const start = { before: first, newest: first, accepted: 0 };
    this.#paths = Array.from({ length: statistics.shape.paths }, () => start);
  }

  /** Empty, or a sentence why not. */
  place(placement: Placement, path: number): string {
    const problem = this.native.place(path, nativePlacement(placement, this.latencySeconds));
    const last = this.#paths[path];
    if (problem === '' && last) this.#paths[path] = { before: last.newest, newest: placement, accepted: last.accepted + 1 };
    return problem;
  }

  placementOf(path: number): Placement | undefined {
    const last = this.#paths[path];
    return last && this.statistics.path(path, 'switches') >= last.accepted ? last.newest : last?.before;
  }
}
