/** A context of made-up doors: commands run against it without an addon, a clock or a process. */

import { runCommandLine } from '../../harness/cli.js';
import type { Context } from '../../harness/context.js';
import type { GpuSurvey, ReplayPlan, ReplayRequest, RunOutcome, RunSnapshot, SourceInfo, TraceInfo } from '../../replay/index.js';
import type { Accelerator, Calibrate, Machine, StackNative } from '../../stack/index.js';
import { ModelTError } from '../../stack/index.js';

export const MACHINE: Machine = {
  hostname: 'made-up',
  model: 'Made-up CPU',
  architecture: 'x64',
  kernel: '6.1.0',
  isas: ['scalar', 'avx2'],
  cpus: [0, 1],
  onlineCpus: [0, 1],
  cores: [[0], [1]],
  coreKinds: [[0, 1]],
  cpuQuota: null,
  caches: [{ level: 1, type: 'data', bytes: 49152, lineBytes: 64, ways: 12, sets: 64, sharedBy: [0] }],
  cacheGroups: [{ level: 1, groups: [[0], [1]] }],
  nodes: [{ node: 0, cpus: [0, 1] }],
  timeStampHz: 2.5e9,
  memoryBytes: 2 ** 33,
  availableBytes: 2 ** 32,
  hugePages: { bytes: 2 ** 21, total: 0, free: 0, transparent: 'madvise', shared: 'never' },
};

export const GPU: GpuSurvey = {
  nodes: [],
  softwarePackage: '1.2.3',
  adapters: [
    {
      name: 'Made-up Device (Soft)',
      vendor: 'google',
      architecture: 'swiftshader',
      driver: 'Soft driver 5',
      kind: 'software',
      backend: 'vulkan',
      limits: {
        maxBufferSize: 2 ** 30,
        maxStorageBufferBindingSize: 2 ** 29,
        maxComputeInvocationsPerWorkgroup: 256,
        maxComputeWorkgroupsPerDimension: 65535,
        maxStorageBuffersPerShaderStage: 12,
        minStorageBufferOffsetAlignment: 256,
      },
      features: ['timestamp-query'],
    },
  ],
  auto: { engine: 'native', why: 'this machine has no GPU' },
  chosen: { adapter: 'Made-up Device (Soft)', why: 'there is no other' },
  readBack: { batchBytes: 2 ** 22, buffers: 3, seconds: 0.3, bytesPerSecond: 5e9 },
  problem: null,
};

export const SOURCE: SourceInfo = {
  path: 'a.pcap',
  format: 'pcap µs le',
  packets: 1000,
  bytes: 60000,
  linkTypes: [{ value: 1, name: 'Ethernet', packets: 1000 }],
  skipped: {},
  truncated: null,
};

export const TRACE: TraceInfo = {
  packets: 1000,
  bytes: 60000,
  slotBytes: 64000,
  sources: [SOURCE],
  firstTimeNs: 1_000_000_000n,
  lastTimeNs: 3_000_000_000n,
  backwardTimestamps: 0,
  snaplenTruncated: 0,
  smallest: 60,
  largest: 60,
  headerGiven: 0,
};

export function planOf(request: ReplayRequest): ReplayPlan {
  return {
    planVersion: 1,
    inputs: request.inputs,
    target: request.target ?? { kind: 'stack' },
    engine: request.engine ?? 'native',
    gpu: null,
    isa: request.isa === undefined || request.isa === 'auto' ? 'avx2' : request.isa,
    payload: request.payload ?? 'copy',
    rewrites: request.rewrites ?? [],
    unique: request.unique ?? 'flow',
    seed: request.seed ?? 1,
    loop: request.loop ?? 1,
    limit: request.limit ?? null,
    durationSeconds: request.durationSeconds ?? null,
    threads: request.threads ?? 1,
    cores: request.cores ?? [],
    placement: {
      mode: request.placement ?? 'fused',
      latencySeconds: 0.001,
      slices: 'horizontal',
      idle: 'backoff',
      start: null,
      moves: true,
    },
    ringBytes: typeof request.ringBytes === 'number' ? request.ringBytes : 4 << 20,
    ringStartBytes: typeof request.ringBytes === 'number' ? request.ringBytes : 512 << 10,
    ringSizing: typeof request.ringBytes === 'number' ? 'fixed' : 'auto',
    readerPolicy: request.readerPolicy ?? 'block',
    readers: request.readers ?? 1,
    pipeline: typeof request.pipeline === 'string' ? request.pipeline : 'eth | ip4 | count',
    variants: [],
    digest: request.digest ?? 'full',
  };
}

export function outcomeOf(plan: ReplayPlan, changes: Partial<RunOutcome> = {}): RunOutcome {
  return {
    schema: 'model-t/run',
    schemaVersion: '1.0',
    plan,
    machine: { ...MACHINE },
    engine: { name: 'native', isa: plan.isa, threads: plan.threads },
    trace: { packets: 1000, bytes: 60000, unchanged: {}, periodLaps: plan.rewrites.length > 0 ? 4194304 : null },
    totals: {
      offered: 1000,
      delivered: 1000,
      dropped: {},
      bytes: 60000,
      seconds: 0.5,
      packetsPerSecond: 2000,
      bitsPerSecond: 960_000,
      wireBitsPerSecond: 1_344_000,
    },
    conserved: true,
    digest: '0123456789abcdef',
    digestScope: plan.digest,
    verified: { laps: 1, packets: 1000, ok: true },
    stopped: 'end',
    operations: [
      {
        name: 'eth',
        container: 0,
        core: 1,
        variant: 'avx2',
        packets: 1000,
        calls: 4,
        cyclesPerPacket: 3.25,
        verdicts: { ip4: 1000 },
      },
    ],
    placement: {
      chosen: 'fused',
      why: 'it was asked for',
      expected: [],
      expectedPacketsPerSecond: null,
      paths: 1,
      elements: ['source', 'intake', 'eth'],
      final: { containers: [0, 1, 1], window: 1, sliceBursts: 16, fillPackets: 0, slices: 'horizontal' },
      actions: [],
      switches: 0,
      blockedSeconds: 0,
      longestBlockedSeconds: 0,
      disordered: 0,
    },
    containers: [
      { name: 'model-t stack 0', core: 0, turns: 10, idleTurns: 1, busy: 0.5 },
      { name: 'model-t stack 1', core: 1, turns: 10, idleTurns: 5, busy: 0.25 },
    ],
    rings: [],
    samples: [],
    ...changes,
  };
}

export interface FakeRun {
  /** How the run ends; `hang` waits for a stop or an abort. */
  readonly changes?: Partial<RunOutcome>;
  readonly hang?: boolean;
  /** Ends by itself, but only after this time. */
  readonly endAfterMs?: number;
  readonly trace?: Partial<TraceInfo>;
  /** Loading never ends. */
  readonly loadForever?: boolean;
  /** A live trace that breaks with this while it is replayed. */
  readonly breaks?: ModelTError;
  readonly environment?: Record<string, string>;
  readonly terminal?: boolean;
  /** Thrown by the addon. */
  readonly addonProblem?: ModelTError;
  readonly packageRoot?: string;
  readonly gpu?: GpuSurvey;
  readonly calibrate?: Calibrate;
  readonly machine?: Machine;
  /** What `openAccelerator` opens; left out, this machine has none. */
  readonly accelerator?: Accelerator;
  readonly runQueue?: StackNative['runQueue'];
}

export interface Result {
  readonly exitCode: number;
  readonly error: ModelTError | null;
  readonly out: readonly string[];
  readonly err: readonly string[];
  readonly requests: readonly ReplayRequest[];
  readonly calls: readonly string[];
}

/** Runs one command line to its end. `signals` is how often SIGINT arrives once the run waits. */
export async function invoke(words: readonly string[], fake: FakeRun = {}, signals = 0): Promise<Result> {
  const out: string[] = [];
  const err: string[] = [];
  const requests: ReplayRequest[] = [];
  const calls: string[] = [];
  const interrupts = new Set<() => void>();
  const interruptAll = (): void => {
    for (const interrupt of [...interrupts]) interrupt();
  };
  const context: Context = {
    replay: {
      tracePackets: () => ({
        bytes: new Uint8Array(),
        offsets: new Uint32Array(),
        lengths: new Uint32Array(),
        times: new BigUint64Array(),
      }),
      openTrace: async (inputs) => {
        calls.push('open');
        if (fake.loadForever) {
          setImmediate(interruptAll);
          return await new Promise<never>(() => {});
        }
        const loaded = fake.breaks ? Promise.reject(fake.breaks) : Promise.resolve();
        return {
          inputs,
          live: fake.breaks !== undefined,
          loaded,
          info: () => ({ ...TRACE, ...fake.trace }),
          close: () => calls.push('close'),
        };
      },
      planReplay: (request) => {
        requests.push(request);
        return planOf(request);
      },
      chooseEngine: async (request) => ({ engine: request.engine ?? 'native', why: 'made up' }),
      measureTraceCopy: () => 12e9,
      measureStagedCopy: () => 11e9,
      measureAdapterReadBack: async (choice) => ({ adapter: choice, bytesPerSecond: 10e9, batches: 100 }),
      surveyGpu: async () => fake.gpu ?? GPU,
      openAccelerator: async () => {
        calls.push('accelerator');
        if (fake.accelerator) return fake.accelerator;
        throw new ModelTError('GPU_NONE', 'Vulkan shows no adapter', 3, 'Look at model-t doctor');
      },
      startReplay: (_trace, plan) => {
        calls.push('start');
        let end = (_outcome: RunOutcome): void => {};
        const outcome = new Promise<RunOutcome>((resolve) => {
          end = resolve;
        });
        const stopped = outcomeOf(plan, { stopped: 'interrupted', ...fake.changes });
        if (fake.endAfterMs !== undefined) setTimeout(() => end(outcomeOf(plan, fake.changes)), fake.endAfterMs);
        else if (!fake.hang) end(outcomeOf(plan, fake.changes));
        const stop = (): void => {
          calls.push('stop');
          if (signals < 2) end(stopped);
        };
        const abort = (): void => {
          calls.push('abort');
          end(stopped);
        };
        setImmediate(() => {
          for (let sent = 0; sent < signals; sent++) interruptAll();
        });
        let seconds = 0;
        const snapshot = (): RunSnapshot => {
          seconds++;
          return {
            phase: 'running',
            offered: 0,
            delivered: 1000 * seconds,
            dropped: 0,
            bytes: 60000 * seconds,
            laps: 0,
            seconds,
            failedReaders: 0,
            ringDistance: 0,
            ringBytes: 512 << 10,
            ringResizes: 0,
          };
        };
        return { snapshot, stop, abort, outcome };
      },
    },
    native: {
      runQueue:
        fake.runQueue ??
        (async () => {
          throw new Error('no queue in this test');
        }),
      runProgram: () => {
        throw new Error('no program in this test');
      },
      stopQueues: () => {},
      measureHop: () => Promise.reject(new Error('no hop in this test')),
      bpfCompare: () => ({ libpcap: 0, interpreter: 1, native: 1 }),
      matchCompare: () => [],
      measureCopy: () => 12e9,
      cpuIsas: () => {
        if (fake.addonProblem) throw fake.addonProblem;
        return ['scalar', 'avx2'];
      },
    },
    describeMachine: () => fake.machine ?? MACHINE,
    ...(fake.calibrate && { calibrate: fake.calibrate }),
    environment: fake.environment ?? {},
    packageRoot: fake.packageRoot ?? '/package',
    print: (line) => out.push(line),
    note: (line) => err.push(line),
    status: fake.terminal ? (line) => err.push(`status ${line}`) : null,
    onInterrupt: (callback) => {
      interrupts.add(callback);
      return () => interrupts.delete(callback);
    },
  };
  try {
    const exitCode = await runCommandLine(words, '1.2.3', context);
    return { exitCode, error: null, out, err, requests, calls };
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    return { exitCode: error.exitCode, error, out, err, requests, calls };
  }
}
