/**
 * Rule 3b: a spare core prefetches for the path, or is left idle, whichever measures better. The helper is off and on in turns,
 * twice, so that a drift of the load cannot speak for either. Pure; called by the policy when nothing else is to be done.
 */
import { type Platform, sharingBetween } from './layout.js';
import type { Sharing } from './measurements.js';
import type { HelperTrial, PolicyState } from './policy-types.js';
import type { Action } from './types.js';

/** Off, on, off, on. */
const TURNS = 4;
/** The nearer, the more lines it brings; a core that shares nothing brings none. */
const NEAREST: readonly Sharing[] = ['core', 'l2', 'l3'];

export interface HelperStep {
  readonly trial: HelperTrial | null;
  readonly helper: number | null;
  readonly action: Action | null;
}

/** The idle container that is nearest to the slowest one; null = none shares a cache with it. */
export function helperFor(slowest: number, containers: readonly number[], platform: Platform): number | null {
  const idle = [...platform.cores.keys()].filter((container) => !containers.includes(container));
  for (const sharing of NEAREST) {
    const found = idle.find((container) => sharingBetween(platform, slowest, container) === sharing);
    if (found !== undefined) return found;
  }
  return null;
}

export function startHelperTrial(helper: number, seconds: number, cpu: number): HelperStep {
  const reason = `a spare core: CPU ${cpu} will prefetch in turns with being idle, ${TURNS} turns`;
  return { trial: { helper, seconds, turns: [] }, helper: null, action: { rule: '3b', kind: 'idle', reason, helper: null } };
}

/** At the end of a turn, with its throughput. */
export function nextHelperTurn(trial: HelperTrial, rate: number, seconds: number, { setup, tuning }: PolicyState): HelperStep {
  const turns = [...trial.turns, rate];
  const cpu = setup.cpus[trial.helper] ?? -1;
  if (turns.length < TURNS) {
    const on = turns.length % 2 === 1;
    const reason = `turn ${turns.length + 1} of ${TURNS}, ${on ? 'with' : 'without'} a helper: the last one had ${mega(rate)}`;
    const action: Action = { rule: '3b', kind: on ? 'prefetch' : 'idle', reason, helper: on ? trial.helper : null };
    return { trial: { ...trial, seconds, turns }, helper: action.helper ?? null, action };
  }
  const without = ((turns[0] ?? 0) + (turns[2] ?? 0)) / 2;
  const with_ = ((turns[1] ?? 0) + (turns[3] ?? 0)) / 2;
  const gain = with_ / without - 1;
  const keeps = gain >= tuning.helperGain;
  const figures = `${mega(with_)} with a helper, ${mega(without)} without (${percent(gain)})`;
  const reason = `${figures}: CPU ${cpu} ${keeps ? 'goes on prefetching' : 'is left idle'}`;
  const action: Action = { rule: '3b', kind: keeps ? 'prefetch' : 'idle', reason, helper: keeps ? trial.helper : null };
  return { trial: null, helper: action.helper ?? null, action };
}

export function mega(packetsPerSecond: number): string {
  return `${(packetsPerSecond / 1e6).toFixed(2)} Mpps`;
}

export function percent(share: number): string {
  return `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %`;
}
