/**
 * What a finished replay says about itself, as lines. Pure. The first two lines are greppable as tcpreplay's are. A run that
 * is not conserved or whose bytes were not verified gets no rate (DESIGN 4.2): a wrong fast answer must not win.
 */
import { type GpuOutcome, type ReplayPlan, type RunOutcome, type TraceInfo, WIRE_OVERHEAD_BYTES } from '../replay/index.js';
import { binary, counted, decimal, grouped, oneLine, rates, reasons, sum } from './format.js';
import { schedulerLines } from './scheduler-report.js';

export type FinishedExitCode = 0 | 4 | 130;

/** Whether every packet is accounted for and every checked byte was right. */
export function isSound(outcome: RunOutcome): boolean {
  return outcome.conserved && outcome.verified.ok && outcome.stopped !== 'failed' && outcome.stopped !== 'reader-died';
}

export function exitCodeOf(outcome: RunOutcome): FinishedExitCode {
  if (!isSound(outcome)) return 4;
  return outcome.stopped === 'interrupted' ? 130 : 0;
}

export function summaryLines(outcome: RunOutcome, trace: TraceInfo): string[] {
  return [
    ...rateLines(outcome),
    ...accountLines(outcome),
    ...mutationLines(outcome),
    ...schedulerLines(outcome),
    ...operationLines(outcome),
    ...readerLines(outcome),
    ...traceLines(trace),
  ];
}

const LONGEST_NAME = 100;

function rateLines(outcome: RunOutcome): string[] {
  const { delivered, bytes, seconds, packetsPerSecond, bitsPerSecond, wireBitsPerSecond } = outcome.totals;
  const actual = `Actual: ${delivered} packets (${bytes} bytes) sent in ${seconds.toFixed(3)} seconds`;
  if (!isSound(outcome)) return [actual, 'Rated: nothing, because packets were lost or wrong'];
  if (!(seconds > 0) || delivered === 0) return [actual, 'Rated: nothing, because nothing was timed'];
  const rated = `Rated: ${(bitsPerSecond / 8).toFixed(1)} Bps, ${(bitsPerSecond / 1e6).toFixed(2)} Mbps, ${packetsPerSecond.toFixed(2)} pps`;
  return [
    actual,
    `${rated} (L2: captured bytes${residentNote(outcome.plan)})`,
    `Wire: ${(wireBitsPerSecond / 1e6).toFixed(2)} Mbps (L1: captured + ${WIRE_OVERHEAD_BYTES} B per packet)`,
    `That is ${decimal(packetsPerSecond, 'pps')}, ${decimal(bitsPerSecond, 'bit/s')} L2, ${decimal(wireBitsPerSecond, 'bit/s')} wire`,
  ];
}

function residentNote(plan: ReplayPlan): string {
  return plan.payload === 'resident' ? '; resident: headers rewritten, payload left in place: not bytes moved' : '';
}

function accountLines(outcome: RunOutcome): string[] {
  const { offered, delivered, dropped } = outcome.totals;
  const drops = sum(dropped);
  const verified = outcome.verified;
  const checked = `${counted(verified.laps, 'lap')}, ${counted(verified.packets, 'packet')} recomputed by the scalar reference`;
  return [
    `Delivered: ${grouped(delivered)}, dropped: ${grouped(drops)}${drops > 0 ? ` (${reasons(dropped)})` : ''}`,
    `conserved: ${outcome.conserved ? 'yes' : 'NO'} (offered ${offered}, delivered ${delivered}, dropped ${drops})`,
    `digest: ${outcome.digest === null ? noDigest(outcome.plan) : `${outcome.digest} (${outcome.digestScope})`}`,
    verified.packets === 0
      ? `verified: nothing (${outcome.plan.gpu?.kernel ? 'the reference does not know your kernel' : 'no packet was left to recompute'})`
      : `verified: ${verified.ok ? 'yes' : 'NO'} (${checked})`,
    `engine: ${outcome.engine.name}${outcome.engine.gpu ? ', stack' : ''} ${outcome.engine.isa}, ${counted(outcome.engine.threads, 'thread')}; ended by: ${outcome.stopped}`,
    ...(outcome.engine.gpu ? gpuLines(outcome.engine.gpu, outcome.plan.gpu?.kernel ?? null) : []),
  ];
}

function gpuLines(gpu: GpuOutcome, kernel: string | null): string[] {
  const sizes = `${binary(gpu.batchBytes)} × ${gpu.buffers} in flight${gpu.tuning.length > 0 ? `, best of ${gpu.tuning.length} tried` : ''}`;
  const where = gpu.streamed ? 'streamed through the device' : 'resident on the device';
  const { batches, kernelSeconds, copySeconds, totalSeconds } = gpu.timed;
  const part = (seconds: number): string => `${((1000 * seconds) / batches).toFixed(2)} ms`;
  const checked = gpu.checked ? '; kernels checked: no access out of bounds' : '';
  const share = gpu.threadShare === null ? '' : `; JavaScript: ${(100 * gpu.threadShare).toFixed(0)} % of a core`;
  return [
    `gpu: ${oneLine(gpu.adapter)} (${gpu.kind}; ${oneLine(gpu.why)}), ${gpu.insert}, ${sizes}, trace ${where}${checked}`,
    ...(kernel === null ? [] : [`kernel: ${oneLine(kernel)}`]),
    `gpu batches: ${grouped(gpu.batches)}, bytes copied by the host: ${grouped(gpu.hostCopiedBytes)}${share}`,
    ...(batches > 0
      ? [
          `gpu time per batch: kernels ${part(kernelSeconds)}, copy ${part(copySeconds)}, submit to mapped ${part(totalSeconds)} (${grouped(batches)} timed)`,
        ]
      : []),
  ];
}

function periodLine(laps: number): string {
  if (laps > 0) return `period: a source address returns after ${counted(laps, 'lap')}`;
  return 'period: less than a lap, because the prefix holds fewer addresses than a lap needs; give a wider one';
}

function noDigest(plan: ReplayPlan): string {
  return plan.target.kind === 'null' ? 'none (nobody reads)' : 'none (the readers are other programs)';
}

function mutationLines(outcome: RunOutcome): string[] {
  const { unchanged, periodLaps, packets } = outcome.trace;
  if (outcome.plan.rewrites.length === 0) return [];
  const kept = sum(unchanged);
  const rewritten = `rewritten: ${grouped(packets - kept)} of ${counted(packets, 'packet')} per lap`;
  return [
    kept > 0 ? `${rewritten}; unchanged: ${reasons(unchanged)}` : rewritten,
    ...(periodLaps === null ? [] : [periodLine(periodLaps)]),
  ];
}

/** Of paths side by side, what they did together. */
function operationLines(outcome: RunOutcome): string[] {
  const each = outcome.operations.length / Math.max(1, outcome.placement.paths);
  const lanesOf = (index: number): Operations => outcome.operations.filter((_, other) => other % each === index);
  const merged = outcome.operations.slice(0, each).map((one, index) => ({ ...one, cyclesPerPacket: cyclesOf(lanesOf(index)) }));
  return merged.map((operation, index) => {
    const alike = lanesOf(index);
    const verdicts = reasons(summed(alike.map((one) => one.verdicts)));
    const packets = alike.reduce((total, one) => total + one.packets, 0);
    const cost = isSound(outcome) ? costOf(merged, index) : '';
    return `operation ${shortName(operation.name)}: ${counted(packets, 'packet')}${cost}${verdicts ? ` (${verdicts})` : ''}`;
  });
}

type Operations = RunOutcome['operations'];

/** Per packet of all lanes; those in which none was timed say nothing. */
function cyclesOf(lanes: Operations): number {
  const timed = lanes.filter(({ cyclesPerPacket }) => cyclesPerPacket > 0);
  const packets = timed.reduce((total, one) => total + one.packets, 0);
  return packets > 0 ? timed.reduce((total, one) => total + one.cyclesPerPacket * one.packets, 0) / packets : 0;
}

function summed(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const record of records) for (const [key, value] of Object.entries(record)) total[key] = (total[key] ?? 0) + value;
  return total;
}

/** A thousand patterns are no name. */
function shortName(name: string): string {
  const line = oneLine(name);
  return line.length > LONGEST_NAME ? `${line.slice(0, LONGEST_NAME)}…` : line;
}

/** Operations of a header pass run as one: what they take together stands with the first. */
function costOf(operations: Operations, index: number): string {
  const { pass, cyclesPerPacket = 0 } = operations[index] ?? {};
  /* Bursts are timed by chance; of few there may be no figure. */
  if (pass === undefined) return cyclesPerPacket > 0 ? `, ${cyclesPerPacket.toFixed(1)} cycles per packet` : '';
  const first = operations.findIndex((operation) => operation.pass === pass);
  const count = operations.filter((operation) => operation.pass === pass).length;
  return first === index
    ? `, ${cyclesPerPacket.toFixed(1)} cycles per packet in one pass of ${count} operations`
    : ', in the same pass';
}

function readerLines(outcome: RunOutcome): string[] {
  return outcome.rings.flatMap((ring) =>
    ring.readers
      .filter((reader) => reader.state !== 'drained' || reader.lost > 0)
      .map((reader) => {
        const lost = reader.lost > 0 ? `, lost ${grouped(reader.lost)}` : '';
        return `reader ${reader.pid}${ring.name ? ` of ring ${oneLine(ring.name)}` : ''}: ${reader.state}, delivered ${grouped(reader.delivered)}${lost}`;
      }),
  );
}

const RING_REASONS: Readonly<Record<RunOutcome['rings'][number]['events'][number]['reason'], string>> = {
  start: 'where it starts',
  smaller: 'looks whether a smaller one is faster',
  larger: 'looks whether a larger one is faster',
  back: 'the other was no better',
  hold: 'stays, as fast as the best seen',
  bursts: 'the reader stalls in bursts',
};

/** How rings that size themselves did so: a line for each change. */
export function ringEventLines(outcome: RunOutcome): string[] {
  return outcome.rings.flatMap(({ name, events }) =>
    events.map(({ seconds, bytes, distance, packetsPerSecond, reason }, index) => {
      const before = index > 0 ? `; before: ${decimal(packetsPerSecond, 'pps')}, ${counted(distance, 'packet')} waiting` : '';
      return `${seconds.toFixed(3)} s: ring${name ? ` ${oneLine(name)}` : ''} ${binary(bytes)}, ${RING_REASONS[reason]}${before}`;
    }),
  );
}

function traceLines(trace: TraceInfo): string[] {
  return trace.headerGiven > 0 ? [`given an Ethernet header: ${counted(trace.headerGiven, 'packet')} per lap`] : [];
}

/** What a user should know about the captures before trusting a figure. */
export function traceWarnings(trace: TraceInfo): string[] {
  const warnings: string[] = [];
  for (const source of trace.sources) {
    const name = oneLine(source.path);
    if (source.truncated) {
      const { offset, packet, reason } = source.truncated;
      warnings.push(`${name}: truncated at offset ${offset}, in packet ${packet}: ${oneLine(reason)}; what is whole is replayed`);
    }
    if (sum(source.skipped) > 0) warnings.push(`${name}: packets not replayed: ${reasons(source.skipped)}`);
  }
  if (trace.snaplenTruncated > 0) {
    warnings.push(`${counted(trace.snaplenTruncated, 'packet')} captured in part only (snaplen); replayed as captured`);
  }
  if (trace.backwardTimestamps > 0)
    warnings.push(`${counted(trace.backwardTimestamps, 'timestamp')} earlier than the one before`);
  return warnings;
}

/** The line of one second while a run goes on. */
export function intervalLine(
  phase: string,
  now: {
    readonly delivered: number;
    readonly bytes: number;
    readonly dropped: number;
    readonly laps: number;
    readonly seconds: number;
    readonly ringBytes?: number;
    readonly ringResizes?: number;
  },
  before: { readonly delivered: number; readonly bytes: number; readonly seconds: number },
): string {
  const seconds = now.seconds - before.seconds;
  const speed = seconds > 0 ? rates(now.delivered - before.delivered, now.bytes - before.bytes, seconds) : phase;
  const drops = now.dropped > 0 ? `, ${grouped(now.dropped)} dropped` : '';
  const ring = now.ringResizes ? `, ring ${binary(now.ringBytes ?? 0)}` : '';
  return `${now.seconds.toFixed(1)} s: ${counted(now.delivered, 'packet')}, lap ${grouped(now.laps)}${drops}, ${speed}${ring}`;
}
