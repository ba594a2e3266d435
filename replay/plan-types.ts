/**
 * What a replay is, as plain JSON: the request a user makes, the plan it becomes, and what a run reports.
 *
 * A plan is frozen data: printed by `--dry-run`, stored with each result, replayable from it. Nothing here has effects;
 * every folder may import these types through the door of `replay/`.
 */
import type { ActionRecord, PipelineSpec, Placement, PlacementMode, Slices } from '../stack/index.js';

export type Isa = 'scalar' | 'avx2' | 'avx512';
export type ReaderPolicy = 'block' | 'lag' | 'drop';
export type Unique = 'flow' | 'packet' | 'off';
export type Payload = 'copy' | 'resident';
export type EngineName = 'native' | 'webgpu';
/** `push`: descriptors point into mapped staging memory, nothing is copied; `pull`: the consumer's core copies into the ring. */
export type Insert = 'push' | 'pull';
/** `full` hashes every delivered byte; `headers` the first two 64-byte lines of each slot (126 frame bytes) and the length. */
export type DigestScope = 'full' | 'headers';

export type ReplayTarget =
  | { readonly kind: 'stack' }
  | { readonly kind: 'ring'; readonly name: string }
  | { readonly kind: 'pcap'; readonly path: string }
  | { readonly kind: 'null' };

export interface Rewrite {
  readonly field: 'src';
  /** IPv4 or IPv6 prefix, canonical text such as `10.0.0.0/8`. */
  readonly cidr: string;
}

/** What a container does in a turn that found nothing to do (stack/native/idle.h). */
export type IdleStrategy = 'spin' | 'yield' | 'backoff' | 'sleep';

/** How the work is spread over cores; what it comes to is decided when the trace is known (replay/placement.ts). */
export interface PlacementPlan {
  readonly mode: PlacementMode;
  /** How long a packet may wait for the buffer to fill and for others to have their turn. */
  readonly latencySeconds: number;
  readonly slices: Slices;
  readonly idle: IdleStrategy;
  /** Container of each element at first, instead of the one that would be chosen. */
  readonly start: readonly number[] | null;
  /** False: elements stay where they are at first. */
  readonly moves: boolean;
}

/** What may be asked of the WebGPU engine; everything is optional. */
export interface GpuRequest {
  /** `auto`, `hardware`, `software`, or part of an adapter's name. Default `auto`. */
  readonly choice?: string;
  readonly insert?: Insert;
  /** Bytes of slots per batch, and batches in flight; tuned at the start where not given. */
  readonly batchBytes?: number;
  readonly buffers?: number;
  /** Device memory the trace may take; a larger trace streams through it. Default: what the device gives. */
  readonly memoryBytes?: number;
  /** Path of a WGSL file with a transformation of the user's own (replay/kernels/README.md). */
  readonly kernel?: string;
  /** Kernels that check every access. Default: with a kernel of the user's own only. */
  readonly checked?: boolean;
}

/** The WebGPU engine's part of a plan; null = decided when the device is known. */
export interface GpuPlan {
  readonly choice: string;
  readonly insert: Insert;
  readonly batchBytes: number | null;
  readonly buffers: number | null;
  readonly memoryBytes: number | null;
  readonly kernel: string | null;
  readonly checked: boolean;
}

/** What the user asked for; everything optional takes its default in `planReplay`. */
export interface ReplayRequest {
  readonly inputs: readonly string[];
  readonly target?: ReplayTarget;
  /** Default `native`; what `auto` means on this machine says `chooseEngine`. */
  readonly engine?: EngineName;
  readonly gpu?: GpuRequest;
  readonly isa?: Isa | 'auto';
  readonly payload?: Payload;
  readonly rewrites?: readonly Rewrite[];
  readonly unique?: Unique;
  readonly seed?: number;
  /** Laps; 0 = until stopped. Default 1, or 0 when `durationSeconds` is given. */
  readonly loop?: number;
  readonly limit?: number;
  readonly durationSeconds?: number;
  readonly threads?: number;
  /** CPU numbers, one per container: producers first, then the stack. */
  readonly cores?: readonly number[];
  readonly placement?: PlacementMode;
  readonly latencySeconds?: number;
  readonly slices?: Slices;
  readonly idle?: IdleStrategy;
  /** Container of source, intake and each unit of the pipeline. Without `placement` it is held. */
  readonly place?: readonly number[];
  readonly ringBytes?: number | 'auto';
  /** The ring finds its size itself: it begins with `ringBytes` and never exceeds that. With `auto` it does so anyway. */
  readonly ringSizing?: 'self';
  readonly readerPolicy?: ReaderPolicy;
  /** For `ring:` targets: how many readers to wait for before the first packet. Default 1. */
  readonly readers?: number;
  readonly pipeline?: string | PipelineSpec;
  readonly digest?: DigestScope;
}

export interface ReplayPlan {
  readonly planVersion: 1;
  readonly inputs: readonly string[];
  readonly target: ReplayTarget;
  readonly engine: EngineName;
  /** Null for the native engine. */
  readonly gpu: GpuPlan | null;
  readonly isa: Isa;
  readonly payload: Payload;
  readonly rewrites: readonly Rewrite[];
  readonly unique: Unique;
  readonly seed: number;
  readonly loop: number;
  readonly limit: number | null;
  readonly durationSeconds: number | null;
  readonly threads: number;
  /** One CPU per container, those of producers first; empty = not pinned. */
  readonly cores: readonly number[];
  readonly placement: PlacementPlan;
  /** The most where the ring sizes itself. */
  readonly ringBytes: number;
  /** What is in use at first: less than `ringBytes` in a ring that may grow. */
  readonly ringStartBytes: number;
  /** `auto`: enlarged at the start if a frame of the trace needs it. `self`: that, and it changes its size while packets flow. */
  readonly ringSizing: 'auto' | 'self' | 'fixed';
  readonly readerPolicy: ReaderPolicy;
  readonly readers: number;
  /** Canonical text of the pipeline; empty unless the target is `stack`. */
  readonly pipeline: string;
  /** The implementation of each of its operations, depth first. */
  readonly variants: readonly string[];
  readonly digest: DigestScope;
}

/** A plan whose pipeline has not been planned yet. */
export type Unchosen = Omit<ReplayPlan, 'variants'>;

/** Read from the statistics page while a run goes on; costs the data path nothing. */
export interface RunSnapshot {
  /** `preparing`: a device is being set up; `waiting`: for readers. */
  readonly phase: 'preparing' | 'waiting' | 'running' | 'draining' | 'done';
  readonly offered: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly bytes: number;
  readonly laps: number;
  readonly seconds: number;
  /** Packets published but not yet consumed by the slowest reader. */
  readonly ringDistance: number;
  /** Of the ring, in use now, and how often that has changed. */
  readonly ringBytes: number;
  readonly ringResizes: number;
  /** Readers found dead, or with a cursor that cannot be. */
  readonly failedReaders: number;
}

/** The ring has this size from then on; distance and rate are of the time before, at the size before. */
export interface RingEvent {
  readonly seconds: number;
  readonly bytes: number;
  /** Packets between producer and slowest reader, weighted moving average. */
  readonly distance: number;
  readonly packetsPerSecond: number;
  /** `smaller`, `larger`: a look at another size; `back`: it was no better; `hold`: it was; `bursts`: the reader stalls in bursts. */
  readonly reason: 'start' | 'smaller' | 'larger' | 'back' | 'hold' | 'bursts';
}

export interface OperationResult {
  readonly name: string;
  readonly container: number;
  readonly core: number;
  readonly variant: string;
  /** Header pass that it ran in; the first of a pass has the cycles of all. Left out: it ran by itself. */
  readonly pass?: number;
  readonly packets: number;
  readonly calls: number;
  readonly cyclesPerPacket: number;
  readonly verdicts: Readonly<Record<string, number>>;
}

export interface RingResult {
  readonly name: string;
  readonly bytes: number;
  readonly descriptors: number;
  readonly hugePages: string;
  /** In use at the end. */
  readonly finalBytes: number;
  /** How a ring that sizes itself did so; at most 1024, then every second one is dropped. */
  readonly events: readonly RingEvent[];
  readonly readers: readonly {
    readonly pid: number;
    readonly policy: ReaderPolicy;
    readonly delivered: number;
    readonly lost: number;
    readonly state: 'drained' | 'detached' | 'died' | 'faulty';
  }[];
}

/** How a run on a GPU was set up and where its time went. Times are sums over the sampled batches. */
export interface GpuOutcome {
  readonly adapter: string;
  readonly kind: 'discrete' | 'integrated' | 'software' | 'unknown';
  readonly driver: string;
  readonly why: string;
  readonly insert: Insert;
  readonly batchBytes: number;
  readonly buffers: number;
  readonly workgroupSize: number;
  readonly packetsPerInvocation: number;
  readonly checked: boolean;
  /** Laps of the trace laid end to end on the device, and the buffers they are cut into. */
  readonly laps: number;
  readonly tiles: number;
  /** The trace is larger than the device memory it may use: each batch is uploaded before it is patched. */
  readonly streamed: boolean;
  /** What was tried at the start, captured slot bytes per second; empty = nothing was. */
  readonly tuning: readonly { readonly batchBytes: number; readonly buffers: number; readonly bytesPerSecond: number }[];
  readonly batches: number;
  /** Bytes that a host core copied on their way from staging memory to the readers. */
  readonly hostCopiedBytes: number;
  /** Batches whose time was taken, and where it went: seconds in the kernels, in the copy to staging, and from then until mapped. */
  readonly timed: {
    readonly batches: number;
    readonly bytes: number;
    readonly kernelSeconds: number;
    readonly copySeconds: number;
    readonly totalSeconds: number;
  };
  /** Share of one core that the JavaScript thread used while it streamed; null where the kernel does not say. */
  readonly threadShare: number | null;
}

/** Where things ran, and what the scheduler did about it. */
export interface PlacementOutcome {
  /** What `auto` came to; else what was asked for. */
  readonly chosen: Exclude<PlacementMode, 'auto'>;
  readonly why: string;
  /** Of the first placement, by the costs known at the start; null = nothing was measured. */
  readonly expectedPacketsPerSecond: number | null;
  /** Of each mode that was possible; 0 = it was not. */
  readonly expected: readonly { readonly mode: PlacementMode; readonly packetsPerSecond: number }[];
  /** Paths side by side: lanes of a replicated run, else one. */
  readonly paths: number;
  /** Elements of a path in order, as `final.containers` numbers them. */
  readonly elements: readonly string[];
  readonly final: Placement;
  readonly actions: readonly ActionRecord[];
  readonly switches: number;
  /** Time during which intake stood still for switches: all of them, and the longest. */
  readonly blockedSeconds: number;
  readonly longestBlockedSeconds: number;
  /** Bursts that came to the end of a path out of turn. */
  readonly disordered: number;
}

export interface ContainerResult {
  readonly name: string;
  /** -1: not pinned. */
  readonly core: number;
  readonly turns: number;
  readonly idleTurns: number;
  /** Share of its time in turns that did something. */
  readonly busy: number;
}

export interface RunOutcome {
  readonly schema: 'model-t/run';
  readonly schemaVersion: string;
  readonly plan: ReplayPlan;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly engine: {
    readonly name: EngineName;
    readonly isa: Isa;
    readonly threads: number;
    /** WebGPU engine only. */
    readonly gpu?: GpuOutcome;
  };
  readonly trace: {
    readonly packets: number;
    readonly bytes: number;
    /** Packets replayed unchanged although a rewrite was asked for, by reason. */
    readonly unchanged: Readonly<Record<string, number>>;
    /** Laps until a rewritten source address is used again; null = nothing is rewritten. */
    readonly periodLaps: number | null;
  };
  readonly totals: {
    readonly offered: number;
    readonly delivered: number;
    readonly dropped: Readonly<Record<string, number>>;
    readonly bytes: number;
    readonly seconds: number;
    readonly packetsPerSecond: number;
    readonly bitsPerSecond: number;
    readonly wireBitsPerSecond: number;
  };
  readonly conserved: boolean;
  /** 16 hex digits over all delivered bytes (see `digestScope`); null where no reader of ours digests (`ring:`). */
  readonly digest: string | null;
  readonly digestScope: DigestScope;
  /** What the scalar reference said about the delivered bytes: laps recomputed and compared. */
  readonly verified: { readonly laps: number; readonly packets: number; readonly ok: boolean };
  readonly stopped: 'end' | 'limit' | 'duration' | 'interrupted' | 'reader-died' | 'failed';
  readonly operations: readonly OperationResult[];
  /** Since 1.3.0, as are containers. */
  readonly placement: PlacementOutcome;
  readonly containers: readonly ContainerResult[];
  readonly rings: readonly RingResult[];
  readonly samples: readonly {
    readonly seconds: number;
    readonly packets: number;
    readonly bytes: number;
    readonly ringDistance: number;
  }[];
}
