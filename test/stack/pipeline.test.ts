/** Pipelines as text: what parses, what it means, and that every refusal points at the column. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_PIPELINE, ModelTError, OPERATIONS, parsePipeline } from '../../stack/index.js';

function refusal(text: string): { code: string; exitCode: number; message: string; remedy: string | undefined } {
  try {
    parsePipeline(text);
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    const { code, exitCode, message, remedy } = error;
    return { code, exitCode, message, remedy };
  }
  throw new Error(`'${text}' was accepted`);
}

/** Pipelines whose every operation finds the columns it reads: eth, ip4 or ip6 in front, then anything. */
const accepted = fc
  .tuple(
    fc.constantFrom(['eth', 'ip4'], ['eth', 'ip6'], ['eth', 'ip6', 'ip4']),
    fc.array(fc.constantFrom(...OPERATIONS.map(({ name }) => name), 'checksum-verify all', 'checksum-verify header'), {
      maxLength: 20,
    }),
  )
  .map(([front, rest]) => [...front, ...rest]);
const space = fc.stringMatching(/^[ \t]{0,3}$/);

describe('parsePipeline', () => {
  it('gives the steps in order, whatever the white space, and text that parses to the same', () => {
    fc.assert(
      fc.property(accepted, space, space, fc.stringMatching(/^[ \t]{1,3}$/), (parts, before, after, between) => {
        const written = parts.map((part) => before + part.replace(' ', between) + after).join('|');
        const pipeline = parsePipeline(written);
        expect(pipeline.steps.map(({ operation, argument }) => [operation.name, argument].filter(Boolean).join(' '))).toEqual(
          parts,
        );
        expect(pipeline.text).toBe(parts.join(' | '));
        expect(parsePipeline(pipeline.text)).toEqual(pipeline);
      }),
    );
  });

  it('the default pipeline is canonical and uses every operation once', () => {
    const { text, steps } = parsePipeline(DEFAULT_PIPELINE);
    expect(text).toBe(DEFAULT_PIPELINE);
    expect(steps.map(({ operation }) => operation)).toEqual(OPERATIONS);
  });

  it('an argument becomes the number the native body gets; none is the first', () => {
    const parameters = ['checksum-verify', 'checksum-verify all', 'checksum-verify header'].map(
      (step) => parsePipeline(`eth | ip4 | ${step}`).steps[2]?.parameter,
    );
    expect(parameters).toEqual([0, 0, 1]);
  });

  it.each([
    ['', 1, 'an operation is missing', 'Put one operation'],
    ['eth |', 6, 'an operation is missing', 'Put one operation'],
    ['eth || ip4', 6, 'an operation is missing', 'Put one operation'],
    ['| eth', 1, 'an operation is missing', 'Put one operation'],
    ['eth | ip5', 7, "no operation is called 'ip5'", 'Known: eth, ip4, ip6, tcp, udp, checksum-verify, count'],
    ['eth|  Eth', 7, "no operation is called 'Eth'", 'Known:'],
    ['eth | constructor', 7, "no operation is called 'constructor'", 'Known:'],
    ['eth | ip4 fast', 7, "'ip4' does not take 'fast'", 'It takes no argument'],
    ['eth | ip4 | checksum-verify most', 13, "'checksum-verify' does not take 'most'", 'It takes all or header'],
    ['count a b', 1, "'count' takes at most one argument", 'Separate operations with |'],
    ['ip4', 1, "'ip4' reads the column 'types', which nothing before it writes", 'Put eth before it'],
    ['eth | tcp', 7, "'tcp' reads the column 'protocols', which nothing before it writes", 'Put ip4 or ip6 before it'],
    ['count |   udp', 11, "'udp' reads the column 'protocols'", 'Put ip4 or ip6 before it'],
    ['ip4 | eth', 1, "'ip4' reads the column 'types'", 'Put eth before it'],
    ['checksum-verify header', 1, "'checksum-verify' reads the column 'types'", 'Put eth before it'],
  ])('%j is refused at column %i', (text, column, problem, remedy) => {
    const found = refusal(text);
    expect(found).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2 });
    expect(found.message).toContain(`pipeline, column ${column}: ${problem}`);
    expect(found.message).toContain(`'${text}'`);
    expect(found.remedy).toContain(remedy);
  });

  it('64 operations are the most a container runs', () => {
    const of = (count: number): string => Array<string>(count).fill('count').join(' | ');
    expect(parsePipeline(of(64)).steps).toHaveLength(64);
    expect(refusal(of(65))).toMatchObject({ exitCode: 2, message: expect.stringContaining('65 operations') });
  });

  it('whatever the text, it parses or is refused with exit code 2', () => {
    const words = fc.constantFrom('eth', 'ip4', 'ip6', 'tcp', 'header', '|', ' ', '||', 'é', '\n', '__proto__');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            expect(parsePipeline(parsePipeline(text).text).text).toBe(parsePipeline(text).text);
          } catch (error) {
            expect(error).toBeInstanceOf(ModelTError);
            expect(error).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2 });
          }
        },
      ),
    );
  });

  it('never lets an operation read a column that nobody wrote', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...OPERATIONS), { minLength: 1, maxLength: 8 }), (operations) => {
        const written = new Set<string>(['frames', 'lengths']);
        let garbage = false;
        for (const { reads, writes } of operations) {
          garbage ||= reads.some((column) => !written.has(column));
          for (const column of writes) written.add(column);
        }
        const text = operations.map(({ name }) => name).join(' | ');
        if (garbage) expect(refusal(text).message).toContain('which nothing before it writes');
        else expect(parsePipeline(text).text).toBe(text);
      }),
    );
  });
});
