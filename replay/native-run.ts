/**
 * The native class `Run` (replay/native/binding_run.cc) as TypeScript sees it. Types only, and the one place that takes
 * the class from the addon.
 */
import { nativeModule } from '../stack/index.js';
import type { NativeTrace } from './captures/native-trace.js';

/** Numbers that may exceed 2^53 are bigints; 2^64-1 = no limit. */
export interface NativeRunConfig {
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
  readonly cpus: readonly number[];
  readonly resident: boolean;
  readonly regionBytes: bigint;
  readonly policy: 'block' | 'lag' | 'drop';
  readonly waitReaders: number;
  readonly digestLines: number;
  readonly unique: 'flow' | 'packet' | 'off';
  readonly seed: bigint;
  readonly rewrites: readonly { readonly address: Uint8Array; readonly length: number }[];
  readonly operations: readonly { readonly name: string; readonly parameter: number }[];
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
  readonly container: {
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
  readonly ring: { readonly bytes: number; readonly descriptors: number; readonly hugePages: string };
}

export interface NativeRun {
  /** The statistics page: producer block, container block, operation blocks (stack/layout.ts). Live memory. */
  statistics(): ArrayBuffer;
  stop(): void;
  abort(): void;
  /** Once. Resolves when all threads have ended and the reference has checked what was delivered. */
  wait(): Promise<NativeRunResult>;
}

interface ReplayNative {
  /** Starts at once. Throws an Error with code RUN_IMPOSSIBLE and one sentence. */
  readonly Run: new (
    trace: NativeTrace,
    config: NativeRunConfig,
  ) => NativeRun;
  measureTraceCopy(trace: NativeTrace, regionBytes: number, seconds: number): number;
}

export function replayNative(): ReplayNative {
  return nativeModule() as unknown as ReplayNative;
}
