/**
 * One replay from request to exit code: open, plan, start, watch, report. The watching costs the data path nothing: it reads
 * a statistics page. Called by the commands `replay` and `demo`.
 */
import {
  fixedBecause,
  type ReplayPlan,
  type ReplayRequest,
  type ReplayRun,
  type RunOutcome,
  type RunSnapshot,
  type Trace,
} from '../replay/index.js';
import { type ActionRecord, ModelTError } from '../stack/index.js';
import type { Context } from './context.js';
import { counted, oneLine, sum } from './format.js';
import type { Reporting } from './replay-options.js';
import { refuseUnwritable, writeResult } from './result-file.js';
import { actionLine } from './scheduler-report.js';
import { exitCodeOf, intervalLine, isSound, ringEventLines, summaryLines, traceWarnings } from './summary.js';

const PROGRESS_SECONDS = 1;
const READERS_MS = 100;

export async function replayAndReport(context: Context, request: ReplayRequest, reporting: Reporting): Promise<number> {
  const machine = context.describeMachine();
  const { engine, why } = await context.replay.chooseEngine(request);
  const plan = context.replay.planReplay({ ...request, engine }, machine, context.calibrate);
  if (engine === 'webgpu' && request.engine === undefined && !reporting.quiet) context.note(`model-t: engine webgpu: ${why}`);
  if (reporting.dryRun) {
    context.print(JSON.stringify(plan, null, 2));
    return 0;
  }
  if (reporting.json !== null && reporting.json !== '-') refuseUnwritable(reporting.json);
  const trace = await load(context, request.inputs);
  if (!reporting.quiet) noteFixedRing(context, { ...request, engine }, trace.live);
  // A live trace may break while it is replayed: what came before is reported, then the error is.
  let problem: unknown = null;
  let releaseSignals = (): void => {};
  trace.loaded.catch((error: unknown) => {
    problem = error;
  });
  try {
    const start = (chosen: ReplayPlan): Promise<Watched> =>
      watch(context, context.replay.startReplay(trace, chosen, machine, telling(context, reporting)), chosen, reporting);
    const { outcome, release } = await start(plan).catch((error: unknown) => {
      // A GPU that nobody asked for by name must not be why a replay fails.
      const isOwnChoice = engine === 'webgpu' && request.engine === undefined && request.gpu === undefined;
      if (!isOwnChoice || !(error instanceof ModelTError) || error.exitCode !== 3) throw error;
      context.note(`model-t: ${oneLine(error.message)}; the native engine runs instead`);
      return start(context.replay.planReplay({ ...request, engine: 'native' }, machine, context.calibrate));
    });
    releaseSignals = release;
    // Where nothing came before the break, the error says all there is.
    if (problem === null || outcome.totals.offered > 0) report(context, outcome, trace, reporting);
    if (problem !== null) throw problem;
    return exitCodeOf(outcome);
  } finally {
    releaseSignals();
    trace.close();
  }
}

/** A size that was left to the ring, where the ring cannot change it. */
function noteFixedRing(context: Context, request: ReplayRequest, live: boolean): void {
  if (request.ringBytes !== 'auto' && request.ringSizing !== 'self') return;
  const obstacle = fixedBecause(request, request.target) ?? (live ? 'an input that is a stream' : null);
  if (obstacle !== null) context.note(`model-t: --ring-size auto: the ring keeps its size with ${obstacle}`);
}

/** Files are loaded whole before the first packet; standard input is replayed while it grows. Either can be interrupted. */
async function load(context: Context, inputs: readonly string[]): Promise<Trace> {
  let release = (): void => {};
  const interrupted = new Promise<never>((_, reject) => {
    release = context.onInterrupt(() =>
      reject(new ModelTError('INTERRUPTED', 'Interrupted while loading; nothing was replayed', 130)),
    );
  });
  try {
    const trace = await Promise.race([context.replay.openTrace(inputs), interrupted]);
    if (!trace.live) await Promise.race([trace.loaded, interrupted]);
    return trace;
  } finally {
    release();
  }
}

interface Watched {
  readonly outcome: RunOutcome;
  /** Signals have their usual effect again. */
  readonly release: () => void;
}

/** The first signal drains, the second aborts; from then on signals have their usual effect, so that a third one kills. */
async function watch(context: Context, run: ReplayRun, plan: ReplayPlan, reporting: Reporting): Promise<Watched> {
  let signals = 0;
  const release = context.onInterrupt(() => {
    signals++;
    if (signals === 1) {
      context.note('model-t: stopping; what is under way is drained (again to abort)');
      run.stop();
    } else {
      release();
      run.abort();
    }
  });
  const stopTelling = tell(context, run, plan, reporting);
  const stopWatching = plan.target.kind === 'ring' ? watchReaders(context, run, plan.target.name) : () => {};
  try {
    // Signals stay caught while the result is printed: a late one must not cut it off.
    return { outcome: await run.outcome, release };
  } catch (error) {
    release();
    throw error;
  } finally {
    stopTelling();
    stopWatching();
  }
}

/** Every action with -v; that a container does not get its CPU is said in any case. */
function telling(context: Context, { verbose, quiet }: Reporting): { onAction: (record: ActionRecord) => void } {
  return {
    onAction: (record) => {
      if (verbose || (record.kind === 'starved' && !quiet)) context.note(`model-t: ${actionLine(record)}`);
    },
  };
}

/** Prints an interval line now and then: to standard error with --stats, over itself on a terminal otherwise. */
function tell(context: Context, run: ReplayRun, plan: ReplayPlan, reporting: Reporting): () => void {
  const line = reporting.statsSeconds !== null ? context.note : context.status;
  if (reporting.quiet || line === null) return () => {};
  const early = { preparing: 'setting up the GPU', waiting: plan.target.kind === 'ring' ? 'waiting for readers' : 'starting' };
  let before: RunSnapshot = run.snapshot();
  const timer = setInterval(
    () => {
      const now = run.snapshot();
      line(now.phase === 'waiting' || now.phase === 'preparing' ? early[now.phase] : intervalLine(now.phase, now, before));
      before = now;
    },
    1000 * (reporting.statsSeconds ?? PROGRESS_SECONDS),
  );
  return () => {
    clearInterval(timer);
    if (reporting.statsSeconds === null) context.status?.(null);
  };
}

/** Says whom the run waits for, and within a fraction of a second that a reader is gone, also where others go on reading. */
function watchReaders(context: Context, run: ReplayRun, name: string): () => void {
  let known = 0;
  let told = false;
  const timer = setInterval(() => {
    const { failedReaders, phase } = run.snapshot();
    if (phase === 'waiting' && !told) context.note(`model-t: waiting for readers of ring ${name}`);
    told ||= phase !== 'preparing';
    if (failedReaders > known) {
      context.note(
        `model-t: ${counted(failedReaders - known, 'reader')} of the ring died or broke it; what was not consumed is lost`,
      );
    }
    known = failedReaders;
  }, READERS_MS);
  return () => clearInterval(timer);
}

function report(context: Context, outcome: RunOutcome, trace: Trace, reporting: Reporting): void {
  const info = trace.info();
  if (!reporting.quiet) for (const warning of traceWarnings(info)) context.note(`model-t: warning: ${warning}`);
  if (reporting.json === '-') context.print(JSON.stringify(outcome, null, 2));
  else for (const line of summaryLines(outcome, info)) context.print(line);
  if (reporting.json !== null && reporting.json !== '-') writeResult(reporting.json, `${JSON.stringify(outcome, null, 2)}\n`);
  if (reporting.verbose) for (const line of ringEventLines(outcome)) context.note(`model-t: ${line}`);
  if (!isSound(outcome)) context.note(`model-t: ${lossText(outcome)}`);
}

/** The one line that says why the exit code is 4. */
function lossText(outcome: RunOutcome): string {
  const { offered, delivered, dropped } = outcome.totals;
  if (outcome.stopped === 'reader-died')
    return 'A reader died or broke the ring; what it had not consumed is lost. Start both again';
  if (outcome.placement.disordered > 0) {
    const bursts = counted(outcome.placement.disordered, 'burst');
    return `${bursts} came to the end of a path out of turn. Do not use figures of this run`;
  }
  if (!outcome.conserved) {
    const missing = offered - delivered - sum(dropped);
    return `${counted(missing, 'packet')} offered but neither delivered nor counted as dropped. Do not use figures of this run`;
  }
  if (!outcome.verified.ok)
    return 'Delivered bytes differ from what the scalar reference computes. Do not use this run; try --isa scalar';
  return 'The run failed before its end. Do not use figures of this run';
}
