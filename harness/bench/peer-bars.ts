/** The bars of `model-t bench peers`: how many times a peer we must be. Pure. */
import { type Bar, barOf } from './bars.js';
import type { CellResult } from './comparison.js';
import type { Sample } from './contender.js';

const rates = (samples: readonly Sample[]): number[] => samples.map(({ packetsPerSecond }) => packetsPerSecond);

/** Against the first peer, with all cores and for each of them. */
export function peerBars(results: readonly CellResult[]): Bar[] {
  return results.flatMap(({ cell, bar, contenders: [ours, peer] }) => {
    if (!bar || !ours || !peer) return [];
    const theirs = rates(peer.samples);
    const times = rates(ours.samples).map((rate, round) => rate / (theirs[round] ?? Number.NaN));
    const perCore = times.map((value) => value / bar.cores);
    return [
      barOf(`${cell}, ${bar.cores} cores, against ${peer.name} on one`, 'x', bar.timesPeer, times),
      barOf(`${cell}, for each core, against ${peer.name} on one`, 'x', bar.timesPeer / bar.cores, perCore),
    ];
  });
}
