/** What the policy remembers between looks: throughput since the last switch, and placements that failed. Pure; for policy.ts. */
import type { PolicyState, Rate } from './policy-types.js';
import type { Placement } from './types.js';

/** Placements that are remembered as failed. */
const MOST_FAILED = 32;

export function rateOf(rates: readonly Rate[]): number {
  const total = rates.reduce(
    (sum, { packets, seconds }) => ({ packets: sum.packets + packets, seconds: sum.seconds + seconds }),
    {
      packets: 0,
      seconds: 0,
    },
  );
  return total.seconds > 0 ? total.packets / total.seconds : 0;
}

/** What a switch does to what is known. */
export function unsettled({ tuning }: PolicyState, seconds: number): Pick<PolicyState, 'settledAt' | 'rates' | 'looks'> {
  return { settledAt: seconds + tuning.settleSeconds, rates: [], looks: 0 };
}

/** What tells placements apart for the memory of failures. */
export function keyOf(placement: Pick<Placement, 'containers' | 'sliceBursts' | 'window'>): string {
  return `${placement.containers.join(',')} ${placement.sliceBursts}/${placement.window}`;
}

export function remembered(state: PolicyState, key: string, seconds: number): PolicyState {
  const { coolDownSeconds, longestCoolDown } = state.tuning;
  const times = (state.failed[key]?.times ?? 0) + 1;
  const until = seconds + Math.min(longestCoolDown, coolDownSeconds * 2 ** (times - 1));
  const others = Object.entries(state.failed).filter(([other]) => other !== key);
  const kept = others.sort(([, a], [, b]) => b.until - a.until).slice(0, MOST_FAILED - 1);
  return { ...state, failed: { ...Object.fromEntries(kept), [key]: { until, times } } };
}

/** Whether it may be tried: it did not fail, or that was long ago. */
export function isFree(state: PolicyState, key: string, seconds: number): boolean {
  return (state.failed[key]?.until ?? Number.NEGATIVE_INFINITY) <= seconds;
}
