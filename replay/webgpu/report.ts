/** What kernels say about themselves at the end of a run: accesses out of bounds, and loops that were cut short. For gpu-run.ts. */
import { ModelTError } from '../../stack/index.js';
import type { OpenDevice } from './dawn.js';
import { deviceError } from './device-errors.js';
import { guarded } from './guarded.js';
import { REPORT, REPORT_BYTES } from './kernels.js';
import type { Pipelines } from './pipelines.js';

const MAP_READ_COPY_DST = 0x1 | 0x8;
const MAP_MODE_READ = 1;

export interface KernelReport {
  readonly storesOutOfBounds: number;
  readonly packetsOutOfBudget: number;
  /** Index in its tile; -1 = none. */
  readonly firstOutOfBudget: number;
}

export async function readReport({ device }: OpenDevice, pipelines: Pipelines): Promise<KernelReport> {
  const buffer = await guarded(device, 'a buffer for the report of the kernels', () => {
    const target = device.createBuffer({ label: 'report', size: REPORT_BYTES, usage: MAP_READ_COPY_DST });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(pipelines.report, 0, target, 0, REPORT_BYTES);
    device.queue.submit([encoder.finish()]);
    return target;
  });
  try {
    await buffer.mapAsync(MAP_MODE_READ);
  } catch (error) {
    throw deviceError(error, 'Reading the report of the kernels');
  }
  const words = new Uint32Array(buffer.getMappedRange());
  const report = {
    storesOutOfBounds: words[REPORT.storesOutOfBounds] ?? 0,
    packetsOutOfBudget: words[REPORT.packetsOutOfBudget] ?? 0,
    firstOutOfBudget: (words[REPORT.firstOutOfBudget] ?? 0) - 1,
  };
  buffer.destroy();
  return report;
}

/**
 * A run whose kernels went wrong is no result. Throws ModelTError (exit code 4). `packetsPerLap`: null where a place in a tile is
 * no place in a lap.
 */
export function refuseReport(report: KernelReport, kernel: string | null, packetsPerLap: number | null): void {
  if (report.storesOutOfBounds > 0) {
    throw new ModelTError(
      'KERNEL_BOUNDS',
      `${report.storesOutOfBounds} stores of the kernels were out of bounds`,
      4,
      'Use --engine native, and report this',
    );
  }
  if (report.packetsOutOfBudget > 0) {
    const first = packetsPerLap === null ? '' : `, first where packet.index is ${report.firstOutOfBudget % packetsPerLap}`;
    throw new ModelTError(
      'KERNEL_ENDLESS',
      `${kernel ?? 'The kernel'}: loops ran too long and were cut short for at least ${report.packetsOutOfBudget} packet(s)${first}`,
      4,
      'A packet may take 65536 rounds of loops in all; mend the loop',
    );
  }
}
