/**
 * Adapters as plain data, and the choice among them by `--gpu`. Pure: no GPU, no files. Called by dawn.ts and its tests.
 */
import { ModelTError } from '../../stack/index.js';

export type AdapterKind = 'discrete' | 'integrated' | 'software' | 'unknown';

export interface AdapterLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly minStorageBufferOffsetAlignment: number;
}

export interface AdapterDescription {
  /** As the driver spells it, for example `SwiftShader Device (Subzero)`; `--gpu` takes any part of it. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string;
  readonly kind: AdapterKind;
  readonly backend: string;
  readonly limits: AdapterLimits;
  readonly features: readonly string[];
}

/** What WebGPU tells about an adapter. */
export interface AdapterFacts {
  readonly vendor: string;
  readonly architecture: string;
  readonly isSoftware: boolean;
}

export interface Choice {
  readonly adapter: AdapterDescription;
  readonly why: string;
}

/** Every adapter, one per line, in the library's own order; null = not that message. */
export function parseAdapterList(message: string): { backend: string; name: string }[] | null {
  if (!/Available adapters/.test(message)) return null;
  const found = [...message.matchAll(/^\s*\* backend: '([^'\n]*)', name: '(.*)'\s*$/gm)];
  const adapters = found.map((match) => ({ backend: match[1] ?? '', name: match[2] ?? '' }));
  return adapters.filter(
    (one, index) => adapters.findIndex((other) => other.name === one.name && other.backend === one.backend) === index,
  );
}

/**
 * WebGPU hides whether a GPU has memory of its own. NVIDIA's desktop and server parts do; Intel's do from the `xe-hpg` and
 * `xe-2-hpg` lines on; the rest is left open. Only for people to read: nothing is decided by it except software or not.
 */
export function adapterKind(facts: AdapterFacts): AdapterKind {
  if (facts.isSoftware || facts.architecture === 'swiftshader' || facts.architecture === 'llvmpipe') return 'software';
  if (facts.vendor === 'nvidia') return 'discrete';
  if (facts.vendor === 'intel') return /hpg/.test(facts.architecture) ? 'discrete' : 'integrated';
  return 'unknown';
}

/**
 * The adapter for a `--gpu` value. `adapters` are in order of preference (discrete, integrated, software), as Dawn sorts them
 * when asked for high performance.
 */
export function chooseAdapter(choice: string, adapters: readonly AdapterDescription[]): Choice {
  const hardware = adapters.filter((adapter) => adapter.kind !== 'software');
  const software = adapters.find(isSwiftShader);
  switch (choice.toLowerCase()) {
    case 'hardware':
      if (hardware[0]) return { adapter: hardware[0], why: hardwareReason(hardware) };
      throw noAdapter(choice, adapters, 'Install the Vulkan driver of the GPU, or use --gpu software or --engine native');
    case 'software':
      if (software) return { adapter: software, why: 'the software GPU was asked for' };
      throw noAdapter(choice, adapters, 'Install the optional package @sparticuz/chromium, or use --engine native');
    case 'auto': {
      const adapter = hardware[0] ?? software ?? adapters[0];
      if (!adapter) throw noAdapter(choice, adapters, 'Install the Vulkan driver of the GPU, or use --engine native');
      return { adapter, why: hardware[0] ? hardwareReason(hardware) : 'there is no hardware GPU; this one runs on the CPU' };
    }
    default:
      return namedAdapter(choice, adapters);
  }
}

function hardwareReason(hardware: readonly AdapterDescription[]): string {
  return hardware.length === 1
    ? 'the only hardware GPU'
    : `the first of ${hardware.length} hardware GPUs (${adapterNames(hardware)})`;
}

/** Ours, and Chromium's: the one that this version is tested on. */
export function isSwiftShader(adapter: AdapterDescription): boolean {
  return adapter.architecture === 'swiftshader';
}

function namedAdapter(choice: string, adapters: readonly AdapterDescription[]): Choice {
  const wanted = choice.trim().toLowerCase();
  const matches = wanted === '' ? [] : adapters.filter((adapter) => adapter.name.toLowerCase().includes(wanted));
  const exact = matches.find((adapter) => adapter.name.toLowerCase() === wanted);
  const adapter = exact ?? matches[0];
  if (!adapter) {
    throw new ModelTError(
      'GPU_UNKNOWN',
      `--gpu ${JSON.stringify(choice)} names no adapter here`,
      2,
      `Adapters: ${adapterNames(adapters)}; or use auto, hardware or software`,
    );
  }
  const others = exact ? 0 : matches.length - 1;
  return { adapter, why: `asked for by name${others > 0 ? `; the first of ${matches.length} that the name fits` : ''}` };
}

function noAdapter(choice: string, adapters: readonly AdapterDescription[], remedy: string): ModelTError {
  const what = choice === 'auto' ? 'No usable GPU adapter' : `No ${choice} GPU adapter`;
  return new ModelTError('GPU_NONE', `${what} was found (adapters: ${adapterNames(adapters)})`, 3, remedy);
}

function adapterNames(adapters: readonly AdapterDescription[]): string {
  return adapters.map((adapter) => `"${adapter.name}"`).join(', ') || 'none';
}
