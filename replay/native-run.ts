/**
 * The native classes `Run` (replay/native/binding_run.cc) and `DeviceImage` (binding_device.cc) as TypeScript sees them.
 * Types only, and the one place that takes the classes from the addon.
 */
import { type NativeProgram, nativeModule } from '../stack/index.js';
import type { NativeTrace } from './captures/native-trace.js';
import type { IdleStrategy, RingEvent } from './plan-types.js';

export interface NativeRewrite {
  readonly address: Uint8Array;
  readonly length: number;
}

/** What is rewritten, and how; for a run with a GPU it comes from the device image. */
export interface NativeMutation {
  readonly unique: 'flow' | 'packet' | 'off';
  readonly seed: bigint;
  readonly rewrites: readonly NativeRewrite[];
}

/** Byte offsets of the tables of a tile; each section is at least 256 bytes long and starts at a multiple of 256. */
export interface DeviceSections {
  readonly host4: number;
  readonly fixed4: number;
  readonly sums4: number;
  readonly place4: number;
  readonly extra4: number;
  readonly rows6: number;
  readonly packets: number;
}

/** A part of the virtual image (all copies of the trace, end to end) that fits one storage binding. */
export interface DeviceTile {
  readonly packets: number;
  /** Of slots. */
  readonly bytes: number;
  readonly rows4: number;
  readonly rows6: number;
  readonly tablesBytes: number;
  readonly sections: DeviceSections;
}

/** The trace and its compiled mutation, as a GPU wants them. */
export interface NativeDeviceImage {
  /** Of one copy. */
  shape(): {
    readonly packets: number;
    readonly slotBytes: number;
    readonly frameBytes: number;
    readonly rows4: number;
    readonly rows6: number;
    readonly largestSlot: number;
  };
  /**
   * Cuts `copies` laps laid end to end into tiles of at most `tileBytes` bytes of slots. A run takes the layout that is there when
   * it is made. Throws an Error with code RUN_IMPOSSIBLE when that cannot be (a slot that is larger, a tile beyond 2 GiB).
   */
  layOut(copies: number, tileBytes: number): readonly DeviceTile[];
  /** Writes any byte range of a tile's image or tables, on a pool thread. The buffer must stay attached until then. */
  fill(
    tile: number,
    part: 'image' | 'tables',
    offset: number,
    buffer: ArrayBuffer,
    byteOffset: number,
    bytes: number,
  ): Promise<void>;
  /** 32 words: the uniform block of the kernels. A copy. */
  parameters(): Uint32Array;
}

/** Mapped memory that the device fills and the run reads, `staging.length` batches in flight. */
export interface NativeGpuConfig {
  readonly device: NativeDeviceImage;
  /** push: readers read the staging memory in place. pull: the engine's thread copies it into the ring. */
  readonly insert: 'push' | 'pull';
  /** Mapped now, of `batchBytes` bytes or more, 64-byte aligned; 1 to 15. Their addresses are remembered, not the buffers. */
  readonly staging: readonly ArrayBuffer[];
  readonly batchBytes: number;
  /** A batch never crosses the end of a tile. */
  readonly streamed: boolean;
}

/** Packets of one batch that lie end to end in one tile; rows and packets count from the start of the tile. */
export interface NativeSegment {
  readonly tile: number;
  /** In the tile's image. */
  readonly sourceOffset: number;
  /** In the staging buffer. */
  readonly targetOffset: number;
  readonly bytes: number;
  readonly row4: number;
  readonly rows4: number;
  readonly row6: number;
  readonly rows6: number;
  readonly packet: number;
  readonly packets: number;
  readonly base4: number;
  readonly base6Low: number;
  readonly base6High: number;
  /** Of the first packet. */
  readonly lap: number;
  /** Index of the first packet in its lap. */
  readonly indexInLap: number;
}

export interface NativeBatch {
  /** From 0; the slot is `number` modulo the number of staging buffers. */
  readonly number: number;
  readonly slot: number;
  readonly packets: number;
  readonly bytes: number;
  /** At most 16. */
  readonly segments: readonly NativeSegment[];
}

/** A placement (stack/scheduler/types.ts) as native code takes it. */
export interface NativePlacement {
  readonly containers: readonly number[];
  readonly window: number;
  readonly sliceBursts: number;
  readonly fillPackets: number;
  readonly latencyNs: bigint;
  readonly vertical: boolean;
}

/** A switch of placement that is over. */
export interface NativeSwitch {
  readonly path: number;
  readonly atPacket: number;
  /** During which intake stood still. */
  readonly blockedSeconds: number;
}

/** Numbers that may exceed 2^53 are bigints; 2^64-1 = no limit. */
export interface NativeRunConfig extends NativeMutation {
  readonly target: 'stack' | 'ring' | 'pcap' | 'null';
  readonly ringName: string;
  /** File descriptor, open for writing; -1 = none. */
  readonly file: number;
  readonly linkType: number;
  readonly isa: string;
  readonly laps: bigint;
  readonly limit: bigint;
  readonly durationNs: bigint;
  readonly threads: number;
  /**
   * One pinned thread each (CPU -1: not pinned). With lanes, container i has all of lane i. Else, where element 0 of the placement is
   * in the path, all are the path's; where it is not (-1) the first `threads` are the producers', the others the path's.
   */
  readonly containers: readonly { readonly name: string; readonly cpu: number }[];
  readonly idle: IdleStrategy;
  /** Sub-traces by flow, each with ring, engine and path of its own; 1 = the trace as it is. */
  readonly lanes: number;
  /** Of every path at the start; containers count within the path. */
  readonly placement: NativePlacement;
  /** CPU of a container that fetches ahead of intake, paused at first; -2 = there is none. */
  readonly helperCpu: number;
  readonly resident: boolean;
  /** The most where the ring sizes itself. */
  readonly regionBytes: bigint;
  /** One thread, a complete trace, copied payload; elsewhere the size is fixed. */
  readonly selfSizing: boolean;
  readonly startBytes: bigint;
  readonly policy: 'block' | 'lag' | 'drop';
  readonly waitReaders: number;
  readonly digestLines: number;
  /** Recompute what was delivered; not for kernels that the reference does not know. */
  readonly verify: boolean;
  readonly program: NativeProgram;
  /** One thread, payload that is copied; the mutation is that of the device image, not the one above. */
  readonly gpu?: NativeGpuConfig;
}

export interface NativeReader {
  readonly pid: number;
  readonly policy: 'block' | 'lag' | 'drop';
  /** Packets published while it was in the ring. */
  readonly offered: number;
  readonly delivered: number;
  readonly lost: number;
  readonly state: 'drained' | 'detached' | 'died' | 'faulty';
}

export interface NativeRing {
  readonly bytes: number;
  readonly descriptors: number;
  readonly hugePages: string;
  readonly finalBytes: number;
  /** None where the size was fixed. */
  readonly events: readonly RingEvent[];
}

export interface NativeRunResult {
  readonly offered: number;
  readonly offeredBytes: number;
  readonly dropped: number;
  readonly droppedBytes: number;
  readonly laps: number;
  readonly seconds: number;
  readonly stopped: 'end' | 'duration' | 'interrupted' | 'reader-died' | 'failed';
  /** One sentence; empty = none. */
  readonly error: string;
  /** Sums over the paths; null: the readers were not ours. */
  readonly path: {
    readonly delivered: number;
    readonly bytes: number;
    readonly lost: number;
    readonly digest: string;
  } | null;
  readonly readers: readonly NativeReader[];
  readonly verifiedPackets: number;
  readonly verifiedOk: boolean;
  readonly mutation: {
    readonly unchanged: Readonly<Record<string, number>>;
    readonly periodLaps: number | null;
  };
  /** Slot bytes that threads of the engine copied; 0 for push. */
  readonly hostCopiedBytes: number;
  /** One per lane. */
  readonly rings: readonly NativeRing[];
  /** Packets of one lap in each lane. */
  readonly lanePackets: readonly number[];
}

export interface NativeRun {
  /** The statistics page: blocks of producers, paths, containers and operations (stack/layout.ts). Live memory. */
  statistics(): ArrayBuffer;
  /** What the page holds; fewer lanes than asked for where there are fewer flows. */
  shape(): { readonly paths: number; readonly containers: number; readonly operations: number };
  /** Switches a path to another placement while packets flow. Empty, or a sentence why not now. */
  place(path: number, placement: NativePlacement): string;
  /** Switches that ended since the last call. */
  switches(): readonly NativeSwitch[];
  /** `helper` is the last container. Takes effect after what it is doing; bounded by one slice. */
  control(container: number, command: 'pause' | 'resume' | 'stop'): void;
  stop(): void;
  abort(): void;
  /** Once. Resolves when all threads have ended and the reference has checked what was delivered. */
  wait(): Promise<NativeRunResult>;

  // Runs with a GPU. All from one thread; staging buffers stay what they are until wait() has resolved.

  /** The next batch to make, or null: all buffers are in flight, or nothing more is wanted. */
  nextBatch(): NativeBatch | null;
  /** The oldest batch not yet published is in this buffer, mapped. Throws if the buffer is not that of its slot. */
  publish(buffer: ArrayBuffer): void;
  /** True: the oldest published batch was given back, and the caller unmaps its buffer. False once the stream is ending. */
  reclaim(): boolean;
  /** Ends the run as failed: readers are told that the stream was aborted. */
  fail(message: string): void;
  /** The stream is over: nothing more will be read or planned. */
  ended(): boolean;
  /** Blocks this thread that long; not at all if reclaim() would succeed or the stream is over. */
  nap(microseconds: number): void;
}

interface ReplayNative {
  /** Starts at once. Throws an Error with code RUN_IMPOSSIBLE and one sentence. */
  readonly Run: new (
    trace: NativeTrace,
    config: NativeRunConfig,
  ) => NativeRun;
  /** Compiles the mutation. Throws an Error with code RUN_IMPOSSIBLE and one sentence. The trace must be complete. */
  readonly DeviceImage: new (
    trace: NativeTrace,
    mutation: NativeMutation,
  ) => NativeDeviceImage;
  /** Packets and captured bytes of a lap that each lane would have; fewer lanes where there are fewer flows. */
  laneShares(trace: NativeTrace, lanes: number): readonly { readonly packets: number; readonly bytes: number }[];
  /** memcpy of the trace into a ring-sized region; captured frame bytes per second. */
  measureTraceCopy(trace: NativeTrace, regionBytes: number, seconds: number): number;
  /** memcpy of the trace into `buffers` buffers of `batchBytes` bytes in turn; captured frame bytes per second. */
  measureStagedCopy(trace: NativeTrace, batchBytes: number, buffers: number, seconds: number): number;
}

export function replayNative(): ReplayNative {
  return nativeModule() as unknown as ReplayNative;
}
