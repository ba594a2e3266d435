/**
 * `model-t bench queue`: the queue experiment of the paper's Figure 2. Pulls queues of N packets in memory through a pipeline, for
 * each N of a list; what sweeps and plots run in fresh processes. Called by bench.ts; runs in this process.
 */
import type { Command } from 'commander';
import { asksForDevice, FRAME_OFFSET, type Machine, ModelTError, type NativePackets, parsePipeline } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { binary, decimal, oneLine } from '../format.js';
import { chosenIsa, ISAS } from '../replay-options.js';
import { refuseUnwritable, writeResult } from '../result-file.js';
import { labelled, parseCores, parseCount, parseDuration, parseSize, usageError } from '../units.js';
import { alignedColumns } from './comparison.js';
import { measureAccelerated } from './queue-accelerated.js';
import { frameLabel, packetsFrom, parseFrameSource, slotBytes } from './queue-packets.js';
import { measureQueue, type QueueSample } from './queue-sample.js';
import { refuseAbsentCores } from './settings.js';

/** The paper's header-only chain. */
export const HEADER_PIPELINE = 'eth | ip4 | udp | tcp | checksum-verify header | port | count';
const MOST_PACKETS = 100_000_000;
const LARGEST_STRIDE = 2 ** 20;
const QUEUE_SCHEMA_VERSION = '1.0.0';
/** Where a packet lies and how long it is. */
const DESCRIPTION_BYTES = 8;
const MOST_OF_MEMORY = 0.9;

interface QueueFlags {
  readonly packets: string;
  readonly frames: string;
  readonly stride: string;
  readonly cores: string;
  readonly seconds: string;
  readonly isa?: string;
  readonly fuse: boolean;
  readonly read?: boolean;
  readonly gpu?: string;
  readonly json?: string;
}

export function registerQueue(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('queue [PIPELINE]')
    .description(`pull queues of packets in memory through a pipeline (default: ${HEADER_PIPELINE})`)
    .option('--packets <LIST>', 'packets in the queue of each core, 1 to 100,000,000: 256,4096', '4096')
    .option('--frames <SIZE>', 'captured bytes per frame, imix, or a capture file', '60')
    .option(
      '--stride <BYTES>',
      'from slot to slot, a multiple of 64; packed = as many lines as a frame needs, made odd',
      'packed',
    )
    .option('--cores <LIST>', 'one queue and one chain on each', '0')
    .option('--seconds <S>', 'length of each measurement', '0.5')
    .option('--isa <NAME>', `${ISAS.join(', ')} (default: $MODEL_T_ISA, or auto)`)
    .option('--no-fuse', 'run header operations one by one')
    .option('--gpu <ADAPTER>', 'for @wgsl steps: hardware, software, auto, or part of a name (default: auto)')
    .option('--read', 'no pipeline: read every byte of the slots, which bounds payload operations')
    .option('--json <FILE>', 'write results as JSON; - = standard output')
    .action(async (pipeline: string | undefined, flags: QueueFlags) => {
      await benchQueue(pipeline ?? HEADER_PIPELINE, flags, context);
      finish(0);
    });
}

async function benchQueue(pipeline: string, flags: QueueFlags, context: Context): Promise<void> {
  const counts = flags.packets.split(',').map((text) => labelled('--packets', () => parseCount(text, 1, MOST_PACKETS)));
  const isa = chosenIsa(flags.isa, context.environment.MODEL_T_ISA);
  const source = labelled('--frames', () => parseFrameSource(flags.frames));
  const common = {
    pipeline,
    stride: strideOf(flags.stride),
    cores: labelled('--cores', () => parseCores(flags.cores)),
    seconds: labelled('--seconds', () => parseDuration(flags.seconds)),
    isa: isa === 'auto' ? null : isa,
    fuse: flags.fuse,
    readsOnly: flags.read ?? false,
    ...(flags.gpu !== undefined && { gpu: flags.gpu }),
  };
  const onDevice = !common.readsOnly && asksForDevice(parsePipeline(pipeline));
  if (flags.gpu !== undefined && !onDevice)
    throw usageError('--gpu is for pipelines with @wgsl steps', 'Write bpf@wgsl, checksum-verify@wgsl or count@wgsl first');
  const machine = context.describeMachine();
  refuseAbsentCores(common.cores, machine);
  if (common.readsOnly && pipeline !== HEADER_PIPELINE)
    throw usageError('--read runs no pipeline', `Leave out '${oneLine(pipeline)}'`);
  if (flags.json !== undefined && flags.json !== '-') refuseUnwritable(flags.json);
  const set = await packetsFrom(source, context);
  refuseNarrow(common.stride, set);
  for (const packets of counts) refuseTooLarge(packets, common, set, machine);
  const samples: QueueSample[] = [];
  let interrupted = false;
  const release = context.onInterrupt(() => {
    interrupted = true;
    context.native.stopQueues();
  });
  try {
    for (const packets of counts) {
      context.status?.(`${packets} packets`);
      samples.push(await (onDevice ? measureAccelerated : measureQueue)({ ...common, packets }, set, context));
      if (interrupted) throw new ModelTError('INTERRUPTED', 'Interrupted; nothing is reported', 130);
    }
  } finally {
    context.status?.(null);
    release();
  }
  const result = { schema: 'model-t/queue', schemaVersion: QUEUE_SCHEMA_VERSION, machine, frames: frameLabel(source), samples };
  const text = `${JSON.stringify(result, null, 2)}\n`;
  if (flags.json === '-') return context.print(text.trimEnd());
  if (flags.json !== undefined) writeResult(flags.json, text);
  for (const line of queueTable(samples, frameLabel(source))) context.print(line);
}

function queueTable(samples: readonly QueueSample[], frames: string): string[] {
  const first = samples[0];
  if (!first) return [];
  const rows = samples.map((sample) => [
    `${sample.packets}`,
    binary(sample.queueBytes),
    decimal(sample.packetsPerSecond, 'pps'),
    decimal(sample.bitsPerSecond, 'bit/s'),
    decimal(sample.wireBitsPerSecond, 'bit/s'),
    sample.coreCyclesPerPacket.toFixed(2),
    sample.cyclesPerPacket.toFixed(2),
    first.operations.length > 0 ? sample.digest : '',
  ]);
  const headings = [
    'packets',
    'slots',
    'rate',
    'captured',
    'wire',
    'core cycles',
    'TSC cycles',
    first.operations.length > 0 ? 'digest' : '',
  ];
  const slots = first.stride === 0 ? 'packed slots' : `slots of ${first.stride} B`;
  const cores = first.cores.length === 1 ? `core ${first.cores[0]}` : `${first.cores.length} cores, a queue and a chain on each`;
  const checked = first.operations.length > 0 ? '; verdicts and rows equal to the scalar reference' : '';
  const variants = [...new Set(first.operations.map(({ variant }) => variant))].join(', ');
  const title = `${frames}, ${slots}, ${cores}; cycles are per packet on one core${checked}`;
  return [
    `${first.operations.length > 0 ? `${first.pipeline} (${variants})` : 'every byte read'}:`,
    title,
    ...alignedColumns([headings, ...rows]),
    ...samples.flatMap(deviceLines),
  ];
}

/** Where the time of a pipeline that spans processors goes. */
function deviceLines({ device, packets }: QueueSample): string[] {
  if (!device) return [];
  const ns = (value: number): string => `${value.toFixed(1)} ns`;
  const kernels = device.stepsNs ? ` (${device.stepsNs.map(ns).join(' + ')} by its clock)` : '';
  const batches = device.batches === 1 ? '1 batch' : `${device.batches} batches`;
  const kind = device.isSoftware ? ', which is this CPU' : '';
  return [
    `${packets} packets: ${ns(device.totalNs)} per packet on ${device.adapter}${kind}, ${batches}: upload ${ns(device.uploadNs)}, kernels ${ns(device.kernelsNs)}${kernels}, read back ${ns(device.readBackNs)}; then ${ns(device.hostNs)} on the CPU, ${device.rows} rows`,
  ];
}

function strideOf(text: string): number {
  if (text === 'packed') return 0;
  const stride = labelled('--stride', () => parseSize(text));
  if (stride % 64 === 0 && stride >= 64 && stride <= LARGEST_STRIDE) return stride;
  throw usageError(`--stride ${text} is no multiple of 64 from 64 to 1 MiB`, 'Use packed, 1536, 1600 or 2048 for example');
}

function refuseNarrow(stride: number, { lengths }: NativePackets): void {
  const largest = lengths.reduce((most, length) => Math.max(most, length), 0);
  if (stride === 0 || largest + FRAME_OFFSET <= stride) return;
  throw usageError(`--stride ${stride} has no room for a frame of ${largest} bytes`, 'Use packed, or larger slots');
}

/** Before the memory is touched: the kernel would rather kill than refuse. */
function refuseTooLarge(
  packets: number,
  { stride, cores }: { stride: number; cores: readonly number[] },
  set: NativePackets,
  machine: Machine,
): void {
  const mean = set.lengths.reduce((sum, length) => sum + (stride || slotBytes(length)), 0) / set.lengths.length;
  const bytes = (mean + DESCRIPTION_BYTES) * packets * cores.length;
  if (bytes <= machine.availableBytes * MOST_OF_MEMORY) return;
  const remedy = 'Take fewer packets, fewer cores, or smaller frames';
  throw new ModelTError(
    'QUEUE_TOO_LARGE',
    `${packets} packets take ${binary(bytes)}, ${binary(machine.availableBytes)} are free`,
    3,
    remedy,
  );
}
