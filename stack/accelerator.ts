/**
 * Processors beside the CPU: what the stack knows of them. An accelerator is given whole batches of packets in memory and the
 * first steps of a pipeline, and says of every packet what each of those steps found and whether it goes on; the CPU runs the
 * rest of the pipeline over the rows that do. Types and pure functions; implemented by replay/ (WGSL through Dawn), put to use by
 * harness/. Which steps may run there: planner/device-steps.ts.
 */
import type { NativePackets } from './native.js';

/** Steps are verdicts of four bits in one word per packet, beside the bit that says whether it goes on. */
export const MOST_DEVICE_STEPS = 7;

/** A step as an accelerator takes it. */
export interface DeviceStep {
  /** As the native side knows it. */
  readonly operation: string;
  readonly parameter: number;
  /** What the operation's declaration made of its texts. */
  readonly data: Uint8Array | null;
}

export interface Accelerator {
  readonly name: string;
  /** The CPU itself, run as if it were a GPU. */
  readonly isSoftware: boolean;
  /** Why this one, for people. */
  readonly why: string;
  /** Compiles. Throws ModelTError for steps that it has no body for, and for those that do not compile. */
  load(steps: readonly DeviceStep[]): Promise<DeviceProgram>;
  /** Ends everything that was loaded. A second call does nothing. */
  close(): void;
}

export interface DeviceProgram {
  /** Runs all packets, in as many batches as the device needs. One call at a time. Throws ModelTError when the device fails. */
  run(packets: NativePackets): Promise<DeviceResult>;
  /** Gives the device's memory back. */
  close(): void;
}

export interface DeviceResult {
  /** One word per packet; verdictOf() and goesOn() read them. */
  readonly results: Uint32Array;
  /** For each step: sums that are no packet counts, by verdict; null for steps without. */
  readonly sums: readonly (readonly bigint[] | null)[];
  readonly batches: number;
  readonly seconds: DeviceSeconds;
}

/** Where the time went. A software device does all of it on the CPU. */
export interface DeviceSeconds {
  /** Frames and their places into the device's memory; making slots of them first, where they do not lie in any. */
  readonly upload: number;
  readonly kernels: number;
  readonly readBack: number;
  /** Of `kernels`, by the device's own clock, for each step; null = it has none. */
  readonly steps: readonly number[] | null;
}

const LEFT = 1;
const BITS_OF_STEP = 4;

/** Where the verdict of a step stands in a packet's result. */
export const verdictShift = (step: number): number => BITS_OF_STEP * (step + 1);

export const goesOn = (result: number): boolean => (result & LEFT) === 0;

/** Number of the verdict that the step gave; -1 = the packet did not get that far. */
export const verdictOf = (result: number, step: number): number => ((result >>> verdictShift(step)) & 15) - 1;

/** How often each step gave each of its verdicts; sums stand in their places. `names`: verdicts of each step. */
export function verdictCounts({ results, sums }: DeviceResult, names: readonly (readonly string[])[]): number[][] {
  return names.map((verdicts, step) => {
    const counts = new Array<number>(BITS_OF_STEP * 4).fill(0);
    const shift = verdictShift(step);
    for (const result of results) {
      const field = (result >>> shift) & 15;
      counts[field] = (counts[field] ?? 0) + 1;
    }
    return verdicts.map((_, verdict) => Number(sums[step]?.[verdict] ?? counts[verdict + 1] ?? 0));
  });
}

/** Numbers of the packets that go on, in their order. */
export function rowsThatGoOn({ results }: DeviceResult): Uint32Array {
  const rows = new Uint32Array(results.length);
  let count = 0;
  for (let packet = 0; packet < results.length; packet++) {
    rows[count] = packet;
    count += 1 - ((results[packet] ?? LEFT) & LEFT);
  }
  return rows.subarray(0, count);
}

/** Those packets alone; their bytes stay where they are. */
export function packetsAt({ bytes, offsets, lengths, times }: NativePackets, rows: Uint32Array): NativePackets {
  const pick = <Column extends Uint32Array | BigUint64Array>(from: Column, to: Column): Column => {
    for (let row = 0; row < rows.length; row++) to[row] = from[rows[row] ?? 0] ?? 0;
    return to;
  };
  return {
    bytes,
    offsets: pick(offsets, new Uint32Array(rows.length)),
    lengths: pick(lengths, new Uint32Array(rows.length)),
    ...(times && { times: pick(times, new BigUint64Array(rows.length)) }),
  };
}
