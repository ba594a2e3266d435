/**
 * Steps of a pipeline, compiled for one device, and run over packets batch by batch: upload, one dispatch per step, read back.
 * The parts are waited for one by one, so that each has a time of its own. Called by accelerator.ts.
 */
import {
  type DeviceProgram,
  type DeviceResult,
  type DeviceStep,
  ModelTError,
  type NativePackets,
  verdictShift,
} from '../../stack/index.js';
import { type Batch, cutBatches, fillBatch } from './accelerator-batches.js';
import { BatchBuffers, RESULT_BYTES } from './accelerator-buffers.js';
import { type BatchBinding, type StepKernel, SUM_WORDS, stepKernel } from './accelerator-kernels.js';
import type { OpenDevice } from './dawn.js';
import { deviceError } from './device-errors.js';
import { IMMEDIATE_BYTES } from './kernels.js';
import { compileStage, type Stage } from './pipelines.js';
import { calmPump } from './pump.js';

/** SwiftShader takes 128 to 256 alike; packets per invocation are each kernel's own. */
const SHAPE = { workgroupSize: 128, packetsPerInvocation: 1 };

interface LoadedStep {
  readonly stage: Stage<BatchBinding>;
  readonly parameter: number;
  readonly hasSums: boolean;
}

/** Throws ModelTError for steps that no kernel runs or that do not compile. */
export async function compileProgram(open: OpenDevice, steps: readonly DeviceStep[], batchBytes: number): Promise<DeviceProgram> {
  const release = calmPump(open.adapter.kind === 'software');
  try {
    const loaded: LoadedStep[] = [];
    for (const step of steps) {
      const kernel: StepKernel = stepKernel(step, open.adapter.kind === 'software');
      const stage = await compileStage(open.device, kernel, SHAPE);
      loaded.push({ stage, parameter: step.parameter, hasSums: kernel.hasSums });
    }
    return new Program(open, loaded, batchBytes);
  } finally {
    release();
  }
}

class Program implements DeviceProgram {
  readonly #open: OpenDevice;
  readonly #steps: readonly LoadedStep[];
  readonly #limits: { readonly bytes: number; readonly packets: number };
  #failure: ModelTError | null = null;
  #buffers: BatchBuffers | null = null;
  #fail: ((error: ModelTError) => void) | null = null;
  #running = false;

  constructor(open: OpenDevice, steps: readonly LoadedStep[], batchBytes: number) {
    this.#open = open;
    this.#steps = steps;
    const { maxStorageBufferBindingSize, maxBufferSize, maxComputeWorkgroupsPerDimension } = open.device.limits;
    const bytes = Math.min(batchBytes, maxStorageBufferBindingSize, maxBufferSize) & ~3;
    const packets = Math.min(maxComputeWorkgroupsPerDimension * SHAPE.workgroupSize, Math.max(1, Math.floor(bytes / 8)));
    this.#limits = { bytes, packets };
    open.onFailure((error) => {
      this.#failure = error;
      this.#fail?.(error);
    });
  }

  async run(packets: NativePackets): Promise<DeviceResult> {
    if (this.#failure) throw this.#failure;
    if (this.#running) throw new RangeError('a device program runs once at a time');
    this.#running = true;
    const release = calmPump(this.#open.adapter.kind === 'software');
    /* A lost device does not answer: its loss does. */
    const lost = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    lost.catch(() => {});
    try {
      return await Promise.race([this.#batches(packets), lost]);
    } catch (error) {
      throw error instanceof ModelTError ? error : (this.#failure ?? deviceError(error, 'A batch'));
    } finally {
      this.#fail = null;
      this.#running = false;
      release();
    }
  }

  close(): void {
    this.#buffers?.destroy();
    this.#buffers = null;
  }

  async #batches(packets: NativePackets): Promise<DeviceResult> {
    const batches = cutBatches(packets, this.#limits);
    const results = new Uint32Array(packets.lengths.length);
    const sums = this.#steps.map(({ hasSums }) => (hasSums ? new Array<bigint>(SUM_WORDS).fill(0n) : null));
    const seconds = { upload: 0, kernels: 0, readBack: 0, steps: this.#steps.map(() => 0) };
    let timed = true;
    if (batches.length > 0) await this.#makeRoom(batches);
    for (const batch of batches) {
      const buffers = this.#buffers as BatchBuffers;
      const start = performance.now();
      buffers.upload(packets, batch, fillBatch);
      await this.#open.device.queue.onSubmittedWorkDone();
      const uploaded = performance.now();
      this.#dispatch(buffers, batch);
      await this.#open.device.queue.onSubmittedWorkDone();
      const done = performance.now();
      const found = await buffers.readBack(batch.count);
      if (this.#failure) throw this.#failure;
      results.set(found.results, batch.first);
      sums.forEach((sum, step) => {
        sum?.forEach((before, verdict) => {
          sum[verdict] = before + BigInt(found.sums[step * SUM_WORDS + verdict] ?? 0);
        });
      });
      seconds.upload += (uploaded - start) / 1000;
      seconds.kernels += (done - uploaded) / 1000;
      seconds.readBack += (performance.now() - done) / 1000;
      timed &&= found.stepSeconds !== null;
      for (const [step, spent] of (found.stepSeconds ?? []).entries()) seconds.steps[step] = (seconds.steps[step] ?? 0) + spent;
    }
    return { results, sums, batches: batches.length, seconds: { ...seconds, steps: timed ? seconds.steps : null } };
  }

  /** Buffers as large as the largest batch needs; the same ones for every run that they suffice for. */
  async #makeRoom(batches: readonly Batch[]): Promise<void> {
    const bytes = Math.max(...batches.map((batch) => batch.bytes));
    const packets = Math.max(...batches.map(({ count }) => count));
    if (this.#buffers && this.#buffers.bytes >= bytes && this.#buffers.packets >= packets) return;
    this.close();
    this.#buffers = await BatchBuffers.make(this.#open, { bytes, packets }, this.#steps);
  }

  #dispatch(buffers: BatchBuffers, { count }: Batch): void {
    const { device } = this.#open;
    const encoder = device.createCommandEncoder();
    this.#steps.forEach(({ stage, parameter }, step) => {
      const { workgroupSize, packetsPerInvocation } = stage.shape;
      const groups = Math.ceil(count / (workgroupSize * packetsPerInvocation));
      const immediates = new Uint32Array(IMMEDIATE_BYTES / RESULT_BYTES);
      immediates.set([0, count, groups * workgroupSize, verdictShift(step), parameter, step * SUM_WORDS]);
      const stamps = buffers.stampsOf(step);
      const pass = encoder.beginComputePass(stamps ? { timestampWrites: stamps } : {});
      pass.setPipeline(stage.pipeline);
      pass.setBindGroup(0, buffers.bindingsOf(step));
      pass.setImmediates(0, immediates);
      pass.dispatchWorkgroups(groups);
      pass.end();
    });
    device.queue.submit([encoder.finish()]);
  }
}
