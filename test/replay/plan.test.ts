/** Plans: what is filled in, what is refused and with which words, and that a plan is plain data that can be run again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_RING_BYTES,
  MIN_RING_BYTES,
  planReplay,
  type ReplayPlan,
  type ReplayRequest,
  startReplay,
} from '../../replay/index.js';
import { DEFAULT_PIPELINE, type Machine, ModelTError } from '../../stack/index.js';
import { trafficFile } from '../helpers/files.js';
import { machine as here, isas, loaded, replay } from '../helpers/replay.js';

const KIB = 1024;
/** Eight CPUs, two threads of a core each; CPU 9 belongs to somebody else. */
const MACHINE: Machine = {
  ...here,
  model: 'Made-up CPU',
  isas: ['scalar', 'avx2'],
  cpus: [0, 1, 2, 3, 4, 5, 6, 7],
  cores: [
    [0, 4],
    [1, 5],
    [2, 6],
    [3, 7],
  ],
  caches: [{ level: 2, type: 'unified', bytes: 2048 * KIB, lineBytes: 64, ways: 16, sets: 2048, sharedBy: [0] }],
};
const INPUTS = ['a.pcap'];
const plan = (request: Omit<ReplayRequest, 'inputs'> = {}, machine = MACHINE): ReplayPlan =>
  planReplay({ inputs: INPUTS, ...request }, machine);

function refusal(request: Omit<ReplayRequest, 'inputs'>, machine = MACHINE): ModelTError {
  try {
    plan(request, machine);
  } catch (error) {
    if (error instanceof ModelTError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(request)} was accepted`);
}

describe('what a plan fills in', () => {
  it('everything', () => {
    expect(plan()).toEqual({
      planVersion: 1,
      inputs: INPUTS,
      target: { kind: 'stack' },
      engine: 'native',
      gpu: null,
      isa: 'avx2',
      payload: 'copy',
      rewrites: [],
      unique: 'off',
      seed: 1,
      loop: 1,
      limit: null,
      durationSeconds: null,
      threads: 1,
      cores: [0, 1, 2, 3, 4, 5, 6, 7],
      placement: { mode: 'auto', latencySeconds: 0.001, slices: 'horizontal', idle: 'backoff', start: null, moves: true },
      ringBytes: 512 * KIB,
      ringStartBytes: 512 * KIB,
      ringSizing: 'auto',
      readerPolicy: 'block',
      readers: 1,
      pipeline: DEFAULT_PIPELINE,
      variants: Array(7).fill('avx2'),
      digest: 'full',
    });
  });

  it('laps: one, or without end when a duration is asked for', () => {
    expect(plan({ durationSeconds: 2 })).toMatchObject({ loop: 0, durationSeconds: 2 });
    expect(plan({ durationSeconds: 2, loop: 5 })).toMatchObject({ loop: 5, durationSeconds: 2 });
    expect(plan({ limit: 7 })).toMatchObject({ loop: 1, limit: 7 });
  });

  it('a rewrite in canonical text, unique by flow', () => {
    const rewrites = [
      { field: 'src', cidr: '10.1.2.3/8' },
      { field: 'src', cidr: 'FD00:0::/16' },
    ] as const;
    expect(plan({ rewrites })).toMatchObject({ unique: 'flow', rewrites: [{ cidr: '10.0.0.0/8' }, { cidr: 'fd00::/16' }] });
    expect(plan({ rewrites, unique: 'packet' }).unique).toBe('packet');
    expect(plan({ rewrites, unique: 'off' }).unique).toBe('off');
    expect(plan({ unique: 'off' }).unique).toBe('off');
  });

  it('CPUs: one core for each thread before a second thread shares one', () => {
    expect(plan({ threads: 3 }).cores).toEqual([0, 1, 2, 3]);
    expect(plan({ target: { kind: 'null' } }).cores).toEqual([0]);
    expect(plan({ threads: 2, target: { kind: 'ring', name: 'x' } }).cores).toEqual([0, 1]);
    const narrow = { ...MACHINE, cpus: [0, 4, 1], cores: [[0, 4], [1]] };
    expect(plan({ threads: 2 }, narrow).cores).toEqual([0, 1, 4]);
  });

  it('CPUs: as many as there may be containers, one for each core first, within the quota', () => {
    expect(plan({ placement: 'fused' }).cores).toEqual([0, 1]);
    expect(plan({ placement: 'piped' }).cores).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(plan({}, { ...MACHINE, cpuQuota: 2.5 }).cores).toEqual([0, 1]);
    expect(plan({}, { ...MACHINE, cpuQuota: 0.3 }).cores).toEqual([0]);
    const many = Array.from({ length: 64 }, (_, cpu) => cpu);
    expect(plan({}, { ...MACHINE, cpus: many, cores: many.map((cpu) => [cpu]) }).cores).toHaveLength(8);
  });

  it('CPUs: source and stack share the only one; threads that cannot are not pinned', () => {
    const single = { ...MACHINE, cpus: [3], cores: [[3]] };
    expect(plan({}, single).cores).toEqual([3]);
    expect(plan({ threads: 2 }, single).cores).toEqual([]);
    expect(plan({ target: { kind: 'null' } }, single).cores).toEqual([3]);
  });

  it('placement: fused where nothing can be moved', () => {
    const mode = (request: Omit<ReplayRequest, 'inputs'>): string => plan(request).placement.mode;
    expect(mode({ target: { kind: 'pcap', path: 'x' } })).toBe('fused');
    expect(mode({ target: { kind: 'null' } })).toBe('fused');
    expect(mode({ threads: 2 })).toBe('fused');
    expect(mode({ engine: 'webgpu' })).toBe('fused');
    expect(mode({ readerPolicy: 'lag', placement: 'auto' })).toBe('fused');
    expect(mode({ placement: 'paper' })).toBe('paper');
    expect(plan({ engine: 'webgpu' }).placement.idle).toBe('sleep');
  });

  it('CPUs: those asked for, in that order, each once, no more than there may be containers', () => {
    expect(plan({ cores: [5, 5, 2, 7] }).cores).toEqual([5, 2, 7]);
    expect(plan({ cores: [5, 5, 2, 7], placement: 'fused' }).cores).toEqual([5, 2]);
    expect(plan({ cores: [2] }).cores).toEqual([2]);
    expect(plan({ cores: [6], target: { kind: 'null' } }).cores).toEqual([6]);
  });

  it.each([
    [64, 128],
    [128, 128],
    [256, 256],
    [511, 256],
    [512, 512],
    [2048, 512],
  ])('ring: with a second-level cache of %i KiB it has %i KiB', (cache, ring) => {
    const caches = [{ ...(MACHINE.caches[0] as Machine['caches'][number]), bytes: cache * KIB }];
    expect(plan({}, { ...MACHINE, caches }).ringBytes).toBe(ring * KIB);
  });

  it('ring: 512 KiB where the cache is unknown', () => {
    expect(plan({}, { ...MACHINE, caches: [] })).toMatchObject({ ringBytes: 512 * KIB, ringSizing: 'auto' });
  });

  it('ring: asked for, auto sizes itself from the cache up to 16 MiB, and from a size never beyond it', () => {
    const self = { ringBytes: 16384 * KIB, ringStartBytes: 512 * KIB, ringSizing: 'self' };
    expect(plan({ ringBytes: 'auto' })).toMatchObject(self);
    expect(plan({ ringBytes: 'auto', target: { kind: 'ring', name: 'x' } })).toMatchObject(self);
    const from = { ringBytes: 65536 * KIB, ringSizing: 'self' } as const;
    expect(plan(from)).toMatchObject({ ...from, ringStartBytes: 65536 * KIB });
  });

  it.each([
    [{ threads: 2 }, '--threads 2'],
    [{ payload: 'resident' }, '--payload resident'],
    [{ target: { kind: 'null' } }, '--to null'],
    [{ target: { kind: 'pcap', path: 'x' } }, '--to pcap'],
    [{ inputs: ['-'] }, 'standard input'],
  ] as const)('ring: where it cannot change its size, auto is fixed and a start size refused: %o', (request, why) => {
    const fixed = { ringBytes: 512 * KIB, ringStartBytes: 512 * KIB, ringSizing: 'auto' };
    expect(plan({ ...request, ringBytes: 'auto' })).toMatchObject(fixed);
    expect(() => plan({ ...request, ringBytes: 65536 * KIB, ringSizing: 'self' })).toThrow(why);
  });

  it('ring: what was asked for stays', () => {
    for (const ringBytes of [MIN_RING_BYTES, MIN_RING_BYTES + 64, MAX_RING_BYTES]) {
      expect(plan({ ringBytes })).toMatchObject({ ringBytes, ringSizing: 'fixed' });
    }
  });

  it('a pipeline in canonical text; none where there is no stack', () => {
    expect(plan({ pipeline: ' eth|count ' }).pipeline).toBe('eth | count');
    expect(plan({ target: { kind: 'null' } }).pipeline).toBe('');
  });
});

describe('what a plan refuses', () => {
  const ring = { kind: 'ring', name: 'x' } as const;
  const file = { kind: 'pcap', path: 'x.pcap' } as const;
  const none = { kind: 'null' } as const;
  it.each<[string, Omit<ReplayRequest, 'inputs'>, string]>([
    ['ISA_UNAVAILABLE', { isa: 'avx512' }, 'avx512'],
    ['CIDR_INVALID', { rewrites: [{ field: 'src', cidr: '10.0.0.0/99' }] }, '10.0.0.0/99'],
    [
      'REWRITE_TWICE',
      {
        rewrites: [
          { field: 'src', cidr: '10.0.0.0/8' },
          { field: 'src', cidr: '11.0.0.0/8' },
        ],
      },
      '--rewrite src=11.0.0.0/8',
    ],
    ['UNIQUE_WITHOUT_REWRITE', { unique: 'flow' }, '--unique flow'],
    ['UNIQUE_WITHOUT_REWRITE', { unique: 'packet', rewrites: [] }, '--unique packet'],
    ['CORE_UNAVAILABLE', { cores: [0, 9] }, '--cores: CPU 9'],
    ['CORES_TOO_FEW', { cores: [2], threads: 2 }, '--cores names 1'],
    ['CORES_TOO_FEW', { cores: [2, 2], threads: 1, engine: 'webgpu' }, '--cores names 1'],
    ['CORES_TOO_FEW', { cores: [] }, '--cores names 0'],
    ['PLACEMENT_IMPOSSIBLE', { placement: 'piped', threads: 2 }, '--placement piped'],
    ['PLACEMENT_IMPOSSIBLE', { placement: 'auto', target: none }, '--placement auto'],
    ['PLACEMENT_IMPOSSIBLE', { placement: 'piped', readerPolicy: 'lag' }, '--reader lag'],
    ['PLACEMENT_IMPOSSIBLE', { placement: 'replicated', place: [0, 0, 0] }, '--place'],
    ['PIPELINE_INVALID', { placement: 'replicated', pipeline: 'eth | ip4 | defrag | sample 1/2' }, "'sample'"],
    ['RING_SIZE', { ringBytes: MIN_RING_BYTES - 64 }, `--ring-size ${MIN_RING_BYTES - 64}`],
    ['RING_SIZE', { ringBytes: MIN_RING_BYTES + 32 }, `--ring-size ${MIN_RING_BYTES + 32}`],
    ['RING_SIZE', { ringBytes: MAX_RING_BYTES + 64 }, `--ring-size ${MAX_RING_BYTES + 64}`],
    ['RING_SIZE', { ringBytes: Number.NaN }, '--ring-size NaN'],
    ['THREADS', { threads: 4 }, '--threads 4'],
    ['PIPELINE_UNUSED', { pipeline: 'eth', target: none }, '--ops has no effect with --to null'],
    ['PIPELINE_UNUSED', { pipeline: 'eth', target: ring }, '--ops has no effect with --to ring'],
    ['PIPELINE_INVALID', { pipeline: 'eth | flow' }, 'column 7'],
    ['DROP_IMPOSSIBLE', { readerPolicy: 'drop', threads: 2 }, '--reader drop'],
    ['DROP_IMPOSSIBLE', { readerPolicy: 'drop', payload: 'resident' }, '--reader drop'],
    ['POLICY_UNUSED', { readerPolicy: 'lag', target: file }, '--reader lag'],
    ['POLICY_UNUSED', { readerPolicy: 'drop', target: file }, '--reader drop'],
    ['POLICY_UNUSED', { readerPolicy: 'block', target: ring }, '--reader has no effect with --to ring'],
    ['POLICY_UNUSED', { readerPolicy: 'lag', target: none }, '--reader has no effect with --to null'],
    ['READERS_UNUSED', { readers: 2 }, '--readers'],
    ['FILE_ENDLESS', { loop: 0, target: file }, '--limit or --duration'],
  ])('%s: %j', (code, request, words) => {
    const error = refusal(request);
    expect(error).toMatchObject({ code, exitCode: 2 });
    expect(error.remedy).toBeTruthy();
    expect(`${error.message} ${error.remedy}`).toContain(words);
    expect(`${error.message}${error.remedy}`).not.toMatch(/undefined|\n/);
  });

  it('no input', () => {
    expect(() => planReplay({ inputs: [] }, MACHINE)).toThrow(expect.objectContaining({ code: 'NO_INPUT', exitCode: 2 }));
  });

  it.each([0, -1, 1.5, Number.NaN])('%d threads', (threads) => {
    expect(refusal({ threads })).toMatchObject({ code: 'THREADS', exitCode: 2 });
  });

  it.each<Omit<ReplayRequest, 'inputs'>>([
    { loop: -1 },
    { loop: 1.5 },
    { limit: 0 },
    { limit: -1 },
    { limit: Number.NaN },
    { durationSeconds: -1 },
    { durationSeconds: Number.POSITIVE_INFINITY },
    { seed: -1 },
    { seed: 0.5 },
    { readers: -1, target: { kind: 'ring', name: 'x' } },
    { readers: 17, target: { kind: 'ring', name: 'x' } },
  ])('a number that is none: %o', (request) => {
    expect(refusal(request)).toMatchObject({ exitCode: 2 });
  });

  it('names the instruction sets there are', () => {
    expect(refusal({ isa: 'avx512' }).message).toContain('Made-up CPU');
    expect(refusal({ isa: 'avx512' }).remedy).toContain('scalar or avx2');
  });
});

describe('a plan is plain data', () => {
  const requests = fc.record(
    {
      payload: fc.constantFrom('copy', 'resident'),
      seed: fc.nat(2 ** 32 - 1),
      loop: fc.nat(1000),
      limit: fc.integer({ min: 1, max: 100_000 }),
      threads: fc.integer({ min: 1, max: 3 }),
      ringBytes: fc.integer({ min: 1024, max: 2 ** 20 }).map((lines) => lines * 64),
      digest: fc.constantFrom('full', 'headers'),
      rewrites: fc.constantFrom([], [{ field: 'src', cidr: '10.0.0.0/8' }], [{ field: 'src', cidr: 'fd00::/16' }]),
      target: fc.constantFrom({ kind: 'stack' }, { kind: 'null' }, { kind: 'ring', name: 'x' }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Omit<ReplayRequest, 'inputs'>>;

  it('the same from the same request, and unchanged by JSON', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const first = plan(request);
        expect(plan(request)).toEqual(first);
        expect(JSON.parse(JSON.stringify(first))).toEqual(first);
        expect(JSON.stringify(plan(request))).toBe(JSON.stringify(first));
      }),
    );
  });

  it('does not change when the request does', () => {
    const request = { inputs: ['a.pcap'], rewrites: [{ field: 'src' as const, cidr: '10.0.0.0/8' }], cores: [0, 1] };
    const before = planReplay(request, MACHINE);
    const text = JSON.stringify(before);
    request.inputs.push('b.pcap');
    request.cores.reverse();
    request.rewrites.pop();
    expect(JSON.stringify(before)).toBe(text);
  });

  it('a plan that was stored as JSON gives the same digest again', async () => {
    const trace = await loaded(trafficFile({ packets: 500 }));
    const request = { loop: 2, seed: 9, isa: isas[0] ?? 'scalar', rewrites: [{ field: 'src' as const, cidr: '10.0.0.0/8' }] };
    const outcome = await replay(trace, request);
    const stored = JSON.parse(JSON.stringify(outcome.plan)) as ReplayPlan;
    const again = await startReplay(trace, stored, here).outcome;
    expect(again.digest).toBe(outcome.digest);
    expect(again.plan).toEqual(outcome.plan);
  });
});
