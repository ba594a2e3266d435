/**
 * A replay by the WebGPU engine, from plan to outcome: open a device, put the trace on it, find out what it does best, stream,
 * report. The native side of the run (ring, readers, verification) is the same as the native engine's (launch.ts).
 *
 *   set-up: openDevice -> DeviceImage -> tiles, tables, tuning (prepare.ts) -> staging    run: launch + stream    end: report, close
 *
 * Called by run.ts.
 */
import { readFileSync } from 'node:fs';
import { type Machine, ModelTError } from '../../stack/index.js';
import { type Launched, launch, mutationConfig } from '../launch.js';
import { type NativeDeviceImage, type NativeRun, replayNative } from '../native-run.js';
import type { GpuOutcome, GpuPlan, ReplayPlan, RunOutcome, RunSnapshot } from '../plan-types.js';
import type { ReplayRun, Watch } from '../run.js';
import { nativeOf, type Trace } from '../trace.js';
import { type OpenDevice, openDevice } from './dawn.js';
import { deviceError } from './device-errors.js';
import { type Prepared, prepare } from './prepare.js';
import { readReport, refuseReport } from './report.js';
import { createStaging, mapStaging, unmapStaging } from './staging.js';
import { stream } from './stream.js';
import { threadSeconds } from './thread-time.js';
import { type UserKernel, userKernel } from './user-kernel.js';

/** How long an abort, and the end of a device, wait for what runs on it. */
const PATIENCE_MS = 2000;
/** Batches under way at the end take milliseconds; with a kernel of the user's own, whatever that takes. */
const LAST_BATCH_SECONDS = 10;
/** A share of less time than this is a matter of chance. */
const MEANINGFUL_SECONDS = 0.1;

const PREPARING: RunSnapshot = {
  phase: 'preparing',
  offered: 0,
  delivered: 0,
  dropped: 0,
  bytes: 0,
  laps: 0,
  seconds: 0,
  ringDistance: 0,
  ringBytes: 0,
  ringResizes: 0,
  failedReaders: 0,
};

/** Throws ModelTError when the plan cannot start whatever the device; the rest comes with the outcome. */
export function startGpuReplay(trace: Trace, plan: ReplayPlan, machine: Machine, watch: Watch): ReplayRun {
  const { gpu } = plan;
  if (gpu === null) throw new ModelTError('PLAN_BROKEN', 'A plan for the WebGPU engine lacks its GPU part', 2, 'Plan it again');
  const kernel = gpu.kernel === null ? null : readKernel(gpu.kernel);
  const run = new GpuReplay(trace, plan, gpu, machine, kernel, watch);
  run.outcome.catch(() => {}); /* a caller that aborts and looks no further is not an unhandled rejection */
  return run;
}

function readKernel(path: string): UserKernel {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ModelTError('KERNEL_UNREADABLE', `${path} cannot be read: ${code}`, 2, 'Name a WGSL file');
  }
  return userKernel(text, path);
}

class GpuReplay implements ReplayRun {
  readonly outcome: Promise<RunOutcome>;
  readonly #trace: Trace;
  readonly #plan: ReplayPlan;
  readonly #gpu: GpuPlan;
  readonly #machine: Machine;
  readonly #kernel: UserKernel | null;
  /** As long as the run: native threads read their memory until then. */
  #staging: readonly GPUBuffer[] = [];
  #launched: Launched | null = null;
  #giveUp: (error: ModelTError) => void = () => {};
  readonly #givenUp = new Promise<never>((_, reject) => {
    this.#giveUp = reject;
  });
  #isWanted = true;

  constructor(
    trace: Trace,
    plan: ReplayPlan,
    gpu: GpuPlan,
    machine: Machine,
    kernel: UserKernel | null,
    private readonly watch: Watch,
  ) {
    this.#trace = trace;
    this.#plan = plan;
    this.#gpu = gpu;
    this.#machine = machine;
    this.#kernel = kernel;
    this.#givenUp.catch(() => {});
    this.outcome = this.#run();
  }

  snapshot(): RunSnapshot {
    return this.#launched?.snapshot() ?? PREPARING;
  }

  stop(): void {
    this.#isWanted = false;
    this.#launched?.native.stop();
  }

  abort(): void {
    this.#isWanted = false;
    this.#launched?.abort();
    /* Nothing stops a kernel that runs: after a while it is left to itself. */
    const error = new ModelTError('ABORTED', 'Aborted before everything was drained; there is no result', 130);
    setTimeout(() => this.#giveUp(error), PATIENCE_MS).unref();
  }

  async #run(): Promise<RunOutcome> {
    const open = await openDevice({ choice: this.#gpu.choice, robust: this.#gpu.checked });
    let failure: ModelTError | null = null;
    open.onFailure((error) => {
      failure = error;
      this.#launched?.native.fail(error.message);
    });
    const running = this.#runOn(open);
    try {
      return await Promise.race([running, this.#givenUp]);
    } catch (error) {
      /* What the device said explains the rest: pending maps are rejected without a word. */
      if (failure) throw failure;
      throw error instanceof ModelTError ? error : deviceError(error, 'Running on the GPU');
    } finally {
      await closeWhenIdle(open, running);
    }
  }

  async #runOn(open: OpenDevice): Promise<RunOutcome> {
    const trace = this.#deviceImage();
    const isWanted = (): boolean => this.#isWanted;
    const prepared = await prepare({
      open,
      trace,
      plan: this.#plan,
      gpu: this.#gpu,
      machine: this.#machine,
      kernel: this.#kernel,
      isWanted,
    });
    const staging = await createStaging(open.device, prepared.batch.batchBytes, prepared.batch.buffers);
    this.#staging = staging;
    this.#refuseStopped();
    const launched = await this.#launch(trace, prepared);
    const streaming = this.#stream(launched.native, prepared);
    streaming.catch(() => {});
    try {
      return await launched.finish(async ({ error, hostCopiedBytes }) => {
        const told = await streaming;
        if (error === '') {
          const perLap = prepared.tiles === 1 ? trace.shape().packets : null;
          const report = await this.#inTime(readReport(open, prepared.pipelines));
          refuseReport(report, this.#gpu.kernel, perLap);
        }
        const gpu = describe(open, prepared, this.#gpu, { ...told, hostCopiedBytes });
        return { name: 'webgpu', isa: this.#plan.isa, threads: this.#plan.threads, gpu };
      });
    } finally {
      /* Native writers use memory that goes with the device. */
      await streaming.catch(() => {});
      await prepared.feed.settle();
    }
  }

  /** The device may be busy with batches that nobody wants any more. */
  async #inTime<Value>(wanted: Promise<Value>): Promise<Value> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `The GPU was still busy ${LAST_BATCH_SECONDS} seconds after the end of the run`;
      const error = new ModelTError(
        'GPU_HUNG',
        message,
        this.#isWanted ? 4 : 130,
        'Use a smaller --batch, or a kernel that takes less time',
      );
      timer = setTimeout(() => reject(error), 1000 * LAST_BATCH_SECONDS);
    });
    wanted.catch(() => {}); /* when it comes too late */
    return await Promise.race([wanted, late]).finally(() => clearTimeout(timer));
  }

  #deviceImage(): NativeDeviceImage {
    try {
      return new (replayNative().DeviceImage)(nativeOf(this.#trace), mutationConfig(this.#plan));
    } catch (error) {
      throw new ModelTError('RUN_IMPOSSIBLE', error instanceof Error ? error.message : String(error), 2, 'Use --engine native');
    }
  }

  #refuseStopped(): void {
    if (this.#isWanted) return;
    throw new ModelTError('INTERRUPTED', 'Interrupted while the GPU was set up; nothing was replayed', 130);
  }

  async #launch(device: NativeDeviceImage, prepared: Prepared): Promise<Launched> {
    const memory = await mapStaging(this.#staging);
    this.#refuseStopped();
    const launched = launch(this.#trace, this.#trace.info(), this.#plan, this.#machine, {
      ...this.watch,
      gpu: {
        device,
        insert: this.#gpu.insert,
        staging: memory,
        batchBytes: prepared.batch.batchBytes,
        streamed: prepared.wholeTiles,
      },
    });
    unmapStaging(this.#staging);
    this.#launched = launched;
    return launched;
  }

  async #stream(run: NativeRun, prepared: Prepared): Promise<Told> {
    const before = threadSeconds();
    const start = performance.now();
    try {
      const { batches } = await stream({ run, feed: prepared.feed, staging: this.#staging });
      const used = threadSeconds();
      const seconds = (performance.now() - start) / 1000;
      return {
        batches,
        threadShare: before === null || used === null || seconds < MEANINGFUL_SECONDS ? null : (used - before) / seconds,
      };
    } catch (error) {
      run.fail(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }
}

type Told = Pick<GpuOutcome, 'batches' | 'threadShare'>;

function describe(
  open: OpenDevice,
  prepared: Prepared,
  gpu: GpuPlan,
  told: Told & Pick<GpuOutcome, 'hostCopiedBytes'>,
): GpuOutcome {
  const { adapter, why } = open;
  const { batch, pipelines, stopwatch, laps, tiles, streamed, tuning } = prepared;
  return {
    adapter: adapter.name,
    kind: adapter.kind,
    driver: adapter.driver,
    why,
    insert: gpu.insert,
    ...batch,
    ...pipelines.shape,
    checked: gpu.checked,
    laps,
    tiles,
    streamed,
    tuning,
    ...told,
    timed: { ...stopwatch.sums },
  };
}

/**
 * Closing a device waits for what runs on it, with the thread stopped: a device that is busy for longer than a moment is closed when
 * it has become idle, or left to the end of the process.
 */
async function closeWhenIdle(open: OpenDevice, running: Promise<unknown>): Promise<void> {
  const ignore = (): void => {};
  const closed = running
    .catch(ignore)
    .then(() => open.device.queue.onSubmittedWorkDone())
    .catch(ignore)
    .then(() => open.close());
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([closed, patience]);
  clearTimeout(timer);
}
