/**
 * The stack's accelerator interface (stack/accelerator.ts) on Dawn: a device that runs the first steps of pipelines over batches
 * of packets. Opened by commands, through the door; at most one run at a time.
 *
 *   openAccelerator -> load: accelerator-kernels.ts -> run: accelerator-batches.ts -> accelerator-program.ts, batch by batch
 */
import type { Accelerator, DeviceProgram, DeviceStep } from '../../stack/index.js';
import { compileProgram } from './accelerator-program.js';
import { type OpenDevice, openDevice } from './dawn.js';

export interface AcceleratorOptions {
  /** As `--gpu` takes it: `hardware`, `software`, `auto`, or part of an adapter's name. */
  readonly choice: string;
  /** Bounds checks in kernels, which check every length themselves; default false. */
  readonly checked?: boolean;
  /** Bytes of a batch, at most; what the device can bind is the limit in any case. */
  readonly batchBytes?: number;
}

/** A software device reads what the upload left in the CPU's caches; a real one is started as seldom as possible. */
const BATCH_BYTES = { software: 8 * 2 ** 20, hardware: 64 * 2 ** 20 };

/** Throws ModelTError (exit code 3) when there is no such adapter. */
export async function openAccelerator({ choice, checked = false, batchBytes }: AcceleratorOptions): Promise<Accelerator> {
  const open = await openDevice({ choice, robust: checked });
  const isSoftware = open.adapter.kind === 'software';
  return new DawnAccelerator(open, isSoftware, batchBytes ?? BATCH_BYTES[isSoftware ? 'software' : 'hardware']);
}

class DawnAccelerator implements Accelerator {
  readonly name: string;
  readonly why: string;
  readonly #programs: DeviceProgram[] = [];

  constructor(
    private readonly open: OpenDevice,
    readonly isSoftware: boolean,
    private readonly batchBytes: number,
  ) {
    this.name = open.adapter.name;
    this.why = open.why;
  }

  async load(steps: readonly DeviceStep[]): Promise<DeviceProgram> {
    const program = await compileProgram(this.open, steps, this.batchBytes);
    this.#programs.push(program);
    return program;
  }

  close(): void {
    for (const program of this.#programs.splice(0)) program.close();
    this.open.close();
  }
}
