/**
 * A replay by the WebGPU engine, from plan to outcome: open a device, put the trace on it, find out what it does best, stream,
 * report. The native side of the run (ring, readers, verification) is the same as the native engine's (launch.ts).
 *
 *   set-up: openDevice -> DeviceImage -> tiles, tables (layout.ts) -> tune -> staging    run: launch + stream    end: report, close
 *
 * Called by run.ts.
 */
import { readFileSync } from 'node:fs';
import { type Machine, ModelTError } from '../../stack/index.js';
import { type Launched, launch, mutationConfig } from '../launch.js';
import { type NativeDeviceImage, type NativeRun, replayNative } from '../native-run.js';
import type { GpuOutcome, GpuPlan, ReplayPlan, RunOutcome, RunSnapshot } from '../plan-types.js';
import type { ReplayRun } from '../run.js';
import { nativeOf, type Trace } from '../trace.js';
import { type OpenDevice, openDevice } from './dawn.js';
import { type Prepared, prepare } from './prepare.js';
import { readReport, refuseReport } from './report.js';
import { createStaging, mapStaging, unmapStaging } from './staging.js';
import { stream } from './stream.js';
import { threadSeconds } from './thread-time.js';
import { type UserKernel, userKernel } from './user-kernel.js';

const WAITING: RunSnapshot = {
  phase: 'waiting',
  offered: 0,
  delivered: 0,
  dropped: 0,
  bytes: 0,
  laps: 0,
  seconds: 0,
  ringDistance: 0,
  failedReaders: 0,
};

/** Throws ModelTError when the plan cannot start whatever the device; the rest comes with the outcome. */
export function startGpuReplay(trace: Trace, plan: ReplayPlan, machine: Machine): ReplayRun {
  const { gpu } = plan;
  if (gpu === null) throw new ModelTError('PLAN_BROKEN', 'A plan for the WebGPU engine lacks its GPU part', 2, 'Plan it again');
  const kernel = gpu.kernel === null ? null : readKernel(gpu.kernel);
  const run = new GpuReplay(trace, plan, gpu, machine, kernel);
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
  #launched: Launched | null = null;
  #isWanted = true;

  constructor(trace: Trace, plan: ReplayPlan, gpu: GpuPlan, machine: Machine, kernel: UserKernel | null) {
    this.#trace = trace;
    this.#plan = plan;
    this.#gpu = gpu;
    this.#machine = machine;
    this.#kernel = kernel;
    this.outcome = this.#run();
  }

  snapshot(): RunSnapshot {
    return this.#launched?.snapshot() ?? WAITING;
  }

  stop(): void {
    this.#isWanted = false;
    this.#launched?.native.stop();
  }

  abort(): void {
    this.#isWanted = false;
    this.#launched?.abort();
  }

  async #run(): Promise<RunOutcome> {
    const open = await openDevice({ choice: this.#gpu.choice, robust: this.#gpu.checked });
    try {
      return await this.#runOn(open);
    } finally {
      open.close();
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
    this.#refuseStopped();
    const launched = await this.#launch(trace, prepared, staging);
    let failure: ModelTError | null = null;
    open.onFailure((error) => {
      failure = error;
      launched.native.fail(error.message);
    });
    const streaming = this.#stream(launched.native, prepared, staging);
    streaming.catch(() => {});
    try {
      return await launched.finish(async ({ error, hostCopiedBytes }) => {
        if (failure) throw failure;
        const told = await streaming;
        if (error === '') refuseReport(await readReport(open, prepared.pipelines), this.#gpu.kernel);
        const gpu = describe(open, prepared, this.#gpu, { ...told, hostCopiedBytes });
        return { name: 'webgpu', isa: this.#plan.isa, threads: this.#plan.threads, gpu };
      });
    } finally {
      /* Native writers use memory that goes with the device. */
      await streaming.catch(() => {});
      await prepared.feed.settle();
    }
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

  async #launch(device: NativeDeviceImage, prepared: Prepared, staging: readonly GPUBuffer[]): Promise<Launched> {
    const memory = await mapStaging(staging);
    this.#refuseStopped();
    const launched = launch(this.#trace, this.#plan, this.#machine, {
      device,
      insert: this.#gpu.insert,
      staging: memory,
      batchBytes: prepared.batch.batchBytes,
      streamed: prepared.wholeTiles,
    });
    unmapStaging(staging);
    this.#launched = launched;
    return launched;
  }

  async #stream(run: NativeRun, prepared: Prepared, staging: readonly GPUBuffer[]): Promise<Told> {
    const before = threadSeconds();
    const start = performance.now();
    try {
      const { batches } = await stream({ run, feed: prepared.feed, staging });
      const used = threadSeconds();
      const seconds = (performance.now() - start) / 1000;
      return { batches, threadShare: before === null || used === null ? null : (used - before) / seconds };
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
