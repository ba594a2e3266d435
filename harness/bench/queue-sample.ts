/**
 * One point of the queue experiment (paper, III): plan, run, check, and what it comes to in rates and cycles. A run that differs
 * from the scalar reference gives an error and no figures.
 */
import { WIRE_OVERHEAD_BYTES } from '../../replay/index.js';
import {
  type Column,
  type InstructionSet,
  ModelTError,
  type NativePackets,
  type NativeQueueResult,
  type Pipeline,
  type PipelinePlan,
  parsePipeline,
  planPipeline,
  programOf,
} from '../../stack/index.js';
import type { Context } from '../context.js';
import type { DeviceShare } from './queue-accelerated.js';

export interface QueuePoint {
  readonly pipeline: string;
  /** Packets in the queue of each core. */
  readonly packets: number;
  /** Bytes from slot to slot, 0 = packed. */
  readonly stride: number;
  readonly cores: readonly number[];
  readonly seconds: number;
  /** Null = the best. */
  readonly isa: InstructionSet | null;
  readonly fuse: boolean;
  /** Read every byte of the slots instead of running the pipeline. */
  readonly readsOnly: boolean;
  /** As `--gpu` takes it, for steps that run on an accelerator; default auto. */
  readonly gpu?: string;
}

export interface QueueSample {
  readonly pipeline: string;
  readonly packets: number;
  readonly stride: number;
  readonly cores: readonly number[];
  /** Slots of one core's queue. */
  readonly queueBytes: number;
  readonly seconds: number;
  readonly packetsPerSecond: number;
  readonly bitsPerSecond: number;
  readonly wireBitsPerSecond: number;
  /** Time-stamp cycles of one core per packet in the median millisecond, mean of the cores; rates are over all the time. */
  readonly cyclesPerPacket: number;
  /** The same in cycles of the core's own clock, as a chain of additions between the laps measured it. */
  readonly coreCyclesPerPacket: number;
  readonly digest: string;
  /** Of pipelines that span processors. */
  readonly device?: DeviceShare;
  readonly operations: readonly {
    readonly name: string;
    readonly variant: string;
    /** Number of the header pass it is part of; -1 = none. The first of a pass has the cycles of all. */
    readonly pass: number;
    readonly cyclesPerPacket: number;
    readonly verdicts: Readonly<Record<string, number>>;
  }[];
}

/** Rows are compared with their classes where the pipeline ends. */
export const END_READS: readonly Column[] = ['classes'];

/** Throws ModelTError: exit code 2 for what cannot be planned, 3 for what cannot be run here, 4 for a run that was wrong. */
export async function measureQueue(point: QueuePoint, set: NativePackets, context: Context): Promise<QueueSample> {
  const { pipeline: text, packets, stride, cores, seconds, readsOnly } = point;
  const pipeline = parsePipeline(readsOnly ? 'null' : text);
  const isas = context.native.cpuIsas() as InstructionSet[];
  const placement = cores.length > 1 ? 'replicated' : 'fused';
  const common = { isas, placement, memoryWritable: false, endReads: END_READS } as const;
  const plan = planPipeline(pipeline, { ...common, fuse: point.fuse, ...(point.isa && { isa: point.isa }) });
  const reference = planPipeline(pipeline, { ...common, fuse: false, isa: 'scalar' });
  const result = await runNative(context, {
    program: programOf(plan.records, END_READS),
    reference: programOf(reference.records, END_READS),
    isa: point.isa ?? isas.at(-1) ?? 'scalar',
    packets: set,
    count: BigInt(packets),
    stride,
    cpus: cores,
    seconds,
    stateless: isStateless(pipeline),
    fresh: pipeline.steps.some(({ operation }) => operation.expands),
    readsOnly,
  });
  if (result.problem !== '') {
    const remedy = 'Do not use this figure; try --isa scalar, and report it';
    throw new ModelTError('QUEUE_WRONG', `'${text}' over ${packets} packets: ${result.problem}`, 4, remedy);
  }
  return { ...point, ...ratesOf(result), operations: readsOnly ? [] : operationsOf(plan, pipeline.steps, result) };
}

/** Every lap has the same verdicts. */
export const isStateless = ({ steps }: Pipeline): boolean => steps.every(({ operation }) => operation.state === 'none');

async function runNative(context: Context, config: Parameters<Context['native']['runQueue']>[0]): Promise<NativeQueueResult> {
  try {
    return await context.native.runQueue(config);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ModelTError('QUEUE_IMPOSSIBLE', `The queue cannot be run: ${reason}`, 3, 'Take fewer packets, or other slots');
  }
}

type Rates = Omit<QueueSample, keyof QueuePoint | 'operations'> & { readonly seconds: number };

function ratesOf({ cores, queueBytes, digest }: NativeQueueResult): Rates {
  const total = (value: (core: NativeQueueResult['cores'][number]) => number): number =>
    cores.reduce((sum, core) => sum + value(core), 0);
  const packetsPerSecond = total((core) => core.packets / core.seconds);
  const bytesPerSecond = total((core) => core.bytes / core.seconds);
  const mean = (value: (core: NativeQueueResult['cores'][number]) => number): number => total(value) / cores.length;
  return {
    queueBytes,
    seconds: mean((core) => core.seconds),
    packetsPerSecond,
    bitsPerSecond: bytesPerSecond * 8,
    wireBitsPerSecond: (bytesPerSecond + WIRE_OVERHEAD_BYTES * packetsPerSecond) * 8,
    cyclesPerPacket: mean((core) => core.windowCycles),
    coreCyclesPerPacket: mean((core) => core.windowCycles * core.clock),
    digest: digest.toString(16).padStart(16, '0'),
  };
}

function operationsOf(
  plan: PipelinePlan,
  steps: ReturnType<typeof parsePipeline>['steps'],
  { steps: results }: NativeQueueResult,
): QueueSample['operations'] {
  return plan.choices.map(({ text, variant, pass }, index) => {
    const { cyclesPerPacket = 0, verdicts = [] } = results[index] ?? {};
    const names = steps[index]?.operation.verdicts ?? [];
    const counted = names.map((name, verdict) => [name, verdicts[verdict] ?? 0] as const).filter(([, count]) => count > 0);
    return { name: text, variant, pass, cyclesPerPacket, verdicts: Object.fromEntries(counted) };
  });
}
