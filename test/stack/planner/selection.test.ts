/** Discovery and selection: every implementation that exists or can be made, what it costs, which one runs and why. */
import { describe, expect, it } from 'vitest';
import {
  type Calibrate,
  type Compiler,
  discover,
  findOperation,
  type Operation,
  type PlanOptions,
  type PlanRecord,
  parsePipeline,
  planPipeline,
  type StepChoice,
} from '../../../stack/index.js';
import { refusalOf } from '../../helpers/pipelines.js';

const OPTIONS: PlanOptions = { isas: ['scalar', 'avx2'], placement: 'fused', memoryWritable: true, fuse: false };
const choices = (text: string, options: Partial<PlanOptions> = {}): readonly StepChoice[] =>
  planPipeline(parsePipeline(text), { ...OPTIONS, ...options }).choices;
const last = (text: string, options: Partial<PlanOptions> = {}): StepChoice => choices(text, options).at(-1) as StepChoice;
const operation = (name: string): Operation => findOperation(name) as Operation;

describe('discovery', () => {
  it('finds the bodies of a step as it stands', () => {
    expect(discover(operation('eth')).map(({ implementation, chain }) => [implementation.variant.name, chain])).toEqual([
      ['scalar', []],
      ['avx2', []],
      ['avx512', []],
    ]);
  });

  it('goes from compiler to compiler', () => {
    const found = discover(operation('bpf')).map(({ implementation, chain }) => [
      implementation.variant.name,
      ...chain.map(({ to }) => to),
    ]);
    expect(found).toEqual([
      ['interpreter', 'bpf bytecode'],
      ['native', 'bpf bytecode', 'x86-64 code'],
      ['wgsl', 'bpf bytecode', 'WGSL'],
    ]);
    expect(discover(operation('bpf'), [])).toEqual([]);
  });

  it('is exhaustive, and ends where compilers go in circles', () => {
    const compiler = (from: string, to: string): Compiler => ({ name: `${from}${to}`, from, to });
    const made: Operation = {
      ...operation('eth'),
      form: 'a',
      variants: ['a', 'b', 'c'].map((form) => ({ name: form, form, expectedCycles: { perPacket: 1, perByte: 0 } })),
    };
    const compilers = [
      compiler('a', 'b'),
      compiler('b', 'a'),
      compiler('b', 'c'),
      compiler('a', 'c'),
      compiler('c', 'c'),
      compiler('c', 'b'),
    ];
    const found = discover(made, compilers).map(({ implementation, chain }) =>
      [implementation.variant.name, ...chain.map(({ name }) => name)].join(' '),
    );
    expect(found.sort()).toEqual(['a', 'b ab', 'b ac cb', 'c ab bc', 'c ac']);
  });
});

describe('selection', () => {
  it('takes the lowest expected cost of what runs here', () => {
    expect(last('eth')).toMatchObject({ variant: 'avx2', why: 'lowest expected: 2.5 cycles per packet, scalar 5.0' });
    expect(last('eth', { isas: ['scalar'] })).toMatchObject({ variant: 'scalar', why: 'the only one that runs here' });
    expect(last('bpf udp')).toMatchObject({ variant: 'native' });
    expect(last('bpf udp', { architecture: 'arm64' })).toMatchObject({
      variant: 'interpreter',
      why: 'the only one that runs here',
    });
  });

  it('equal costs: the wider', () => {
    expect(last('drop', { isas: ['scalar', 'avx2', 'avx512'] }).variant).toBe('avx512');
  });

  it('costs of bytes count with the size of packets', () => {
    const scalar = (packetBytes: number): number =>
      last('eth | ip4 | checksum-verify', { packetBytes }).candidates[0]?.expectedCycles ?? 0;
    expect([scalar(60), scalar(1514), scalar(10)]).toEqual([24, 24 + 0.15 * 1454, 24]);
  });

  it('costs that follow the argument count with it', () => {
    expect([0, 40, 100_000].map((cycles) => last(`burn ${cycles}`).candidates[0]?.expectedCycles)).toEqual([1, 41, 100_001]);
  });

  it('says why the others do not run', () => {
    const obstacles = (options: Partial<PlanOptions>): (string | null)[] =>
      last('count', options).candidates.map(({ obstacle }) => obstacle);
    expect(obstacles({})).toEqual([null, null, 'avx512 is not among what may run here: scalar, avx2', 'there is no accelerator']);
    expect(obstacles({ accelerator: true, isas: ['scalar'] })).toEqual([
      null,
      'avx2 is not among what may run here: scalar',
      'avx512 is not among what may run here: scalar',
      'takes whole batches on an accelerator: only when asked for',
    ]);
    expect(last('bpf udp', { architecture: 'arm64' }).candidates[1]).toMatchObject({
      variant: 'native',
      available: false,
      obstacle: 'needs x64, this is arm64',
    });
  });

  it('names the compilers that lead to a candidate', () => {
    expect(last('bpf udp').candidates[1]?.chain).toEqual([
      'bpf expression -> bpf bytecode (expression compiler)',
      'bpf bytecode -> x86-64 code (code generator)',
    ]);
  });

  it('a step in a header pass runs as the pass does', () => {
    const [eth, ip4] = choices('eth | ip4', { fuse: true, costs: (_, { variant }) => (variant === 'scalar' ? 1 : 2) });
    expect(eth).toMatchObject({ variant: 'avx2', pass: 0, why: 'runs in header pass 0, which is avx2' });
    expect(ip4?.pass).toBe(0);
  });
});

describe('calibration', () => {
  it('what was observed decides over what was expected', () => {
    const costs: Calibrate = (_, { variant }) => (variant === 'scalar' ? 3 : 7);
    const choice = last('eth', { costs });
    expect(choice).toMatchObject({ variant: 'scalar', why: 'lowest observed: 3.0 cycles per packet, avx2 7.0' });
    expect(choice.candidates.map(({ observedCycles }) => observedCycles)).toEqual([3, 7, null]);
  });

  it('what could not be measured does not run while something else could', () => {
    expect(last('eth', { costs: (_, { variant }) => (variant === 'scalar' ? 50 : null) })).toMatchObject({
      variant: 'scalar',
      why: 'the only one that was measured',
    });
    expect(last('eth', { costs: () => null })).toMatchObject({
      variant: 'avx2',
      why: expect.stringContaining('lowest expected'),
    });
  });

  it('is asked with the path that leads to the step: chosen variants, no branches beside it', () => {
    const asked: string[] = [];
    const costs: Calibrate = (before, candidate) => {
      const show = ({ name, variant, condition }: PlanRecord): string =>
        `${condition < 0 ? '' : `|${condition} `}${name}@${variant}`;
      asked.push([...before, candidate].map(show).join(' '));
      return candidate.variant === 'scalar' ? 1 : 2;
    };
    choices('eth | ip4 | port | ( |80 count ) + ( |53 null | drop ) | skeleton', { costs });
    expect(asked.filter((path) => path.endsWith('@avx2'))).toEqual([
      'eth@avx2',
      'eth@scalar ip4@avx2',
      'eth@scalar ip4@scalar port@avx2',
      'eth@scalar ip4@scalar port@scalar |80 count@avx2',
      'eth@scalar ip4@scalar port@scalar |53 null@avx2',
      'eth@scalar ip4@scalar port@scalar |53 null@scalar drop@avx2',
      'eth@scalar ip4@scalar port@scalar skeleton@avx2',
    ]);
    expect(asked.some((path) => path.includes('avx512') || path.includes('wgsl'))).toBe(false);
  });
});

describe('forced', () => {
  it('by the step', () => {
    expect(last('eth@scalar')).toMatchObject({ variant: 'scalar', why: 'asked for: eth@scalar' });
    expect(last('bpf@interpreter udp')).toMatchObject({ variant: 'interpreter' });
    expect(last('count@wgsl', { accelerator: true })).toMatchObject({ variant: 'wgsl' });
    expect(last('eth@scalar', { isa: 'avx2' })).toMatchObject({ variant: 'scalar' });
  });

  it('by the instruction set, wherever an operation has bodies for several', () => {
    const forced = choices('eth | ip4 | flow | bpf udp', { isa: 'scalar' });
    expect(forced.map(({ variant }) => variant)).toEqual(['scalar', 'scalar', 'scalar', 'native']);
    expect(forced[0]?.why).toBe('scalar was asked for');
  });

  it.each([
    [
      'eth | ip4@avx512',
      {},
      7,
      "'ip4' as avx512 cannot run here: avx512 is not among what may run here: scalar, avx2",
      'Here run scalar, avx2',
    ],
    ['eth | count@wgsl', {}, 7, "'count' as wgsl cannot run here: there is no accelerator", 'Here run scalar, avx2'],
    ['eth', { isa: 'avx512' as const }, 1, "'eth' as avx512 cannot run here", 'Here run scalar, avx2'],
    [
      'eth | bpf@native udp',
      { architecture: 'arm64' },
      7,
      "'bpf' as native cannot run here: needs x64, this is arm64",
      'Here run interpreter',
    ],
  ])('%s that does not run here is refused', (text, options, column, problem, remedy) => {
    const found = refusalOf(() => last(text, options));
    expect(found).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2, column });
    expect(found?.message).toContain(problem);
    expect(found?.remedy).toContain(remedy);
  });
});
