/** A placement as `model-t plan` prints it: elements by container, expected rates, the alternatives, or JSON. Pure. */
import { type Expectation, type MachineModel, type PathCosts, type PlacementChoice, rangesOf } from '../stack/index.js';
import { aligned, counted, decimal, rates } from './format.js';

/** Additive changes raise the second number, others the first. */
const SCHEMA_VERSION = '1.0';
const MODES = ['replicated', 'fused', 'piped', 'paper'] as const;

export interface PlacementReport {
  readonly pipeline: string;
  readonly model: MachineModel;
  readonly path: PathCosts;
  readonly choice: PlacementChoice;
  readonly frameBytes: number;
}

export function placementLines({ pipeline, model, path, choice, frameBytes }: PlacementReport): string[] {
  const { expected, mode, placement, lanes } = choice;
  const { containers } = expected[mode];
  const rate = expected[mode].packetsPerSecond;
  return [
    ...aligned([
      ['machine', `${model.name}: ${machineText(model)}`],
      ['pipeline', pipeline],
      ['placement', `${mode} on ${counted(containers, 'core')}${lanes > 1 ? ', a whole chain on each' : ''}`],
      ['expected', `${rates(rate, rate * frameBytes, 1)} (${frameBytes} B captured)`],
      ['why', choice.reason],
      [
        'slices',
        `${counted(placement.sliceBursts, 'burst')} of ${path.burst}, ${placement.window} under way, ${placement.slices}`,
      ],
    ]),
    '',
    ...containerLines(path, choice),
    '',
    ...MODES.map((each) => `${each === mode ? '*' : '-'} ${each.padEnd(10)}  ${expectationText(expected[each], frameBytes)}`),
    `joining as in the paper against the exact planner: ${(choice.greedyGap * 100).toFixed(1)} % longer in the slowest container`,
  ];
}

function machineText({ cores, hz, quota }: MachineModel): string {
  const cpus = cores.filter(({ kind }) => kind === 'cpu');
  const physical = new Set(cpus.map(({ core }) => core)).size;
  const groups = (level: 'l2' | 'l3'): number => new Set(cpus.map((core) => core[level] ?? `own ${core.core}`)).size;
  const parts = [
    counted(physical, 'core'),
    ...(cpus.length > physical ? [`${cpus.length} hardware threads`] : []),
    ...(cpus.length < cores.length ? ['a GPU as source'] : []),
    `${groups('l2')} L2, ${groups('l3')} L3`,
    decimal(hz, 'Hz'),
    ...(quota === null ? [] : [`quota ${quota}`]),
  ];
  return parts.join(', ');
}

function containerLines(path: PathCosts, { placement, cpus, expected, mode, lanes }: PlacementChoice): string[] {
  const cycles = expected[mode].layout?.cycles ?? [];
  const outside = placement.containers[0] === -1 ? [`outside: source, one packet in ${elementText(path, 0)}`] : [];
  const ranges = rangesOf(placement.containers).map(({ container, from, to }) => {
    const names = path.elements.slice(from, to).map((_, at) => elementText(path, from + at));
    const where = lanes > 1 ? `each of CPU ${cpus.join(',')}` : `CPU ${cpus[container]}`;
    return `${where}: ${(cycles[container] ?? 0).toFixed(1)} cycles per packet: ${names.join('  >  ')}`;
  });
  return [...outside, ...ranges];
}

function elementText({ elements }: PathCosts, at: number): string {
  const element = elements[at];
  return element ? `${element.name} ${element.cycles.toFixed(1)}${element.basis === 'declared' ? ' (declared)' : ''}` : '';
}

function expectationText({ obstacle, packetsPerSecond, containers }: Expectation, frameBytes: number): string {
  if (obstacle !== null) return `not possible: ${obstacle}`;
  return `${decimal(packetsPerSecond, 'pps')}, ${decimal(8 * packetsPerSecond * frameBytes, 'bit/s')} L2 on ${counted(containers, 'core')}`;
}

export function placementJson({ pipeline, model, path, choice, frameBytes }: PlacementReport): object {
  const rate = choice.expected[choice.mode].packetsPerSecond;
  return {
    schema: 'model-t/placement',
    schemaVersion: SCHEMA_VERSION,
    machine: model,
    pipeline,
    frameBytes,
    path,
    ...choice,
    packetsPerSecond: rate,
    bitsPerSecond: rate * frameBytes * 8,
  };
}
