/** The WebGPU engine's part of a plan: defaults, and refusals of what a GPU cannot run, with the reason. Pure; called by plan.ts. */
import { ModelTError } from '../stack/index.js';
import type { GpuPlan, GpuRequest, ReplayRequest, ReplayTarget, Unchosen } from './plan-types.js';

const MIB = 2 ** 20;
/** Below, a batch is over before the next is encoded (40 to 60 us); above, one batch outgrows every cache there is. */
export const MIN_BATCH_BYTES = 64 * 1024;
export const MAX_BATCH_BYTES = 256 * MIB;
/** Staging buffers are regions of the ring: it has 16, and one is its own. */
export const MAX_BUFFERS = 8;
/** One tile, or two when it streams, must fit. */
const MIN_MEMORY_BYTES = MIB;

/** As the command line calls them. */
const FLAGS: Readonly<Record<keyof GpuRequest, string>> = {
  choice: '--gpu',
  insert: '--insert',
  batchBytes: '--batch',
  buffers: '--buffers',
  memoryBytes: '--gpu-memory',
  kernel: '--kernel',
  checked: '--checked',
};

function refuse(code: string, message: string, remedy: string): never {
  throw new ModelTError(code, message, 2, remedy);
}

export function planGpu(request: ReplayRequest, target: ReplayTarget): GpuPlan | null {
  const gpu = request.gpu ?? {};
  if (request.engine !== 'webgpu') {
    const given = Object.entries(gpu).find(([, value]) => value !== undefined);
    if (given) {
      const flag = FLAGS[given[0] as keyof GpuRequest];
      refuse('GPU_UNUSED', `${flag} is for the WebGPU engine, and this run is native`, 'Use --engine webgpu, or leave it out');
    }
    return null;
  }
  return {
    choice: gpu.choice ?? 'auto',
    insert: gpu.insert ?? (target.kind === 'ring' ? 'pull' : 'push'),
    batchBytes: gpu.batchBytes ?? null,
    buffers: gpu.buffers ?? null,
    memoryBytes: gpu.memoryBytes ?? null,
    kernel: gpu.kernel ?? null,
    checked: gpu.checked ?? gpu.kernel !== undefined,
  };
}

function refuseNumbers(gpu: GpuPlan): void {
  const { batchBytes, buffers, memoryBytes } = gpu;
  if (batchBytes !== null && !(batchBytes >= MIN_BATCH_BYTES && batchBytes <= MAX_BATCH_BYTES && batchBytes % 64 === 0)) {
    refuse('BATCH_SIZE', `--batch ${batchBytes} is not from 64 KiB to 256 MiB, or no multiple of 64`, 'Use for example 4MiB');
  }
  if (buffers !== null && !(Number.isInteger(buffers) && buffers >= 1 && buffers <= MAX_BUFFERS)) {
    refuse('BUFFERS', `--buffers ${buffers} is not a whole number from 1 to ${MAX_BUFFERS}`, 'Use for example 3');
  }
  if (memoryBytes !== null && !(memoryBytes >= MIN_MEMORY_BYTES)) {
    refuse('GPU_MEMORY', `--gpu-memory ${memoryBytes} is less than 1 MiB`, 'Use for example 512MiB');
  }
}

/** What a GPU cannot run, and why. */
export function refuseGpuConflicts(plan: Unchosen, request: ReplayRequest): void {
  if (plan.gpu === null) return;
  refuseNumbers(plan.gpu);
  if (plan.inputs.includes('-')) {
    refuse(
      'GPU_LIVE',
      'The WebGPU engine needs the whole trace before it starts, and standard input may never end',
      'Save the stream to a file',
    );
  }
  if (plan.payload === 'resident') {
    refuse(
      'GPU_RESIDENT',
      '--payload resident: the WebGPU engine moves every byte from the device each lap',
      'Use --payload copy',
    );
  }
  if (plan.threads > 1) {
    refuse('GPU_THREADS', `--threads ${plan.threads}: the WebGPU engine fills a ring with one thread`, 'Leave --threads out');
  }
  if (plan.gpu.insert === 'push' && plan.target.kind === 'ring') {
    refuse('PUSH_NAMED', '--insert push: another process cannot reach staging memory of this one', 'Use --insert pull');
  }
  if (plan.gpu.insert === 'push' && plan.readerPolicy === 'drop') {
    refuse('PUSH_DROP', '--reader drop: staging memory waits for its readers', 'Use --insert pull, or another policy');
  }
  if (request.ringBytes !== undefined && request.ringBytes !== 'auto' && plan.gpu.insert === 'push') {
    refuse(
      'RING_UNUSED',
      '--ring-size has no effect with --insert push, where packets stay in staging memory',
      'Use --batch and --buffers',
    );
  }
}
