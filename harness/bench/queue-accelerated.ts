/**
 * The queue experiment for pipelines that span processors: the device runs its steps over the whole queue, in batches, then the
 * CPU runs the rest over the rows that go on. One after the other: nothing overlaps. What differs from the same pipeline in scalar
 * bodies on the CPU gives an error and no figures.
 */
import { WIRE_OVERHEAD_BYTES } from '../../replay/index.js';
import {
  type Accelerator,
  type DeviceProgram,
  type DeviceResult,
  hostReference,
  type InstructionSet,
  ModelTError,
  type NativePackets,
  type NativeQueueResult,
  type Pipeline,
  type PipelinePlan,
  packetsAt,
  parsePipeline,
  planPipeline,
  programOf,
  rowsThatGoOn,
  shareOut,
  verdictCounts,
} from '../../stack/index.js';
import { type TimeStampClock, timeStampClock } from '../accelerator-costs.js';
import type { Context } from '../context.js';
import { usageError } from '../units.js';
import { queueInMemory } from './queue-packets.js';
import { lookAt, type Seen } from './queue-rows.js';
import { END_READS, type QueuePoint, type QueueSample } from './queue-sample.js';

/** Rows are compared one by one. */
const MOST_PACKETS = 2 ** 20;

/** What the device did; times are nanoseconds for each packet of the queue. */
export interface DeviceShare {
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly steps: number;
  readonly batches: number;
  /** Rows that go on to the CPU. */
  readonly rows: number;
  readonly uploadNs: number;
  readonly kernelsNs: number;
  readonly readBackNs: number;
  /** All of its part, with what lies between the three and finding the rows that go on. */
  readonly totalNs: number;
  /** By the device's own clock, for each step; null = it has none. */
  readonly stepsNs: readonly number[] | null;
  /** The CPU's part. */
  readonly hostNs: number;
}

interface Parts {
  readonly pipeline: Pipeline;
  readonly plan: PipelinePlan;
  /** In scalar bodies, nothing fused; the device's steps still as the device's. */
  readonly scalar: PipelinePlan;
  readonly stateless: boolean;
}

/** As measureQueue(). */
export async function measureAccelerated(point: QueuePoint, set: NativePackets, context: Context): Promise<QueueSample> {
  if (point.cores.length > 1) throw usageError('--cores: one accelerator has one queue', 'Name one core, or leave out @wgsl');
  if (point.packets > MOST_PACKETS) {
    const remedy = `Use at most ${MOST_PACKETS}: rows are compared one by one`;
    throw usageError(`--packets ${point.packets} is too many for a pipeline that spans processors`, remedy);
  }
  const parts = partsOf(point, context);
  const queue = queueInMemory(set, point.packets, point.stride);
  const accelerator = await context.replay.openAccelerator({ choice: point.gpu ?? 'auto' });
  try {
    const program = await accelerator.load(shareOut(parts.plan.records).device);
    const first = await program.run(queue);
    const seen = check(parts, point, queue, first, context);
    const device = await timeDevice(program, queue, first, point.seconds / 2);
    const rows = packetsAt(queue, rowsThatGoOn(first));
    const host = await timeHost(parts, point, rows, context);
    return sampleOf(point, parts, {
      queue,
      accelerator,
      device,
      host,
      seen,
      rows: rows.lengths.length,
      clock: await timeStampClock(context),
    });
  } finally {
    accelerator.close();
  }
}

function partsOf(point: QueuePoint, context: Context): Parts {
  const pipeline = parsePipeline(point.pipeline);
  const isas = context.native.cpuIsas() as InstructionSet[];
  const common = { isas, placement: 'fused', memoryWritable: false, endReads: END_READS, accelerator: true } as const;
  return {
    pipeline,
    plan: planPipeline(pipeline, { ...common, fuse: point.fuse, ...(point.isa && { isa: point.isa }) }),
    scalar: planPipeline(pipeline, { ...common, fuse: false, isa: 'scalar' }),
    stateless: pipeline.steps.every(({ operation }) => operation.state === 'none'),
  };
}

/** One lap on both sides: verdicts of every step, and the rows that reach the end with their classes. */
function check(
  { pipeline, plan, scalar, stateless }: Parts,
  { pipeline: text }: QueuePoint,
  queue: NativePackets,
  result: DeviceResult,
  { native }: Context,
): Seen {
  const options = { stateless, needs: plan.needs };
  const { records, places } = hostReference(scalar.records);
  const all = lookAt(native, { ...options, program: programOf(records, END_READS), packets: queue, rows: null });
  const expected = places.map((place) => all.verdicts[place] ?? []);
  const { device, host } = shareOut(plan.records);
  const rows = rowsThatGoOn(result);
  const rest = lookAt(native, { ...options, program: programOf(host, END_READS), packets: packetsAt(queue, rows), rows });
  const names = pipeline.steps.map(({ operation }) => operation.verdicts);
  const found = [...verdictCounts(result, names.slice(0, device.length)), ...rest.verdicts];
  const wrong = pipeline.steps.findIndex((_, step) =>
    (names[step] ?? []).some((_, verdict) => (found[step]?.[verdict] ?? 0) !== (expected[step]?.[verdict] ?? 0)),
  );
  const problem =
    wrong >= 0
      ? `verdicts of '${pipeline.steps[wrong]?.text}' differ from the scalar reference`
      : rest.digest !== all.digest
        ? 'other rows reach the end, or with other classes, than in the scalar reference'
        : '';
  if (problem !== '') {
    const remedy = 'Do not use this pipeline there; leave out @wgsl, and report it';
    throw new ModelTError('QUEUE_WRONG', `'${text}' over ${queue.lengths.length} packets: ${problem}`, 4, remedy);
  }
  return { verdicts: found, digest: all.digest };
}

interface DeviceTimes extends Omit<DeviceResult, 'results' | 'sums'> {
  /** Mean of the laps, with the choice of rows. */
  readonly total: number;
  readonly laps: number;
}

/** Laps until the time is up, each with the results of the first; it was the warm-up. */
async function timeDevice(
  program: DeviceProgram,
  queue: NativePackets,
  first: DeviceResult,
  seconds: number,
): Promise<DeviceTimes> {
  const sum = { upload: 0, kernels: 0, readBack: 0, steps: first.seconds.steps?.map(() => 0) ?? null };
  const start = performance.now();
  let total = 0;
  let laps = 0;
  do {
    const begin = performance.now();
    const result = await program.run(queue);
    packetsAt(queue, rowsThatGoOn(result));
    total += (performance.now() - begin) / 1000;
    laps++;
    for (const part of ['upload', 'kernels', 'readBack'] as const) sum[part] += result.seconds[part];
    sum.steps = sum.steps?.map((spent, step) => spent + (result.seconds.steps?.[step] ?? 0)) ?? null;
    if (Buffer.compare(bytesOf(result.results), bytesOf(first.results)) !== 0) {
      const remedy = 'Do not use this device; look at model-t doctor';
      throw new ModelTError('QUEUE_WRONG', 'The device gave two results for the same packets', 4, remedy);
    }
  } while (performance.now() - start < seconds * 1000);
  const mean = (value: number): number => value / laps;
  const { upload, kernels, readBack, steps } = sum;
  return {
    batches: first.batches,
    seconds: { upload: mean(upload), kernels: mean(kernels), readBack: mean(readBack), steps: steps?.map(mean) ?? null },
    total: mean(total),
    laps,
  };
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** The queue experiment over the rows that go on; null = nothing is left to do. */
async function timeHost(
  parts: Parts,
  point: QueuePoint,
  rows: NativePackets,
  { native }: Context,
): Promise<NativeQueueResult | null> {
  const { host } = shareOut(parts.plan.records);
  if (host.length === 0 || rows.lengths.length === 0) return null;
  const result = await native.runQueue({
    program: programOf(host, END_READS),
    reference: programOf(shareOut(parts.scalar.records).host, END_READS),
    isa: point.isa ?? native.cpuIsas().at(-1) ?? 'scalar',
    packets: rows,
    count: BigInt(rows.lengths.length),
    stride: point.stride,
    cpus: point.cores,
    seconds: point.seconds / 2,
    stateless: parts.stateless,
    fresh: parts.pipeline.steps.some(({ operation }) => operation.expands),
    readsOnly: false,
  });
  if (result.problem === '') return result;
  throw new ModelTError('QUEUE_WRONG', `'${point.pipeline}' on the CPU: ${result.problem}`, 4, 'Try --isa scalar, and report it');
}

interface Measured {
  readonly queue: NativePackets;
  readonly accelerator: Accelerator;
  readonly device: DeviceTimes;
  readonly host: NativeQueueResult | null;
  readonly seen: Seen;
  readonly rows: number;
  readonly clock: TimeStampClock;
}

function sampleOf(point: QueuePoint, parts: Parts, measured: Measured): QueueSample {
  const { queue, accelerator, device, host, seen, rows, clock } = measured;
  const packets = queue.lengths.length;
  const core = host?.cores[0];
  const hostLap = core ? core.seconds / core.laps : 0;
  const packetsPerSecond = packets / (device.total + hostLap);
  const bytes = queue.lengths.reduce((sum, length) => sum + length, 0);
  const perPacket = (seconds: number): number => (seconds * 1e9) / packets;
  const cyclesPerPacket = clock.hertz / packetsPerSecond;
  const steps = shareOut(parts.plan.records).device.length;
  const { upload, kernels, readBack } = device.seconds;
  const share: DeviceShare = {
    adapter: accelerator.name,
    isSoftware: accelerator.isSoftware,
    steps,
    batches: device.batches,
    rows,
    uploadNs: perPacket(upload),
    kernelsNs: perPacket(kernels),
    readBackNs: perPacket(readBack),
    totalNs: perPacket(device.total),
    stepsNs: device.seconds.steps?.map(perPacket) ?? null,
    hostNs: perPacket(hostLap),
  };
  const cyclesOf = (step: number): number =>
    step < steps ? ((share.stepsNs?.[step] ?? 0) / 1e9) * clock.hertz : (host?.steps[step - steps]?.cyclesPerPacket ?? 0);
  return {
    ...point,
    queueBytes: queue.bytes.length,
    seconds: device.total * device.laps + (core?.seconds ?? 0),
    packetsPerSecond,
    bitsPerSecond: (bytes / packets) * 8 * packetsPerSecond,
    wireBitsPerSecond: (bytes / packets + WIRE_OVERHEAD_BYTES) * 8 * packetsPerSecond,
    cyclesPerPacket,
    coreCyclesPerPacket: cyclesPerPacket * clock.clock,
    digest: seen.digest.toString(16).padStart(16, '0'),
    device: share,
    operations: parts.plan.choices.map(({ text, variant, pass }, step) => {
      const names = parts.pipeline.steps[step]?.operation.verdicts ?? [];
      const counted = names.map((name, verdict) => [name, seen.verdicts[step]?.[verdict] ?? 0] as const);
      const verdicts = Object.fromEntries(counted.filter(([, count]) => count > 0));
      return { name: text, variant, pass, cyclesPerPacket: cyclesOf(step), verdicts };
    }),
  };
}
