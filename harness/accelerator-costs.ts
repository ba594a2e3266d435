/**
 * What steps cost on an accelerator, in the planner's currency: time-stamp cycles of this CPU per packet that go by while the
 * device runs the step's kernel. Uploads and reading back are not in it: steps share them. Opens a device, and closes it.
 */
import {
  type Calibrate,
  DEVICE_VARIANT,
  type DeviceStep,
  type NativePackets,
  type Pipeline,
  parsePipeline,
  planPipeline,
  programOf,
} from '../stack/index.js';
import { calibrationPackets, queueInMemory } from './bench/queue-packets.js';
import type { Context } from './context.js';

export interface TimeStampClock {
  /** Of the time-stamp counter. */
  readonly hertz: number;
  /** Core cycles for each of its cycles. */
  readonly clock: number;
}

export interface DeviceCosts {
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly costs: Calibrate;
}

/** So many that starting a kernel does not count: 0.1 ms against 10. */
const PACKETS = 16384;
const LAPS = 3;
const CLOCK_SECONDS = 0.02;

/** How fast time stamps run, by a short run of a pipeline that does nothing. */
export async function timeStampClock({ native }: Pick<Context, 'native'>): Promise<TimeStampClock> {
  const plan = planPipeline(parsePipeline('null'), { isas: ['scalar'], placement: 'fused', memoryWritable: false });
  const program = programOf(plan.records);
  const { cores } = await native.runQueue({
    ...{ program, reference: program, isa: 'scalar', packets: calibrationPackets(), count: 256n, stride: 0 },
    ...{ cpus: [-1], seconds: CLOCK_SECONDS, stateless: true, fresh: false, readsOnly: false },
  });
  const { cycles = 0, seconds = 1, clock = 1 } = cores[0] ?? {};
  return { hertz: cycles / seconds, clock };
}

/** Measures every step that has a body for accelerators. Throws ModelTError when there is no device, or it fails. */
export async function measureDeviceCosts(pipeline: Pipeline, choice: string, context: Context): Promise<DeviceCosts> {
  const accelerator = await context.replay.openAccelerator({ choice });
  try {
    const { hertz } = await timeStampClock(context);
    const packets = queueInMemory(calibrationPackets(), PACKETS, 0);
    const observed = new Map<string, number | null>();
    for (const { operation, parameter, data } of pipeline.steps) {
      if (!operation.variants.some(({ name }) => name === DEVICE_VARIANT)) continue;
      const step: DeviceStep = { operation: operation.name, parameter, data };
      const program = await accelerator.load([step]);
      observed.set(keyOf(step), await cyclesPerPacket(program, packets, hertz));
      program.close();
    }
    const costs: Calibrate = (before, { name, variant, parameter, data, ...record }) =>
      variant === DEVICE_VARIANT
        ? (observed.get(keyOf({ operation: name, parameter, data })) ?? null)
        : (context.calibrate?.(before, { name, variant, parameter, data, ...record }) ?? null);
    return { adapter: accelerator.name, isSoftware: accelerator.isSoftware, costs };
  } finally {
    accelerator.close();
  }
}

function keyOf({ operation, parameter, data }: DeviceStep): string {
  return `${operation} ${parameter} ${data ? Buffer.from(data).toString('base64') : ''}`;
}

type Loaded = Awaited<ReturnType<Awaited<ReturnType<Context['replay']['openAccelerator']>>['load']>>;

/** The best lap: what disturbs a measurement only ever makes it slower. */
async function cyclesPerPacket(program: Loaded, packets: NativePackets, hertz: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let lap = 0; lap < LAPS; lap++) {
    const { seconds } = await program.run(packets);
    best = Math.min(best, seconds.steps?.[0] ?? seconds.kernels);
  }
  return (best * hertz) / packets.lengths.length;
}
