/** Pipelines as a whole: what text means, that text and JSON mean the same, and that what is printed parses to the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_PIPELINE,
  findOperation,
  ModelTError,
  type Operation,
  type ParseOptions,
  type Pipeline,
  type PipelineSpec,
  parsePipeline,
  type Step,
  withoutFiles,
} from '../../stack/index.js';
import { resolveArgument } from '../../stack/pipeline/arguments.js';
import { tokenize } from '../../stack/pipeline/lexer.js';
import { anySpec, refusal, refusalOf } from '../helpers/pipelines.js';

const names = ({ steps }: Pipeline): string[] => steps.map(({ operation }) => operation.name);
const only = (text: string): Step => parsePipeline(text).steps.at(-1) as Step;

type Compile = Extract<Operation['argument'], { kind: 'texts' }>['compile'];

/** What a made-up operation gets of its texts: all of them with bars between, and the canonical text. */
function texts(text: string, compile?: Compile, options: ParseOptions = {}): { data: string; argument: string | null } {
  const joined: Compile = (parts) => Buffer.from(parts.join('|'), 'latin1');
  const argument = { kind: 'texts', what: 'a pattern', min: 1, max: 9, compile: compile ?? joined } as const;
  const operation = { ...(findOperation('match') as Operation), argument };
  const resolved = resolveArgument(operation, tokenize(text).slice(1, -1), { text, at: 0 }, options);
  return { data: Buffer.from(resolved.data ?? []).toString('latin1'), argument: resolved.argument };
}

/** Arbitrary pipelines that are accepted. */
const accepted = anySpec.filter((spec) => refusalOf(() => parsePipeline(spec)) === null);

describe('parsePipeline', () => {
  it('the default pipeline is canonical', () => {
    const { text, steps } = parsePipeline(DEFAULT_PIPELINE);
    expect(text).toBe(DEFAULT_PIPELINE);
    expect(steps.map((step) => step.text)).toEqual(DEFAULT_PIPELINE.split(' | '));
  });

  it('understands the pipeline of the design', () => {
    const pipeline = parsePipeline('eth | ip4 | tcp |80 http | gunzip | match "GET /"');
    expect(names(pipeline)).toEqual(['eth', 'ip4', 'tcp-stream', 'http', 'gunzip', 'match']);
    expect(pipeline.steps.map(({ condition }) => condition)).toEqual([null, null, null, 80, null, null]);
    expect(pipeline.steps.map(({ column }) => column)).toEqual([1, 7, 13, 21, 28, 37]);
  });

  it('lists the steps of groups depth first, with the conditions of branches', () => {
    const pipeline = parsePipeline('eth|ip4|tcp|udp|( |80 count|( null )+( count ) )+( |53 sample 2 )|0 count');
    expect(names(pipeline)).toEqual(['eth', 'ip4', 'tcp', 'udp', 'count', 'null', 'count', 'sample', 'count']);
    expect(pipeline.text).toBe('eth | ip4 | tcp | udp | ( |80 count | ( null ) + ( count ) ) + ( |53 sample 2 ) |0 count');
    for (const { column, operation } of pipeline.steps)
      expect(pipeline.text.slice(column - 1)).toMatch(new RegExp(`^${operation.name}`));
    const group = pipeline.sequence[4];
    if (group?.kind !== 'group') throw new Error('no group');
    expect(group.branches.map((branch) => branch.length)).toEqual([2, 1]);
    expect(group.branches.map(([first]) => first?.condition)).toEqual([80, 53]);
  });

  it('a group may have a condition itself', () => {
    expect(parsePipeline('eth | ip4 | port |80 ( count ) + ( null )').sequence[3]).toMatchObject({
      kind: 'group',
      condition: 80,
      column: 22,
    });
  });

  it.each([
    ['eth | ip4 | checksum-verify', null, 0],
    ['eth | ip4 | checksum-verify all', 'all', 0],
    ['eth | ip4 | checksum-verify header', 'header', 1],
    ['eth | ip4 | port "src"', 'src', 1],
    ['sample 0017', '17', 17],
    ['sample 4294967295', '4294967295', 4294967295],
    ['eth | ip4 | flow', null, 65536],
  ])('%s: argument %j, parameter %i', (text, argument, parameter) => {
    expect(only(text)).toMatchObject({ argument, parameter, data: null });
  });

  it('texts become the data of the step: words, strings, escapes, UTF-8', () => {
    expect(texts('op udp port 53')).toEqual({ data: 'udp|port|53', argument: 'udp port 53' });
    expect(texts('op "tcp[13] & 2 != 0 || (udp)"').data).toBe('tcp[13] & 2 != 0 || (udp)');
    expect(texts('op "\\"\\\\\\n\\r\\t\\x00\\xfF" é').data).toBe('"\\\n\r\t\x00\xff|\xc3\xa9');
    expect(texts('op udp   "port" 53').argument).toBe('udp port 53');
    expect(texts('op "a b" "\\xc3" ""').argument).toBe('"a b" "\\xc3" ""');
    expect(texts('op "@a" "+" "|" "it\'s" it\'s').argument).toBe('"@a" "+" "|" it\'s it\'s');
  });

  it('a text that is refused is pointed at, byte by byte where the declaration says so', () => {
    const at = (text: string, index?: number, offset?: number): number | undefined =>
      refusalOf(() => texts(text, (_texts, refuse) => refuse('no good', 'Another', index, offset)))?.column;
    expect(at('op ab cd')).toBe(4);
    expect(at('op ab cd', 1)).toBe(7);
    expect(at('op ab cd', 1, 1)).toBe(8);
    expect(at('op ab cd', 1, 9)).toBe(8);
    expect(at('op ab "\\x00\\n!"', 1)).toBe(7);
    expect(at('op ab "\\x00\\n!"', 1, 0)).toBe(8);
    expect(at('op ab "\\x00\\n!"', 1, 2)).toBe(14);
    expect(at('op éé', 0, 2)).toBe(5);
  });

  it('a variant is kept, and is no part of the name', () => {
    expect(only('eth@scalar')).toMatchObject({ variant: 'scalar', text: 'eth@scalar', operation: { name: 'eth' } });
    expect(only('bpf@native udp')).toMatchObject({ variant: 'native', text: 'bpf@native udp' });
    expect(only('eth').variant).toBeNull();
  });

  it('tcp delivers streams where a later step reads them on its own path, or when it is told', () => {
    const tcp = (text: string): string[] => names(parsePipeline(`eth | ip4 | ${text}`)).filter((name) => name.startsWith('tcp'));
    expect(tcp('tcp | count')).toEqual(['tcp']);
    expect(tcp('tcp stream | count')).toEqual(['tcp-stream']);
    expect(tcp('tcp | http')).toEqual(['tcp-stream']);
    expect(tcp('tcp |80 ( http ) + ( count )')).toEqual(['tcp-stream']);
    expect(tcp('tcp headers | match x')).toEqual(['tcp']);
    expect(tcp('( tcp | http ) + ( tcp | count )')).toEqual(['tcp-stream', 'tcp']);
    expect(tcp('tcp | bpf udp')).toEqual(['tcp']);
  });
});

describe('files of arguments', () => {
  const readFile = (path: string): Uint8Array =>
    Buffer.from({ one: 'a b\r\n\nc"\n', 'two words': '\xff\n' }[path] ?? 'unknown', 'latin1');

  it('are given by the caller: one argument per line, written out in the text', () => {
    const pipeline = parsePipeline('match x @one "@one" @"two words"', { readFile });
    expect(pipeline.text).toBe('match x "a b" "c\\"" "@one" "\\xff"');
    expect(parsePipeline(pipeline.text)).toEqual(pipeline);
    expect(
      parsePipeline([{ op: 'match', arguments: ['x', { file: 'one' }, '@one', { file: 'two words' }] }], { readFile }),
    ).toEqual(pipeline);
  });

  it('one that cannot be read is refused at its column, and so are all where nobody reads files', () => {
    const failing = (error: Error) => (): never => {
      throw error;
    };
    const missing = failing(new ModelTError('USAGE', 'no such file', 2, 'Look'));
    expect(refusal('match a @one', { readFile: missing })).toMatchObject({ column: 9, remedy: 'Look', code: 'PIPELINE_INVALID' });
    expect(() => withoutFiles('match a @one', missing)).toThrow('pipeline, column 9: no such file');
    expect(() => parsePipeline('match @one', { readFile: failing(new RangeError('a bug')) })).toThrow(RangeError);
    expect(refusal('match a @one')).toMatchObject({ column: 9, remedy: 'Give the arguments themselves' });
  });

  it('too many lines are refused at the name of the file', () => {
    const long = (): Uint8Array => Buffer.from('a\n\nb\n'.repeat(40_000));
    expect(refusal('match @one', { readFile: long })).toMatchObject({
      column: 7,
      message: expect.stringContaining('found 80000'),
    });
  });

  it('a refused line is named', () => {
    const found = refusalOf(() => texts('match x @one', (_texts, refuse) => refuse('no good', 'Another', 2, 1), { readFile }));
    expect(found).toMatchObject({
      column: 9,
      message: expect.stringContaining("'match': no good (line 3 of 'one')"),
      remedy: 'Another',
    });
  });

  it('withoutFiles leaves everything else as it was', () => {
    expect(withoutFiles('eth |  match @one | bpf "@one"|match @"two words"x'.replace('x', ''), readFile)).toBe(
      'eth |  match "a b" "c\\"" | bpf "@one"|match "\\xff"',
    );
  });
});

describe('properties', () => {
  it('printing and parsing are inverse, and JSON gives the same pipeline as text', () => {
    fc.assert(
      fc.property(accepted, (spec) => {
        const pipeline = parsePipeline(spec);
        expect(parsePipeline(pipeline.text)).toEqual(pipeline);
        expect(parsePipeline(JSON.parse(JSON.stringify(spec)) as PipelineSpec)).toEqual(pipeline);
        for (const step of pipeline.steps)
          expect(pipeline.text.slice(step.column - 1)).toSatisfy((rest: string) => rest.startsWith(step.text));
      }),
      { numRuns: 150 },
    );
  });

  it('white space between tokens means nothing', () => {
    const space = fc.stringMatching(/^[ \t\n]{0,3}$/);
    fc.assert(
      fc.property(accepted, fc.array(space, { minLength: 1, maxLength: 40 }), (spec, spaces) => {
        const pipeline = parsePipeline(spec);
        const isWord = (kind = ''): boolean => kind === 'word' || kind === 'string';
        const tokens = tokenize(pipeline.text);
        const varied = tokens.map(({ kind, at, end }, index) => {
          const gap = spaces[index % spaces.length] ?? '';
          const needed = gap === '' && isWord(kind) && isWord(tokens[index - 1]?.kind) ? ' ' : gap;
          return needed + pipeline.text.slice(at, end);
        });
        expect(parsePipeline(varied.join(''))).toEqual(pipeline);
      }),
      { numRuns: 100 },
    );
  });

  it('the pipelines of these tests are varied', () => {
    const sample = fc.sample(accepted, { numRuns: 200, seed: 1 }).map((spec) => parsePipeline(spec));
    const share = (test: (pipeline: Pipeline) => boolean): number => sample.filter(test).length / sample.length;
    expect(share(({ text }) => text.includes('('))).toBeGreaterThan(0.1);
    expect(share(({ text }) => /\|\d/.test(text))).toBeGreaterThan(0.1);
    expect(share(({ text }) => text.includes('\\x'))).toBeGreaterThan(0.1);
  });
});
