/** What is noticed and moves nothing: containers whose CPU is taken by others, and too few cores. Pure; called by the policy. */
import { rangesOf } from './layout.js';
import type { Episode, PolicyState, Waiting } from './policy-types.js';
import type { Action, ContainerObservation, Observation } from './types.js';

export interface Watched {
  readonly state: PolicyState;
  readonly actions: readonly Action[];
  /** Containers with work that are starved now. */
  readonly starving: readonly number[];
  /** What is measured says nothing about the path; ends with the starvation, or after `holdSeconds`. */
  readonly holding: boolean;
}

export function watched(state: PolicyState, observation: Observation): Watched {
  const { tuning, setup } = state;
  const { seconds } = observation;
  const actions: Action[] = [];
  const starved: Record<string, Episode> = {};
  for (const [container, episode] of Object.entries(state.starved))
    if (seconds - episode.seen < tuning.episodeSeconds) starved[container] = episode;
  const waiting = waitingSince(state.waiting, observation);
  /* Half a look less, because looks do not add up to a round figure. */
  const isWhole = waiting.seconds >= tuning.noticeSeconds - observation.interval / 2;
  const starving: number[] = [];
  for (const { container } of rangesOf(observation.placement.containers)) {
    const look = observation.containers[container];
    if (look?.state !== 'running') continue;
    const isSilent = look.silentSeconds > tuning.silentSeconds;
    const isStarving = isSilent || look.waited > tuning.waitedShare;
    if (isStarving) starving.push(container);
    const reason = isSilent ? silence(look, setup, container) : isWhole ? waits(waiting, state, container) : null;
    const says = reason !== null && seconds >= tuning.noticeSeconds && !starved[container]?.said;
    if (says) actions.push({ rule: 'watch', kind: 'starved', reason });
    if (!isStarving && !says) continue;
    const { since = seconds, said = false } = starved[container] ?? {};
    starved[container] = { since, seen: seconds, said: said || says };
  }
  if (!state.saidTooFew) actions.push(...tooFew(setup));
  const holding = starving.some((container) => seconds - (starved[container]?.since ?? seconds) < tuning.holdSeconds);
  const next = { ...state, starved, waiting: isWhole ? NOT_WAITED : waiting, saidTooFew: true };
  return { state: next, actions, starving, holding };
}

export const NOT_WAITED: Waiting = { seconds: 0, waited: [] };

function waitingSince({ seconds, waited }: Waiting, { interval, containers }: Observation): Waiting {
  const also = containers.map((look, container) => (waited[container] ?? 0) + Math.min(1, look.waited) * interval);
  return { seconds: seconds + interval, waited: also };
}

function silence({ silentSeconds }: ContainerObservation, { cpus }: PolicyState['setup'], container: number): string {
  return `container ${container} (CPU ${cpus[container]}) has not run for ${(silentSeconds * 1e3).toFixed(0)} ms: something else has its CPU; free it, or choose others with --cores`;
}

function waits({ seconds, waited }: Waiting, { setup, tuning }: PolicyState, container: number): string | null {
  const share = Math.min(1, (waited[container] ?? 0) / seconds);
  if (!(share > tuning.waitedShare)) return null;
  return `container ${container} (CPU ${setup.cpus[container]}) waited for its CPU ${(share * 100).toFixed(0)} % of the time: something else runs there; free it, or choose others with --cores`;
}

function tooFew({ cpus, path, model }: PolicyState['setup']): Action[] {
  const elements = path.elements.length - (path.sourceOutside ? 1 : 0);
  const cores = new Set(cpus).size;
  if (cores === 1 && elements > 1)
    return [
      { rule: 'watch', kind: 'hold', reason: `One core for ${elements} elements: they take turns on it, and nothing can move` },
    ];
  if (model.quota !== null && model.quota < cores)
    return [
      {
        rule: 'watch',
        kind: 'hold',
        reason: `The quota grants ${model.quota} CPUs' worth of time to ${cores} containers: they will be throttled`,
      },
    ];
  return [];
}
