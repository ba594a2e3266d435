/**
 * The only importer of the addon `build/Release/model_t.node`. Loaded on first use, so that `--help` and `doctor` work
 * without it; every failure becomes a ModelTError that says what to do.
 *
 * The stack's own native functions are typed here; `replay/` types its classes itself and takes them from
 * `nativeModule()` through the door of `stack/`.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelTError } from './errors.js';

/** One record of a program, depth first (stack/native/program.h); what stands in a group lies between fork and join. */
export interface NativeRecord {
  readonly kind: 'operation' | 'fork' | 'branch' | 'join';
  readonly name: string;
  readonly variant: string;
  readonly parameter: number;
  /** Bits of columns that a later operation reads: 1 payloads, 2 classes. */
  readonly wants: number;
  /** The compiled argument: bytecode, patterns. */
  readonly data: Uint8Array | null;
  /** Only rows of this class come here; -1 = all. */
  readonly condition: number;
  /** Number of the header pass it may be fused into; -1 = none. */
  readonly pass: number;
  /** Of a step in a pass: a step behind the pass reads its columns. */
  readonly stores: boolean;
}

export interface NativeProgram {
  readonly records: readonly NativeRecord[];
  /** Bits of columns that must be given: 1 times, 2 payloads, 4 streams. */
  readonly needs: number;
}

/** Frames to run a program over: packet i is `bytes[offsets[i], offsets[i] + lengths[i])`. */
export interface NativePackets {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /** Virtual capture time, ns since 1970; else packets come a microsecond apart. */
  readonly times?: BigUint64Array;
}

/** In depth-first order of the program's operations. */
export interface NativeStepResult {
  readonly packets: number;
  readonly calls: number;
  /** Time-stamp cycles; the operations of a header pass stand together in its first. */
  readonly cyclesPerPacket: number;
  readonly verdicts: readonly number[];
}

/** A row that reached the end of a program. */
export interface NativeRow {
  /** Number of the packet it is, or stems from. */
  readonly packet: number;
  readonly class: number;
  readonly stream: bigint;
  readonly mark: number;
  readonly encoding: number;
  /** The payload where the program reads payloads, else the frame. */
  readonly bytes: Uint8Array;
}

/** The queue experiment (stack/native/queue_run.h). */
export interface NativeQueueConfig {
  readonly program: NativeProgram;
  /** The same pipeline in scalar bodies, nothing fused. */
  readonly reference: NativeProgram;
  readonly isa: string;
  /** Frames that fill the queue, over and over. */
  readonly packets: NativePackets;
  /** Packets in the queue of each core. */
  readonly count: bigint;
  /** Bytes from slot to slot, a multiple of 64; 0 = packed. */
  readonly stride: number;
  /** One queue and thread for each; -1 = not pinned. */
  readonly cpus: readonly number[];
  readonly seconds: number;
  /** No operation keeps anything between packets. */
  readonly stateless: boolean;
  /** A new program for each lap, made outside the time; for operations that make rows of streams. */
  readonly fresh: boolean;
  /** No program: read every byte of the slots. */
  readonly readsOnly: boolean;
}

export interface NativeQueueResult {
  /** Not empty: the run was wrong and its rates must not be quoted. */
  readonly problem: string;
  readonly queueBytes: number;
  readonly digest: bigint;
  readonly cores: readonly {
    readonly cpu: number;
    readonly laps: number;
    readonly packets: number;
    readonly bytes: number;
    readonly seconds: number;
    /** Of the time-stamp counter. */
    readonly cycles: number;
    /** Time-stamp cycles per packet in the median window of a millisecond. */
    readonly windowCycles: number;
    /** Core cycles for each of those, measured between the laps. */
    readonly clock: number;
  }[];
  /** Verdicts of one lap on all cores; the rest over all laps. */
  readonly steps: readonly NativeStepResult[];
}

/** Packets from one core to another through a ring, and nothing else done with them (stack/native/hop_run.h). */
export interface NativeHopConfig {
  /** `descriptors`: the ring that readers of a replay see; `stages`: the one between the stages of a path. */
  readonly ring: 'descriptors' | 'stages';
  /** Packets that are published, taken and released at once: 1 to 256. */
  readonly burst: number;
  /** -1 = not pinned. */
  readonly producerCpu: number;
  readonly consumerCpu: number;
  readonly seconds: number;
}

/** Time-stamp cycles per packet, as the consumer sees them, in windows of 16384 packets. */
export interface NativeHopResult {
  /** Of the median window. */
  readonly cycles: number;
  readonly fastest: number;
  readonly slowest: number;
  readonly windows: number;
  readonly packets: number;
}

/** All 256 rows of every column but the two of pointers (stack/native/burst.h), as bytes. */
export type NativeColumns = Readonly<Record<string, Uint8Array>>;

/** What rows point to: the readable bytes of each, one behind the other. */
export interface NativePlaces {
  readonly bytes: Uint8Array;
  readonly sizes: Uint32Array;
}

/** One body over one burst of which everything is given (stack/native/binding_probe.cc). */
export interface NativeProbe {
  readonly name: string;
  readonly variant: string;
  readonly parameter: number;
  readonly wants: number;
  readonly data: Uint8Array | null;
  readonly count: number;
  readonly columns: NativeColumns;
  readonly frames: NativePlaces;
  readonly payloads: NativePlaces;
  /** Behind the readable bytes of each row the process ends; without, it does not. */
  readonly guarded: boolean;
  /** With guards: the bytes of frames may be written. */
  readonly writable: boolean;
}

/** Columns by name; `frames` and `payloads` as row * 2^20 + offset, payloads not in frames + 2^28, -1 = elsewhere, -2 = null. */
export interface NativeBurst {
  readonly count: number;
  readonly frames: Float64Array;
  readonly payloads: Float64Array;
  readonly [column: string]: unknown;
}

export interface NativeProbed extends NativeBurst {
  readonly frameBytes: Uint8Array;
  readonly payloadBytes: Uint8Array;
  readonly drops: boolean;
  readonly expands: boolean;
  readonly verdicts: readonly number[];
  /** Rows that it made. */
  readonly emitted: readonly NativeBurst[];
  /** Of each row made its payload, then its frame, where they lie elsewhere; else empty. */
  readonly emittedBytes: readonly Uint8Array[];
}

export interface StackNative {
  /** Null: this CPU or build has no such body. Throws where it refuses its argument. For tests. */
  probeOperation(probe: NativeProbe): NativeProbed | null;
  /** Rejects when it cannot be run. */
  runQueue(config: NativeQueueConfig): Promise<NativeQueueResult>;
  /** Rejects when packets do not arrive as they were sent. */
  measureHop(config: NativeHopConfig): Promise<NativeHopResult>;
  /** Ends all queues that run, within a lap; their figures mean nothing. */
  stopQueues(): void;
  /** Once over all packets, then again and again for `seconds`. Blocks: for tests, tools and calibration. */
  runProgram(run: {
    readonly program: NativeProgram;
    readonly packets: NativePackets;
    readonly collect: boolean;
    readonly seconds: number;
  }): { readonly steps: readonly NativeStepResult[]; readonly rows: readonly NativeRow[] };
  /** Instruction sets this CPU and build run: `scalar` first, the best last. */
  cpuIsas(): string[];
  /** Bytes per second of memcpy between two buffers of `bytes` bytes, measured for `seconds`. Blocks. */
  measureCopy(bytes: number, seconds: number): number;
  /** Hash of one frame; the digest of many is the sum modulo 2^64. `lineLimit` 0 = all bytes. */
  digest(frame: Uint8Array, lineLimit: number): bigint;
  /** A filter (stack/bpf/) over frames at `offsets` of `frames`: 1 for each that matches. `variant`: interpreter or native. */
  bpfRun(code: Uint8Array, variant: string, frames: Uint8Array, offsets: Uint32Array, lengths: Uint32Array): Uint8Array;
  /** Packets per second through a filter, interleaved in this process; 0 for what is not to be had here. Blocks for `seconds`. */
  bpfCompare(code: Uint8Array, frames: Uint8Array, offsets: Uint32Array, lengths: Uint32Array, seconds: number): FilterRates;
  /**
   * Every occurrence of the patterns of `blob` (compilePatterns) in `text`: pattern numbers and offsets behind the last byte,
   * by offset, then number. `variant`: automaton, scalar, avx2, avx512.
   */
  matchRun(blob: Uint8Array, variant: string, text: Uint8Array): MatchOccurrences;
  /** Every variant of this CPU over the same texts, taking turns for `seconds`. Throws if they disagree. Blocks. */
  matchCompare(blob: Uint8Array, texts: readonly Uint8Array[], seconds: number): MatchRate[];
}

export interface FilterRates {
  /** libpcap's own bpf_filter() on the same program. */
  readonly libpcap: number;
  readonly interpreter: number;
  readonly native: number;
}

export interface MatchOccurrences {
  readonly patterns: Uint32Array;
  readonly ends: Uint32Array;
  /** The filters that the set was compiled to, in words. */
  readonly plan: string;
}

export interface MatchRate {
  readonly variant: string;
  /** Median over the rounds, and the best of them. */
  readonly bytesPerSecond: number;
  readonly bestBytesPerSecond: number;
  /** In all texts together. */
  readonly occurrences: number;
}

/** Folder of the package: the first one up from here that holds binding.gyp (sources run from ./, built files from dist/). */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'binding.gyp'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new ModelTError('PACKAGE_BROKEN', 'binding.gyp is missing from the package', 3, 'Install it again');
    folder = parent;
  }
  return folder;
}

let loaded: StackNative | undefined;

/** The addon's exports. Throws ModelTError (exit code 3) when it cannot be loaded. */
export function nativeModule(): StackNative {
  if (loaded) return loaded;
  const path = join(packageRoot(), 'build/Release/model_t.node');
  if (!existsSync(path)) {
    throw new ModelTError('ADDON_MISSING', `${path} has not been built`, 3, 'Run `npm run build` (needs make, g++ and python3)');
  }
  try {
    loaded = createRequire(import.meta.url)(path) as StackNative;
    return loaded;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new ModelTError(
      'ADDON_BROKEN',
      `${path} cannot be loaded: ${reason}`,
      3,
      'Remove the folder build/ and run `npm run build`',
    );
  }
}

/** The stack's native functions; each loads the addon on first use. */
export const native: StackNative = {
  cpuIsas: () => nativeModule().cpuIsas(),
  measureCopy: (bytes, seconds) => nativeModule().measureCopy(bytes, seconds),
  digest: (frame, lineLimit) => nativeModule().digest(frame, lineLimit),
  runQueue: (config) => nativeModule().runQueue(config),
  measureHop: (config) => nativeModule().measureHop(config),
  stopQueues: () => nativeModule().stopQueues(),
  runProgram: (run) => nativeModule().runProgram(run),
  bpfRun: (code, variant, frames, offsets, lengths) => nativeModule().bpfRun(code, variant, frames, offsets, lengths),
  bpfCompare: (code, frames, offsets, lengths, seconds) => nativeModule().bpfCompare(code, frames, offsets, lengths, seconds),
  matchRun: (blob, variant, text) => nativeModule().matchRun(blob, variant, text),
  matchCompare: (blob, texts, seconds) => nativeModule().matchCompare(blob, texts, seconds),
  probeOperation: (probe) => nativeModule().probeOperation(probe),
};
