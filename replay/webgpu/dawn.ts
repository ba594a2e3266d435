/**
 * The only importer of `webgpu` (Dawn): adapters and devices. Imported lazily, because the library is 70 MB: `--help` and native
 * runs never load it.
 *
 *   choice (--gpu) -> Vulkan with the drivers it needs -> adapters -> chooseAdapter -> device, its failures as ModelTErrors
 *
 * Touches the process: shared libraries that stay loaded, and the driver variables of its environment while Vulkan starts.
 * Called by the engine, by doctor and by tests.
 */
/// <reference types="@webgpu/types" preserve="true" />
import { isMainThread } from 'node:worker_threads';
import { ModelTError } from '../../stack/index.js';
import { type AdapterDescription, adapterKind, chooseAdapter, isSwiftShader, parseAdapterList } from './adapters.js';
import { deviceError, lossError } from './device-errors.js';
import { type Drivers, driversFor } from './drivers.js';

export interface OpenOptions {
  /** `hardware`, `software`, `auto`, or part of an adapter's name. */
  readonly choice: string;
  /** Bounds checks in kernels. Without them SwiftShader takes a third less time, and a wrong index is undefined behaviour. */
  readonly robust: boolean;
  /** `null` compiles and validates everything and runs nothing; `choice` does not matter then. */
  readonly backend?: 'vulkan' | 'null';
}

export interface OpenDevice {
  readonly device: GPUDevice;
  readonly adapter: AdapterDescription;
  /** Why this adapter, for people. */
  readonly why: string;
  /** Called once, with the first failure that no error scope caught, or loss of the device; also if that was before. */
  onFailure(callback: (error: ModelTError) => void): void;
  /** Destroys the device: maps that are pending are rejected with AbortError. A second call does nothing. */
  close(): void;
}

type Dawn = typeof import('webgpu');

/** A GPU object of Dawn that is collected while anything of it is in use takes the process down: one per use, for ever. */
interface Pinned {
  readonly instances: Map<string, GPU>;
  turn: Promise<unknown>;
}
const PINNED = Symbol.for('model-t.webgpu');
const pinned = pinnedState();

/** On the global object, so that a second copy of this module (a test runner's, a bundler's) shares it. */
function pinnedState(): Pinned {
  const place = globalThis as { [PINNED]?: Pinned };
  place[PINNED] ??= { instances: new Map(), turn: Promise.resolve() };
  return place[PINNED];
}

/** No adapter has this name; the refusal lists those that there are. */
const NO_ADAPTER = 'model-t: list the adapters';

/** What kernels and streams use; each is asked for at the best value the adapter has. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
] as const;

export async function openDevice(options: OpenOptions): Promise<OpenDevice> {
  return await exclusively(async () => {
    const dawn = await loadDawn();
    if (options.backend === 'null') return await openNull(dawn, options.robust);
    const adapters = await adaptersFor(dawn, options.choice);
    const { adapter, why } = chooseAdapter(
      options.choice,
      adapters.map((one) => one.description),
    );
    const drivers = adapters.find((one) => one.description === adapter)?.drivers ?? {};
    const found = await requestAdapter(dawn, flags(options.robust, `adapter=${adapter.name}`), drivers);
    if (!found) throw new ModelTError('GPU_NONE', `The GPU adapter "${adapter.name}" is gone`, 3, 'Look at model-t doctor');
    return watched(await requestDevice(found, adapter.name), adapter, why);
  });
}

/** Adapters of this machine, best first. Throws ModelTError (exit code 3) if there is no library or no Vulkan. */
export async function listAdapters(): Promise<AdapterDescription[]> {
  return await exclusively(async () => {
    return (await adaptersFor(await loadDawn(), 'auto')).map((one) => one.description);
  });
}

/** One at a time: the environment is changed while Vulkan starts. */
function exclusively<T>(action: () => Promise<T>): Promise<T> {
  const result = pinned.turn.then(action);
  pinned.turn = result.catch(() => {});
  return result;
}

async function loadDawn(): Promise<Dawn> {
  if (!isMainThread) {
    throw new ModelTError(
      'GPU_THREAD',
      'GPUs are opened on the main thread only',
      3,
      'Move the call there: worker.terminate() would abort the process',
    );
  }
  let dawn: Dawn;
  try {
    dawn = await import('webgpu');
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new ModelTError(
      'GPU_LIBRARY',
      `The npm package webgpu cannot be loaded: ${reason}`,
      3,
      'Run npm ci on x86-64 or arm64 Linux with glibc, or use --engine native',
    );
  }
  // GPUBufferUsage and its like are globals by the standard; Node has none so far.
  for (const [name, value] of Object.entries(dawn.globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return dawn;
}

interface Found {
  readonly description: AdapterDescription;
  readonly drivers: Drivers;
}

/** The software choice looks at SwiftShader alone: a broken GPU driver is not even loaded. */
async function adaptersFor(dawn: Dawn, choice: string): Promise<Found[]> {
  const adapters: Found[] = [];
  const errors: ModelTError[] = [];
  const scopes = scopesFor(choice);
  for (const scope of scopes) {
    if (adapters.some((one) => isSwiftShader(one.description))) break;
    try {
      adapters.push(...(await describeAdapters(dawn, driversFor(scope))));
    } catch (error) {
      if (!(error instanceof ModelTError)) throw error;
      errors.push(error);
    }
  }
  const [first] = errors;
  if (adapters.length > 0 || !first) return adapters;
  if (errors.length === scopes.length) throw first;
  throw new ModelTError('GPU_NONE', `Vulkan shows no adapter. ${first.message}`, 3, first.remedy);
}

/** A Vulkan loader before 1.3.207 cannot add SwiftShader to the drivers of the system: then it is looked at by itself. */
function scopesFor(choice: string): readonly ('all' | 'software')[] {
  const wanted = choice.toLowerCase();
  if (wanted === 'software') return ['software'];
  return wanted === 'hardware' ? ['all'] : ['all', 'software'];
}

async function describeAdapters(dawn: Dawn, drivers: Drivers): Promise<Found[]> {
  const found: Found[] = [];
  for (const { backend, name } of await adapterNames(dawn, drivers)) {
    const adapter = await requestAdapter(dawn, flags(true, `adapter=${name}`), drivers);
    if (adapter) found.push({ description: describe(adapter, backend, name), drivers });
  }
  return found;
}

async function adapterNames(dawn: Dawn, drivers: Drivers): Promise<{ backend: string; name: string }[]> {
  try {
    await requestAdapter(dawn, [`adapter=${NO_ADAPTER}`], drivers);
  } catch (error) {
    const adapters = parseAdapterList(error instanceof Error ? error.message : '');
    if (adapters) return adapters.filter((one) => one.backend === 'vulkan');
    throw error;
  }
  return [];
}

/** Dawn reads the environment within the first call of an instance: afterwards it is as before, for children too. */
async function requestAdapter(dawn: Dawn, words: readonly string[], drivers: Drivers): Promise<GPUAdapter | null> {
  const key = JSON.stringify([words, drivers]);
  const instance = pinned.instances.get(key) ?? dawn.create([...words]);
  pinned.instances.set(key, instance);
  // Without the preference a software driver may come first: it is the loader's order then.
  return await withEnvironment(drivers, () => instance.requestAdapter({ powerPreference: 'high-performance' }));
}

function withEnvironment<T>(changes: Drivers, action: () => T): T {
  const before = Object.keys(changes).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, changes);
  try {
    return action();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** Timestamps are rounded to 65 µs unless told otherwise, and a kernel takes less. */
function flags(robust: boolean, target: string): string[] {
  const always = ['disable-dawn-features=timestamp_quantization', target];
  return robust ? always : ['enable-dawn-features=disable_robustness', ...always];
}

async function openNull(dawn: Dawn, robust: boolean): Promise<OpenDevice> {
  const adapter = await requestAdapter(dawn, flags(robust, 'backend=null'), {});
  if (!adapter) throw new ModelTError('GPU_NONE', 'Dawn has no null backend', 3, 'Install the package webgpu again');
  const description = describe(adapter, 'null', 'null');
  return watched(await requestDevice(adapter, 'null'), description, 'the null backend compiles and runs nothing');
}

async function requestDevice(adapter: GPUAdapter, name: string): Promise<GPUDevice> {
  const requiredLimits = Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]]));
  const requiredFeatures: GPUFeatureName[] = adapter.features.has('timestamp-query') ? ['timestamp-query'] : [];
  try {
    return await adapter.requestDevice({ label: 'model-t', requiredLimits, requiredFeatures });
  } catch (error) {
    throw deviceError(error, `Opening the GPU "${name}"`);
  }
}

function describe(adapter: GPUAdapter, backend: string, name: string): AdapterDescription {
  const { info, limits } = adapter;
  const facts = { vendor: info.vendor, architecture: info.architecture, isSoftware: info.isFallbackAdapter };
  return {
    name,
    vendor: info.vendor,
    architecture: info.architecture,
    driver: info.description,
    kind: backend === 'null' ? 'unknown' : adapterKind(facts),
    backend,
    limits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      minStorageBufferOffsetAlignment: limits.minStorageBufferOffsetAlignment,
    },
    features: [...adapter.features].sort(),
  };
}

/** Uncaught errors that nobody listens to would be printed on standard output, where results go. */
function watched(device: GPUDevice, adapter: AdapterDescription, why: string): OpenDevice {
  let failure: ModelTError | null = null;
  let closed = false;
  const callbacks: ((error: ModelTError) => void)[] = [];
  const fail = (error: ModelTError): void => {
    if (failure || closed) return;
    failure = error;
    for (const callback of callbacks.splice(0)) callback(error);
  };
  device.onuncapturederror = (event) => {
    event.preventDefault();
    fail(deviceError(event.error, `The GPU "${adapter.name}"`));
  };
  void device.lost.then((info) => fail(lossError(adapter.name, info.message)));
  return {
    device,
    adapter,
    why,
    onFailure: (callback) => {
      if (failure) callback(failure);
      else callbacks.push(callback);
    },
    close: () => {
      if (closed) return;
      closed = true;
      device.destroy();
      // Dawn holds on to the callback, and the callback to the device: 40 KB that are never freed.
      device.onuncapturederror = null;
    },
  };
}
