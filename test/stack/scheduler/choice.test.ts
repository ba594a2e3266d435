/** Units and costs of planned pipelines, and the placement that a path begins with. */
import { describe, expect, it } from 'vitest';
import {
  choosePlacement,
  DEFAULT_MEASUREMENTS,
  type MachineModel,
  type PathCosts,
  parsePipeline,
  pathCosts,
  planPipeline,
  presetMachine,
  unitsOf,
} from '../../../stack/index.js';
import { pathOf } from './paths.js';

const model = presetMachine('8-private') as MachineModel;
const costsOf = (text: string, options: Parameters<typeof pathCosts>[2] = {}): PathCosts => {
  const pipeline = parsePipeline(text);
  return pathCosts(
    pipeline,
    planPipeline(pipeline, { isas: ['scalar', 'avx2'], placement: 'fused', memoryWritable: true }),
    options,
  );
};

describe('units', () => {
  const names = (text: string): string[] =>
    unitsOf(planPipeline(parsePipeline(text), { isas: ['scalar', 'avx2'], placement: 'fused', memoryWritable: true })).map(
      ({ name, firstOperation, operations }) => `${firstOperation}+${operations} ${name}`,
    );

  it('are operations, header passes and groups', () => {
    expect(names('eth | ip4 | tcp |80 http | gunzip | match "GET /"')).toEqual([
      '0+2 eth | ip4',
      '2+1 tcp-stream',
      '3+1 http',
      '4+1 gunzip',
      '5+1 match',
    ]);
    expect(names('eth | ip4 | ( flow ) + ( port | count ) | count')).toEqual([
      '0+2 eth | ip4',
      '2+3 ( flow ) + ( port | count )',
      '5+1 count',
    ]);
  });
});

describe('costs', () => {
  it('grow with the frame at source and intake, and with the header pass by its steps', () => {
    const [small, large] = [60, 1514].map((frameBytes) => costsOf('eth | ip4 | count', { frameBytes }).elements.slice(0, 2));
    expect(small?.map(({ cycles }) => cycles)).toEqual([9.4, 4 + 0.075 * 60]);
    expect(large?.map(({ cycles }) => cycles)).toEqual([9.4 + 0.055 * 1454, 4 + 0.075 * 1514]);
    expect(large?.map(({ lines }) => lines)).toEqual([24, 24]);
    expect(costsOf('eth', { frameBytes: 1514, digestBytes: 128 }).elements[1]?.cycles).toBeCloseTo(4 + 9.6);
  });

  it('of source and intake are declared, unless a machine brings its own', () => {
    const basis = (options: Parameters<typeof pathCosts>[2]): string[] =>
      costsOf('eth | count', options)
        .elements.slice(0, 2)
        .map((element) => element.basis);
    const measurements = { ...DEFAULT_MEASUREMENTS, source: { perPacket: 20, perByte: 0.1 } };
    expect(basis({})).toEqual(['declared', 'declared']);
    expect(basis({ measurements })).toEqual(['measured', 'declared']);
  });

  it('know which rows are copied behind a cut, and which pipelines cannot be replicated', () => {
    const path = costsOf('eth | defrag | ip4 | sample 2', { frameBytes: 590 });
    expect(path.elements.map(({ name, copiedBytes }) => [name, copiedBytes])).toContainEqual(['defrag', 590]);
    expect(path.notReplicable).toMatch(/'sample' has one state for all packets/);
    expect(costsOf('eth | count').notReplicable).toBeNull();
  });
});

describe('the start', () => {
  it('is replicated where nothing forbids it: nothing is handed over', () => {
    const choice = choosePlacement('auto', pathOf([10, 10, 20]), model);
    expect(choice).toMatchObject({ mode: 'replicated', lanes: 8, placement: { containers: [0, 0, 0], window: 1 } });
    expect(choice.expected.replicated.packetsPerSecond).toBeCloseTo((8 * 2.6e9) / 40);
    expect(choice.reason).toMatch(
      /^replicated 520\.00 Mpps on 8 cores: the most is expected of it; fused [\d.]+ Mpps on 2, piped/,
    );
  });

  it('counts the largest lane only', () => {
    const path = pathOf([10, 10, 20], { laneShares: (lanes) => [0.9, ...Array(lanes - 1).fill(0.1 / (lanes - 1))] });
    const choice = choosePlacement('auto', path, model);
    expect(choice.expected.replicated.packetsPerSecond).toBeCloseTo(2.6e9 / 40 / 0.9);
    expect(choice.mode).toBe('piped');
  });

  it('has no more lanes than there are flows', () => {
    const choice = choosePlacement('replicated', pathOf([10, 10, 20], { laneShares: () => [0.5, 0.3, 0.2] }), model);
    expect(choice).toMatchObject({ lanes: 3, expected: { replicated: { containers: 3 } } });
    expect(choice.reason).toMatch(/^replicated 130\.00 Mpps on 3 cores/);
  });

  it('is piped where chains would share a state, fused where that is as good', () => {
    const notReplicable = 'no';
    expect(choosePlacement('auto', pathOf([10, 10, 90, 90], { notReplicable }), model).mode).toBe('piped');
    expect(choosePlacement('auto', pathOf([40, 4, 4, 4], { notReplicable }), model).mode).toBe('fused');
    expect(() => choosePlacement('replicated', pathOf([1, 1, 1], { notReplicable }), model)).toThrow(
      /--placement replicated: no/,
    );
  });

  it('on one core is one container, and the actions say so', () => {
    const choice = choosePlacement('auto', pathOf([10, 10, 20]), model, { cpus: [3] });
    expect(choice.placement).toMatchObject({ containers: [0, 0, 0], window: 1 });
    expect(choice.actions[0]).toMatchObject({ rule: '3a', reason: expect.stringMatching(/^3 elements share 1 core/) });
  });

  it('leaves a source outside alone', () => {
    const choice = choosePlacement('auto', pathOf([10, 10, 90], { sourceOutside: true }), model);
    expect(choice.placement.containers[0]).toBe(-1);
    expect(choice.expected.replicated.obstacle).toMatch(/cannot be split into lanes/);
  });

  it('has windows that the caches hold and slices within the latency bound', () => {
    const small = choosePlacement('piped', pathOf([20, 20, 90]), model).placement;
    const tight = choosePlacement('piped', pathOf([20, 20, 90]), model, { latencySeconds: 20e-6 }).placement;
    expect(Math.log2(small.window) % 1).toBe(0);
    expect(tight.sliceBursts).toBeLessThan(small.sliceBursts);
    expect(tight).toMatchObject({ sliceBursts: 1, fillPackets: 0 });
    const large = pathOf([20, 20, 90]);
    const elements = large.elements.map((each) => ({ ...each, lines: 24 }));
    expect(choosePlacement('piped', { ...large, elements }, model).placement.window).toBeLessThan(small.window);
  });
});
