/**
 * The scheduler's policy: looks at a path, says what to do. Pure; run by the loop of a live path (replay/) and by the simulator.
 *
 *   observation ─► watch ─► learn costs and speeds ─► judge what is on trial ─► decide: 4, 3a, 2, 1, 3b, in that order
 *                  starved   estimates.ts              keep | roll back          moves.ts partition.ts timeslice.ts helper.ts
 *
 * One thing at a time: after an action nothing is believed until it has settled, then its throughput is compared with that
 * before. What made things worse is taken back and remembered. `replicated` and `fused` move nothing.
 */
import { decided } from './decisions.js';
import { learned } from './estimates.js';
import { mega, nextHelperTurn, percent } from './helper.js';
import { keyOf, rateOf, remembered, unsettled } from './memory.js';
import type { PolicySetup, PolicyState, Scheduled, Settled, Trial, Tuning } from './policy-types.js';
import type { Action, Observation } from './types.js';
import { NOT_WAITED, watched } from './watch.js';

/** For a look every 10 ms whose figures are right to about a tenth: a trial of 12 looks then knows throughput to 2 %. */
export const TUNING: Tuning = {
  smoothing: 0.15,
  leastGain: 0.06,
  directGain: 0.25,
  worstLoss: 0.06,
  settleSeconds: 0.03,
  trialSeconds: 0.12,
  coolDownSeconds: 5,
  longestCoolDown: 60,
  patienceSeconds: 0.25,
  highWatermark: 0.85,
  busyShare: 0.9,
  helperGain: 0.03,
  silentSeconds: 0.05,
  waitedShare: 0.2,
  noticeSeconds: 0.25,
  holdSeconds: 0.5,
  episodeSeconds: 1,
};
const QUEUE_SMOOTHING = 0.2;
/** Bursts of 50 ms with pauses as long are seen as the load that they are. */
const BUSY_RISE = 0.5;
const BUSY_FALL = 0.02;

export function startPolicy(setup: PolicySetup): PolicyState {
  return {
    setup,
    tuning: { ...TUNING, ...setup.tuning },
    elements: setup.path.elements.map(({ cycles }) => ({ cycles, observed: false, drift: 1 })),
    factors: setup.cpus.map(() => 1),
    rates: [],
    looks: 0,
    trial: null,
    settledAt: 0,
    failed: {},
    failures: 0,
    patientUntil: 0,
    helper: null,
    helperTrial: null,
    helperAt: 0,
    queue: 0,
    busiest: 0,
    starved: {},
    waiting: NOT_WAITED,
    saidTooFew: false,
    mayPrioritise: true,
  };
}

export function schedule(state: PolicyState, observation: Observation): Scheduled {
  const watch = watched(state, observation);
  const quiet = { state: watch.state, actions: watch.actions, settled: null };
  if (observation.switching || observation.interval <= 0) return quiet;
  const starved = starvedOnTrial(watch.state, watch.starving, observation);
  if (starved) return { ...starved, actions: [...watch.actions, ...starved.actions] };
  if (watch.holding) {
    /* The turn or trial begins anew once the container has its CPU back, or has not had it back for too long. */
    const settledAt = observation.seconds + state.tuning.settleSeconds;
    return { ...quiet, state: { ...watch.state, settledAt, rates: [], looks: 0 } };
  }
  if (observation.seconds < state.settledAt) return quiet;
  const looked = measured(learned(watch.state, observation), observation);
  if (state.setup.mode === 'replicated') return { ...quiet, state: looked };
  const next = judged(looked, observation) ?? helperJudged(looked, observation) ?? decidedOf(looked, observation);
  return { ...next, actions: [...watch.actions, ...next.actions] };
}

function decidedOf(state: PolicyState, observation: Observation): Scheduled {
  return { ...decided(state, observation), settled: null };
}

function measured(state: PolicyState, { packets, interval, containers, ring }: Observation): PolicyState {
  const busy = Math.max(0, ...containers.map((container) => container.busy));
  /* Never less than a tenth: an idle path says nothing, and must not look infinitely fast. */
  const rates = [...state.rates, { packets, seconds: interval * Math.min(1, Math.max(0.1, busy)) }];
  const most = Math.max(1, Math.ceil(state.tuning.trialSeconds / interval));
  const toward = (old: number, value: number, weight: number): number => old + weight * (value - old);
  return {
    ...state,
    rates: rates.slice(-most),
    looks: state.looks + 1,
    queue: toward(state.queue, ring.capacity > 0 ? ring.distance / ring.capacity : 0, QUEUE_SMOOTHING),
    busiest: toward(state.busiest, busy, busy > state.busiest ? BUSY_RISE : BUSY_FALL),
  };
}

/** A trial that goes on says nothing; one that ends is kept or taken back. Null = nothing is on trial. */
function judged(state: PolicyState, observation: Observation): Scheduled | null {
  const { trial, tuning } = state;
  if (trial === null) return null;
  if (observation.seconds - state.settledAt < tuning.trialSeconds) return { state, actions: [], settled: null };
  const after = rateOf(state.rates);
  const gain = after / trial.rateBefore - 1;
  const settled: Settled = { kind: trial.kind, seconds: trial.seconds, before: trial.rateBefore, after };
  const helped = trial.kind === 'prioritise' && trial.rateBefore > 0 && gain >= trial.mustGain;
  const free = { ...state, trial: null, mayPrioritise: state.mayPrioritise || helped };
  if (trial.rateBefore <= 0 || gain >= Math.max(0, trial.mustGain))
    return { state: { ...free, failures: 0 }, actions: [], settled };
  if (gain >= trial.mustGain) {
    /* No worse and no better: it stays, and the way back is closed for a while, so that nothing swings to and fro. */
    const back = keyOf(trial.before);
    return { state: remembered(free, back, observation.seconds), actions: [], settled };
  }
  const reason = `${trial.kind} brought ${mega(trial.rateBefore)} to ${mega(after)} (${percent(gain)}): taken back`;
  return takenBack(free, trial, reason, observation.seconds, settled);
}

/** Where an action gave work to a container that had no CPU to do it when the trial should have been over. Null = it did not. */
function starvedOnTrial(state: PolicyState, starving: readonly number[], observation: Observation): Scheduled | null {
  const { trial, tuning } = state;
  if (trial === null || observation.seconds - trial.seconds < tuning.settleSeconds + tuning.trialSeconds) return null;
  const container = starving.find((each) =>
    observation.placement.containers.some((own, at) => own === each && trial.before.containers[at] !== each),
  );
  if (container === undefined) return null;
  const reason = `${trial.kind} gave work to container ${container} (CPU ${state.setup.cpus[container]}), and something else has that CPU: taken back`;
  return takenBack({ ...state, trial: null }, trial, reason, observation.seconds, null);
}

function takenBack(state: PolicyState, trial: Trial, reason: string, seconds: number, settled: Settled | null): Scheduled {
  const { tuning } = state;
  const action: Action = { rule: trial.rule, kind: 'rollback', reason, placement: trial.before };
  const failures = state.failures + 1;
  const patience = Math.min(tuning.longestCoolDown, tuning.patienceSeconds * 2 ** failures);
  const next = { ...remembered(state, trial.key, seconds), failures, patientUntil: seconds + patience };
  return { state: { ...next, ...unsettled(state, seconds) }, actions: [action], settled };
}

function helperJudged(state: PolicyState, observation: Observation): Scheduled | null {
  const { helperTrial, tuning } = state;
  if (helperTrial === null) return null;
  if (observation.seconds - state.settledAt < tuning.trialSeconds) return { state, actions: [], settled: null };
  const { trial, helper, action } = nextHelperTurn(helperTrial, rateOf(state.rates), observation.seconds, state);
  const next = { ...state, ...unsettled(state, observation.seconds), helper, helperTrial: trial };
  const helperAt = trial === null ? observation.seconds + 2 * tuning.coolDownSeconds : state.helperAt;
  return { state: { ...next, helperAt }, actions: action ? [action] : [], settled: null };
}
