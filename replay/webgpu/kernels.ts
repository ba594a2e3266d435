/**
 * The kernels of the webgpu engine: WGSL pieces from replay/kernels put together by explicit lists, with the bindings that each
 * one needs. Text and data only: reads the pieces from disk once, touches no device. The stream code makes pipelines of them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../stack/index.js';

export type BindingName =
  | 'image'
  | 'parameters'
  | 'host4'
  | 'fixed4'
  | 'sums4'
  | 'place4'
  | 'extra4'
  | 'rows6'
  | 'packets'
  | 'report';

export interface KernelBinding<Name extends string = BindingName> {
  readonly name: Name;
  /** The binding's number in group 0. */
  readonly number: number;
  /** As GPUBufferBindingLayout.type. */
  readonly type: 'storage' | 'read-only-storage' | 'uniform';
}

export interface Kernel<Name extends string = BindingName> {
  readonly label: string;
  /** WGSL; its only entry point is ENTRY_POINT. */
  readonly text: string;
  readonly bindings: readonly KernelBinding<Name>[];
  /** What PACKETS_PER_INVOCATION should be whatever is tuned: a loop round a user's text can take SwiftShader minutes to compile. */
  readonly packetsPerInvocation?: number;
}

export interface KernelOptions {
  /** Every store is tested against the image's length; those outside are dropped and counted in report[0]. */
  readonly checked: boolean;
}

export const ENTRY_POINT = 'main';
/** Names of the overrides of every kernel, for `compute.constants`. */
export const OVERRIDES = { workgroupSize: 'WORKGROUP_SIZE', packetsPerInvocation: 'PACKETS_PER_INVOCATION' } as const;
/** Bytes of immediates (`immediateSize` of the pipeline layout). */
export const IMMEDIATE_BYTES = 32;
/** Bytes of the uniform `parameters`. */
export const PARAMETER_BYTES = 128;
/** Bytes of the `report` buffer, four words that the caller clears: see REPORT. */
export const REPORT_BYTES = 16;
/** Word numbers in the report. */
export const REPORT = { storesOutOfBounds: 0, packetsOutOfBudget: 1, firstOutOfBudget: 2 } as const;

const IMAGE: KernelBinding = { name: 'image', number: 0, type: 'storage' };
const PARAMETERS: KernelBinding = { name: 'parameters', number: 1, type: 'uniform' };
const REPORT_BINDING: KernelBinding = { name: 'report', number: 7, type: 'storage' };

const COLUMNS4: readonly KernelBinding[] = (['host4', 'fixed4', 'sums4', 'place4', 'extra4'] as const).map((name, i) => ({
  name,
  number: 2 + i,
  type: 'read-only-storage',
}));

/** The bindings of a user kernel; user-kernel.ts composes its text. */
export const USER_BINDINGS: readonly KernelBinding[] = [
  IMAGE,
  PARAMETERS,
  { name: 'packets', number: 2, type: 'read-only-storage' },
  REPORT_BINDING,
];

/** Gives IPv4 packets their new source addresses; rows are those of the columns *4. */
export function patchIp4(options: KernelOptions): Kernel {
  return patch('patch-ip4', ['halves', 'permutation', 'checksum'], COLUMNS4, options);
}

/** Gives IPv6 packets their new source addresses. */
export function patchIp6(options: KernelOptions): Kernel {
  return patch('patch-ip6', ['halves', 'wide', 'checksum'], [{ name: 'rows6', number: 2, type: 'read-only-storage' }], options);
}

function patch(label: string, pieces: readonly string[], tables: readonly KernelBinding[], { checked }: KernelOptions): Kernel {
  const store = checked ? ['report', 'store-checked'] : ['store-plain'];
  return {
    label: checked ? `${label} (checked)` : label,
    text: compose(['pass', 'parameters', 'image', ...pieces, ...store, label]),
    bindings: [IMAGE, PARAMETERS, ...tables, ...(checked ? [REPORT_BINDING] : [])],
  };
}

/** The pieces of these names, in this order. */
export function compose(names: readonly string[]): string {
  return names.map(piece).join('\n');
}

const pieces = new Map<string, string>();

/** Text of replay/kernels/NAME.wgsl. */
export function piece(name: string): string {
  const known = pieces.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(join(packageRoot(), 'replay/kernels', `${name}.wgsl`), 'utf8');
  pieces.set(name, text);
  return text;
}
