/** Machine models: hops, orders of cores, files and what is refused in them, presets, and the model of a described machine. */
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import {
  type Core,
  containerCpus,
  DEFAULT_MEASUREMENTS,
  hopCycles,
  MACHINE_PRESETS,
  type MachineModel,
  ModelTError,
  modelOf,
  parseMachineModel,
  presetMachine,
  sharingOf,
} from '../../../stack/index.js';
import { MACHINE } from '../../harness/fake.js';

const schema = JSON.parse(
  readFileSync(new URL('../../../harness/schema/machine.schema.json', import.meta.url), 'utf8'),
) as object;
const validate = new Ajv2020.default({ strict: true, strictTypes: false, strictRequired: false }).compile(schema);
const preset = (name: string): MachineModel => presetMachine(name) as MachineModel;
const FILE = { schema: 'model-t/machine', schemaVersion: '1.0', name: 'mine', hz: 3e9, cores: [{}, { speed: 0.5 }] };

describe('hops', () => {
  const { l3 } = DEFAULT_MEASUREMENTS.hops;
  it.each([
    [1024, 6],
    [256, 6],
    [32, 14],
    [8, 70],
    [4, 140],
  ])('at bursts of %i cost %d cycles per packet', (burst, cycles) => {
    expect(hopCycles(l3, burst)).toBeCloseTo(cycles);
  });

  it('cost more the smaller the burst', () => {
    const costs = [256, 200, 100, 50, 32, 20, 10, 8, 3].map((burst) => hopCycles(l3, burst));
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
  });
});

describe('cores', () => {
  it('share the nearest thing they have in common', () => {
    const { cores } = preset('8-smt');
    const at = (cpu: number): Core => cores[cpu] as Core;
    expect(sharingOf(at(0), at(8))).toBe('core');
    expect(sharingOf(at(0), at(1))).toBe('l3');
    const [gpu] = preset('8-gpu').cores.filter(({ kind }) => kind === 'gpu');
    expect(sharingOf(at(0), gpu as Core)).toBe('none');
  });

  it('are taken one thread per core, fast ones first, domain by domain, no more than the quota grants', () => {
    expect(containerCpus(preset('8-smt'), 9)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(containerCpus(preset('16-hybrid'), 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(containerCpus({ ...preset('8-private'), quota: 2.5 })).toEqual([0, 1]);
    expect(containerCpus({ ...preset('8-private'), quota: 0.5 })).toEqual([0]);
  });
});

describe('the model of a described machine', () => {
  it('has its cores, groups, counter and quota', () => {
    const machine = {
      ...MACHINE,
      cpuQuota: 1.5,
      cacheGroups: [{ level: 2, groups: [[0, 1]] }],
      nodes: [{ node: 3, cpus: [0, 1] }],
    };
    expect(modelOf(machine)).toMatchObject({
      hz: 2.5e9,
      quota: 1.5,
      caches: { l1: 49152, l2: 0, l3: 0 },
      cores: [
        { cpu: 0, kind: 'cpu', speed: 1, l2: 0, l3: null, core: 0, node: 3 },
        { cpu: 1, l2: 0, core: 1 },
      ],
    });
  });
});

describe('machine files', () => {
  it('hold what differs from the defaults', () => {
    const model = parseMachineModel(
      JSON.stringify({ ...FILE, measurements: { smtFactor: 2, hops: { l2: [[64, 3]] } } }),
      'a.json',
    );
    expect(validate(FILE)).toBe(true);
    expect(model.cores.map(({ cpu, speed, l2 }) => [cpu, speed, l2])).toEqual([
      [0, 1, null],
      [1, 0.5, null],
    ]);
    expect(model.measurements).toMatchObject({ smtFactor: 2, hops: { l2: [[64, 3]], l3: DEFAULT_MEASUREMENTS.hops.l3 } });
  });

  it.each(MACHINE_PRESETS.map((model) => [model.name, model] as const))('%s as a file is the preset', (_name, model) => {
    const file = { schema: 'model-t/machine', schemaVersion: '1.0', ...model };
    expect(validate(file)).toBe(true);
    expect(parseMachineModel(JSON.stringify(file), 'a.json')).toEqual(model);
  });

  it.each([
    [{ ...FILE, schema: 'x' }, /^a\.json: schema: "x" must be "model-t\/machine"$/],
    [{ ...FILE, schemaVersion: '2.0' }, /schemaVersion: "2\.0" must be 1\.x/],
    [{ ...FILE, hz: '3 GHz' }, /hz: "3 GHz" must be a number from 1000000 to/],
    [{ ...FILE, cores: [] }, /cores: \[\] must be a list of 1 to 1024/],
    [{ ...FILE, cores: [{ speed: -1 }] }, /cores\[0\]\.speed: -1 must be a number from 0\.001/],
    [{ ...FILE, cores: [{ l2: 'x' }] }, /cores\[0\]\.l2: "x" must be a whole number/],
    [{ ...FILE, cores: [{ kind: 'npu' }] }, /cores\[0\]\.kind: "npu" must be "cpu" or "gpu"/],
    [{ ...FILE, cores: [{ kind: 'gpu' }] }, /need at least one of kind "cpu"/],
    [{ ...FILE, cores: [{ sped: 1 }] }, /cores\[0\]: "sped" has no such field|cores\[0\]: "sped"/],
    [
      {
        ...FILE,
        measurements: {
          hops: {
            l2: [
              [8, 1],
              [64, 3],
            ],
          },
        },
      },
      /measurements\.hops\.l2\[1\]\[0\]: 64 must be below/,
    ],
    [{ ...FILE, measurements: { smtFactor: 0.5 } }, /measurements\.smtFactor: 0\.5 must be a number from 1/],
    [[], /the whole: \[\] must be an object/],
  ])('%j is refused', (file, message) => {
    const refused = (): unknown => parseMachineModel(JSON.stringify(file), 'a.json');
    expect(refused).toThrow(ModelTError);
    expect(refused).toThrow(message);
  });

  it('that are no JSON or name a CPU twice are refused', () => {
    expect(() => parseMachineModel('{', 'a.json')).toThrow(/^a\.json is no JSON/);
    const twice = { ...FILE, cores: [{ cpu: 3 }, { cpu: 3 }] };
    expect(() => parseMachineModel(JSON.stringify(twice), 'a.json')).toThrow(/cores\[1\]\.cpu: 3 is that of cores\[0\], too/);
  });
});
