/** Simulated runs of made-up paths, and what came of them, for tests of the policy. Only tests may import this. */
import {
  type ActionRecord,
  exactPartition,
  type MachineModel,
  type Observation,
  type Placement,
  type PolicySetup,
  platformOf,
  presetMachine,
} from '../../../stack/index.js';
import { type Simulated, type Simulation, trueRate, truth } from '../../../stack/scheduler/simulator.js';
import { everyCut, pathOf } from './paths.js';

export const COUNTS = [...Array(10).keys()];
export const placement = (containers: readonly number[], changes: Partial<Placement> = {}): Placement => ({
  ...{ containers, window: 8, sliceBursts: 4, fillPackets: 0, slices: 'horizontal' },
  ...changes,
});

/** Ten operations, the one at `slow` ten times slower than the others; the policy believes that all elements cost the same. */
export function simulationOf(name: string, containers: number, slow: number, changes: Partial<Simulation> = {}): Simulation {
  const model = presetMachine(name) as MachineModel;
  const cycles = [9.4, 8, ...COUNTS.map((at) => (at === slow ? 120 : 12))];
  return {
    mode: 'auto',
    model,
    cpus: model.cores
      .filter(({ kind }) => kind === 'cpu')
      .slice(0, containers)
      .map(({ cpu }) => cpu),
    path: pathOf(cycles.map(() => 10)),
    latencySeconds: 1e-3,
    canPrefetch: false,
    start: placement(cycles.map(() => 0)),
    seconds: 2,
    trueCycles: () => cycles,
    noise: 0.1,
    seed: slow + 1,
    ...changes,
  };
}

export function worstOn(simulation: Simulation, containers: number): readonly number[] {
  const { path } = truth(simulation, 0);
  const layouts = everyCut(path, platformOf(simulation.model, simulation.cpus.slice(0, containers), 256));
  return layouts.reduce((worst, layout) => (layout.bottleneck > worst.bottleneck ? layout : worst)).containers;
}

export function shareOfExact(simulation: Simulation, { placement: { containers } }: Simulated): number {
  const { path, platform } = truth(simulation, simulation.seconds);
  return trueRate(simulation, { containers }, simulation.seconds) / exactPartition(path, platform).packetsPerSecond;
}

export const moves = ({ actions }: Pick<Simulated, 'actions'>): ActionRecord[] =>
  actions.filter((action) => action.placement !== undefined);

/** An observation of a path whose container is busy all the time. */
export function still(
  { cpus, path }: PolicySetup,
  where: Placement,
  seconds: number,
  changes: Partial<Observation> = {},
): Observation {
  return {
    seconds,
    interval: 0.01,
    packets: 1e5,
    placement: where,
    switching: false,
    elements: path.elements.map(({ name, cycles }) => ({ name, packets: 1e5, cyclesPerPacket: cycles })),
    containers: cpus.map((cpu) => ({ cpu, state: 'running', busy: 1, silentSeconds: 0, waited: 0 })),
    ring: { distance: 500, capacity: 1000 },
    ...changes,
  };
}
