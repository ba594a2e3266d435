/**
 * A machine as the planner sees it: cores with speeds and what they share, and what things cost there. Made from the machine
 * at hand (`modelOf`), from a file (machine-file.ts), or by name (machine-presets.ts). Pure.
 *
 *   cpu 0 ─┐ physical core 0 ─┐
 *   cpu 8 ─┘                  ├─ L2 0 ─┐
 *   cpu 1 ── physical core 1 ─┘        ├─ L3 0 ── node 0        two cores share the nearest of these, or none
 *   cpu 2 ── physical core 2 ─── L2 1 ─┘
 */
import type { InstructionSet, Machine } from '../machine.js';
import { DEFAULT_MEASUREMENTS, type Measurements, type Sharing } from './measurements.js';

export interface Core {
  /** As the kernel numbers it; of a GPU any number that no other core has. */
  readonly cpu: number;
  /** Containers run on CPUs; a GPU can only be the source. */
  readonly kind: 'cpu' | 'gpu';
  /** Of the machine's ordinary cores; 0.5 takes twice the time. */
  readonly speed: number;
  /** Groups: cores with the same number share the cache; null = nobody shares it. */
  readonly l2: number | null;
  readonly l3: number | null;
  /** Hardware threads of one physical core have the same number. */
  readonly core: number;
  readonly node: number;
}

export interface MachineModel {
  readonly name: string;
  /** Time-stamp cycles per second. */
  readonly hz: number;
  readonly isas: readonly InstructionSet[];
  readonly cores: readonly Core[];
  /** CPUs' worth of time that may be used; null = all. */
  readonly quota: number | null;
  /** Bytes of one cache of each level; 0 = there is none. */
  readonly caches: { readonly l1: number; readonly l2: number; readonly l3: number };
  readonly measurements: Measurements;
}

/** Where no counter's rate can be read. */
const UNKNOWN_HZ = 2.5e9;

export function modelOf(machine: Machine, measurements: Measurements = DEFAULT_MEASUREMENTS): MachineModel {
  const groupAt = (level: number, cpu: number): number | null => {
    const groups = machine.cacheGroups.find((cache) => cache.level === level)?.groups ?? [];
    const index = groups.findIndex((group) => group.includes(cpu));
    return index < 0 ? null : index;
  };
  const cacheAt = (level: number): number => machine.caches.find((cache) => cache.level === level)?.bytes ?? 0;
  return {
    name: machine.hostname,
    hz: machine.timeStampHz ?? UNKNOWN_HZ,
    isas: machine.isas,
    quota: machine.cpuQuota,
    cores: machine.cpus.map((cpu) => ({
      cpu,
      kind: 'cpu',
      speed: 1,
      l2: groupAt(2, cpu),
      l3: groupAt(3, cpu),
      core: machine.cores.findIndex((threads) => threads.includes(cpu)),
      node: machine.nodes.find(({ cpus }) => cpus.includes(cpu))?.node ?? 0,
    })),
    caches: { l1: cacheAt(1), l2: cacheAt(2), l3: cacheAt(3) },
    measurements,
  };
}

export function sharingOf(a: Core, b: Core): Sharing {
  if (a.kind !== b.kind) return 'none';
  if (a.core === b.core) return 'core';
  if (a.l2 !== null && a.l2 === b.l2) return 'l2';
  return a.l3 !== null && a.l3 === b.l3 ? 'l3' : 'none';
}

/**
 * CPUs in the order in which containers take them: first one thread of every core, fast cores first; neighbours in the list
 * share as much as can be, so that the first few are one sharing domain (rule 2).
 */
export function containerOrder(model: MachineModel): readonly Core[] {
  const cores = model.cores.filter(({ kind }) => kind === 'cpu');
  const threadOf = (core: Core): number => cores.filter((other) => other.core === core.core).indexOf(core);
  const keys = new Map(
    cores.map((core) => [core, [threadOf(core), -core.speed, core.node, core.l3 ?? core.node, core.l2 ?? core.core, core.core]]),
  );
  return [...cores].sort((a, b) => {
    const [x, y] = [keys.get(a) ?? [], keys.get(b) ?? []];
    const at = x.findIndex((value, index) => value !== y[index]);
    return at < 0 ? 0 : (x[at] ?? 0) - (y[at] ?? 0);
  });
}

/** CPUs for at most `most` containers, best first; no more than the quota has time for. */
export function containerCpus(model: MachineModel, most = Number.POSITIVE_INFINITY): number[] {
  const granted = Math.max(1, Math.floor(model.quota ?? Number.POSITIVE_INFINITY));
  return containerOrder(model)
    .slice(0, Math.max(1, Math.min(most, granted)))
    .map(({ cpu }) => cpu);
}
