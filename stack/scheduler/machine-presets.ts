/** Machines by name, to plan for and to test on what is not at hand. Pure data; called by commands and tests. */
import type { Core, MachineModel } from './machine-model.js';
import { DEFAULT_MEASUREMENTS } from './measurements.js';

interface Shape {
  readonly cores: number;
  readonly hz: number;
  /** Cores per L2 and per L3. */
  readonly perL2: number;
  readonly perL3: number;
  readonly perNode?: number;
  /** Hardware threads of a core. */
  readonly threads?: number;
  readonly l2: number;
  readonly l3: number;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;

function coresOf({ cores, perL2, perL3, perNode = cores, threads = 1 }: Shape): Core[] {
  return Array.from({ length: cores * threads }, (_, cpu) => {
    const core = cpu % cores;
    return {
      cpu,
      kind: 'cpu',
      speed: 1,
      l2: Math.floor(core / perL2),
      l3: Math.floor(core / perL3),
      core,
      node: Math.floor(core / perNode),
    };
  });
}

function machine(name: string, shape: Shape, cores: readonly Core[] = coresOf(shape)): MachineModel {
  return {
    name,
    hz: shape.hz,
    isas: ['scalar', 'avx2'],
    cores,
    quota: null,
    caches: { l1: 32 * KIB, l2: shape.l2, l3: shape.l3 },
    measurements: DEFAULT_MEASUREMENTS,
  };
}

const PRIVATE: Shape = { cores: 8, hz: 2.6e9, perL2: 1, perL3: 8, l2: 2 * MIB, l3: 32 * MIB };
const GPU: Omit<Core, 'cpu'> = { kind: 'gpu', speed: 1, l2: null, l3: null, core: 1000, node: 0 };

/** Six fast cores with an L2 each, ten slow ones in clusters of four and two around theirs. */
function hybridCores(): Core[] {
  return Array.from({ length: 16 }, (_, cpu) => {
    const l2 = cpu < 6 ? cpu : 6 + Math.floor((cpu - 6) / 4);
    return { cpu, kind: 'cpu', speed: cpu < 6 ? 1 : 0.55, l2, l3: 0, core: cpu, node: 0 };
  });
}

export const MACHINE_PRESETS: readonly MachineModel[] = [
  machine('2-shared', { ...PRIVATE, cores: 2, hz: 2e9, perL2: 2, perL3: 2, l2: 4 * MIB, l3: 0 }),
  machine('8-private', PRIVATE),
  machine('8-shared', { ...PRIVATE, perL2: 4, l2: 4 * MIB }),
  machine('8-smt', { ...PRIVATE, threads: 2 }),
  machine('8-gpu', PRIVATE, [...coresOf(PRIVATE), { ...GPU, cpu: 8 }]),
  machine('16-hybrid', { ...PRIVATE, cores: 16, perL3: 16 }, hybridCores()),
  machine('64-private', { ...PRIVATE, cores: 64, perL3: 8, perNode: 64 }),
  machine('64-shared', { ...PRIVATE, cores: 64, perL2: 4, perL3: 64, l2: 4 * MIB, l3: 64 * MIB }),
  machine('128-private', { ...PRIVATE, cores: 128, perL3: 64, perNode: 64, l3: 256 * MIB }),
];

export function presetMachine(name: string): MachineModel | undefined {
  return MACHINE_PRESETS.find((model) => model.name === name);
}
