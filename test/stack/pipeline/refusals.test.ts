/** Every refusal of the language: one line, the column, what was found, what would be right; whatever the text. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPERATIONS, parsePipeline } from '../../../stack/index.js';
import { nearest } from '../../../stack/pipeline/refusal.js';
import { anySpec, refusal, refusalOf } from '../../helpers/pipelines.js';

describe('texts that do not parse', () => {
  it.each([
    ['', 1, "found the end, expected an operation or '('", 'Put one operation'],
    ['eth |', 6, 'found the end, expected an operation', 'Put one operation'],
    ['eth || ip4', 6, "found '|', expected an operation", 'Put one operation'],
    ['| eth', 1, "found '|', expected an operation", 'Leave out the first |'],
    ['eth | + ip4', 7, "found '+', expected an operation", 'Branches stand in parentheses'],
    ['"eth" | ip4', 1, 'found \'"eth"\', expected an operation', 'An argument stands behind'],
    ['@eth', 1, "found '@eth', expected an operation", 'Put one operation'],
    ['eth |80', 8, 'found the end, expected an operation', 'Put one operation'],
    ['eth |65536 count', 6, "found '65536', expected a class from 0 to 65535", 'Put a space'],
    ['eth |80count', 6, "found '80count', expected a class", 'Put a space'],
    ['eth |-1 count', 6, "found '-1', expected a class", 'Put a space'],
    ['eth )', 5, "found ')', expected '|' or the end", 'double quotes'],
    ['( eth )', 8, "found the end, expected '+' and another branch", 'leave the parentheses out'],
    ['( eth ) +', 10, "found the end, expected '(' of the next branch", 'Write ( ... ) + ( ... )'],
    ['( eth ) + ( )', 13, "found ')', expected an operation", 'Put one operation'],
    ['( | eth ) + ( null )', 3, "found '|', expected an operation", 'Leave out the first |'],
    ['( eth ) + ( ip4', 16, "found the end, expected '|' or ')'", 'Separate operations'],
    ['( eth ) ( ip4 )', 9, "found '(', expected '+'", 'Write ( ... ) + ( ... )'],
    ['( eth ) + ( null ) count', 20, "found 'count', expected '|', '+' or the end", 'Separate operations'],
    ['eth (count)', 5, "found '(', expected '|' or an argument", 'double quotes'],
    ['bpf a + b', 7, "found '+', expected '|' or the end", 'Branches stand in parentheses'],
    [`${'( '.repeat(9)}eth`, 17, "found '(', expected an operation", 'Groups may lie 8 deep'],
    ['match "GET', 7, 'a quote that is never closed', 'Close it with "'],
    ['match a"b"', 8, "a quote inside the word 'a'", 'Put white space before it'],
    ['match "a"b', 10, "found 'b' right behind a quoted string", 'Put a space'],
    ['match a\\n', 8, 'a backslash outside quotes', 'double quotes'],
    ["match 'a'", 7, 'a single quote', 'double quotes'],
    ['match "a\\q"', 9, "'\\q' is no escape", 'There are \\"'],
    ['match "\\x4"', 8, "'\\x' is no escape", '\\xHH'],
    ['match @', 7, "'@' without a file", 'Write @FILE'],
    ['eth\u0007', 4, 'a control character', 'double quotes'],
  ])('%j is refused at column %i', (text, column, problem, remedy) => {
    const found = refusal(text);
    expect(found).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2, column });
    expect(found.message).toContain(`: ${problem}`);
    expect(found.remedy).toContain(remedy);
  });
});

describe('names and arguments', () => {
  it.each([
    ['eth | ip5', 7, "no operation is called 'ip5'", "Did you mean 'ip4'?"],
    ['eth | Ip6', 7, "no operation is called 'Ip6'", "Did you mean 'ip6'?"],
    ['eth | ip4 | cehcksum-verfy', 13, 'no operation is called', "Did you mean 'checksum-verify'?"],
    ['eth | constructor', 7, "no operation is called 'constructor'", 'There are eth, vlan, '],
    ['eth | tcp-stream', 7, "'tcp-stream' is a body of 'tcp'", 'Write tcp stream'],
    ['eth,ip4,tcp', 1, "no operation is called 'eth,ip4,tcp'", 'Separate operations with |, and arguments with spaces'],
    ['eth@fast', 5, "'eth' has no variant 'fast'", 'It has scalar, avx2, avx512'],
    ['eth@', 5, "'eth' has no variant ''", 'It has scalar'],
    ['eth ip4', 5, "'eth' takes no argument, found 'ip4'", 'Separate operations with |'],
    ['eth | ip4 | port dst src', 22, "'port' takes one argument, found 'src'", 'Separate'],
    ['eth | ip4 | port dest', 18, "'port' takes dst or src, found 'dest'", "Did you mean 'dst'?"],
    ['eth | ip4 | checksum-verify most', 29, "takes all or header, found 'most'", 'Write checksum-verify all'],
    ['eth | ip4 | port @dst', 18, "takes dst or src, found '@dst'", "Did you mean 'dst'?"],
    ['sample', 1, "'sample' needs a whole number from 1 to 4294967295 (N)", 'Write for example sample 100'],
    ['sample 0', 8, "found '0'", 'Write for example sample 100'],
    ['sample 1.5', 8, "found '1.5'", 'Write for example'],
    ['sample @1', 8, "found '@1'", 'Write for example'],
    ['eth | ip4 | flow 4294967296', 18, "found '4294967296'", 'Write for example flow 65536'],
    ['match', 1, "'match' needs a pattern", 'match @FILE'],
  ])('%j is refused at column %i', (text, column, problem, remedy) => {
    const found = refusal(text);
    expect(found).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2, column });
    expect(found.message).toContain(problem);
    expect(found.remedy).toContain(remedy);
  });

  it('the message shows the text, or the part of it around the column', () => {
    expect(refusal('eth | ip5').message).toBe("pipeline, column 7: no operation is called 'ip5' in 'eth | ip5'");
    const { message, column } = refusal(`${'count | '.repeat(50)}nope\n\u001b[31m${' | count'.repeat(50)}`);
    expect(column).toBe(401 + 5);
    expect(message.length).toBeLessThan(220);
    expect(message).toMatch(/in '….*count \| nope\\x0a\\x1b.*…'$/);
  });

  it('suggests what is near, and nothing else', () => {
    const names = OPERATIONS.map(({ name }) => name);
    for (const [word, near] of [
      ['etn', 'eth'],
      ['gzip', 'gunzip'],
      ['upd', 'udp'],
      ['gunzpi', 'gunzip'],
      ['decrement_ttl', 'decrement-ttl'],
      ['x', null],
    ] as const)
      expect(nearest(word, names), word).toBe(near);
    for (const name of names) expect(nearest(name, names)).toBe(name);
  });
});

describe('JSON that is no pipeline', () => {
  it.each([
    ['pipeline: found [], expected a list of steps', []],
    ['pipeline: found {}, expected a list of steps', {}],
    ['pipeline[0]: found null, expected a step or a group', [null]],
    ['pipeline[0]: found "eth", expected a step', ['eth']],
    ['pipeline[0].op: found 5, expected the name', [{ op: 5 }]],
    ['pipeline[0].op: found "eth | ip4", expected the name', [{ op: 'eth | ip4' }]],
    ['pipeline[0].op: found "eth@scalar", expected the name', [{ op: 'eth@scalar' }]],
    ['pipeline[0].variant: found "a b", expected the name of a variant', [{ op: 'eth', variant: 'a b' }]],
    ['pipeline[0].argument: found "a", expected one of op, arguments, variant, when', [{ op: 'bpf', argument: 'a' }]],
    ['pipeline[0].arguments: found "udp", expected a list', [{ op: 'bpf', arguments: 'udp' }]],
    ['pipeline[0].arguments[1]: found {"hex":"f"}, expected text', [{ op: 'bpf', arguments: ['a', { hex: 'f' }] }]],
    ['pipeline[0].arguments[0]: found null, expected text', [{ op: 'bpf', arguments: [null] }]],
    ['pipeline[1].when: found 65536, expected a class', [{ op: 'eth' }, { op: 'count', when: 65536 }]],
    ['pipeline[1].when: found "80", expected a class', [{ op: 'eth' }, { op: 'count', when: '80' }]],
    ['pipeline[0].fork: found [[{"op":"eth"}]], expected two branches', [{ fork: [[{ op: 'eth' }]] }]],
    ['pipeline[0].fork[1]: found [], expected a list of steps', [{ fork: [[{ op: 'eth' }], []] }]],
    ['pipeline[0].fork[0][0].op: found undefined, expected the name', [{ fork: [[{}], [{ op: 'eth' }]] }]],
  ])('%s', (problem, spec) => {
    const found = refusal(spec as never);
    expect(found).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2 });
    expect(found.message).toContain(problem);
    expect(found.message).not.toContain('\n');
  });

  it('what is JSON but conflicts is refused at the column of its text', () => {
    expect(refusal([{ op: 'eth' }, { op: 'tcp' }])).toMatchObject({
      column: 7,
      message: expect.stringContaining("in 'eth | tcp'"),
    });
  });
});

/** A refusal as a user must see it: one printable line, and a column within the text or right behind it. */
function expectOneLine(text: string): void {
  const found = refusalOf(() => parsePipeline(text));
  if (!found) return;
  expect(found).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2 });
  expect(found.message).toMatch(/^pipeline, column \d+: [^\p{Cc}\p{Zl}\p{Zp}]+$/u);
  expect(found.remedy).toMatch(/^[^\p{Cc}]+$/u);
  expect(found.column).toBeGreaterThanOrEqual(1);
  expect(found.column).toBeLessThanOrEqual([...text].length + 1);
}

describe('whatever the text', () => {
  it('it parses or is refused in one line with a column within it', () => {
    const words = fc.constantFrom(
      'eth',
      'ip4',
      'ip6',
      'tcp',
      '|80',
      '|',
      ' ',
      '(',
      ')',
      '+',
      '"',
      '\\',
      '@',
      'é',
      '\n',
      '__proto__',
      '\u2028',
      '\ud800',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(words, { maxLength: 30 }).map((parts) => parts.join('')),
    );
    fc.assert(fc.property(text, expectOneLine), { numRuns: 500 });
  });

  it('mutations of valid texts are no exception', () => {
    const valid = anySpec.filter((spec) => refusalOf(() => parsePipeline(spec)) === null).map((spec) => parsePipeline(spec).text);
    const mutation = fc.record({
      at: fc.nat(),
      length: fc.nat({ max: 4 }),
      put: fc.oneof(
        fc.constantFrom('', '|', '(', ')', '"', '\\', '@', ' ', '+', '|7 ', 'eth | '),
        fc.string({ maxLength: 3, unit: 'binary' }),
      ),
    });
    let refused = 0;
    fc.assert(
      fc.property(valid, fc.array(mutation, { minLength: 1, maxLength: 3 }), (text, mutations) => {
        const mutated = mutations.reduce((current, { at, length, put }) => {
          const place = at % (current.length + 1);
          return current.slice(0, place) + put + current.slice(place + length);
        }, text);
        expectOneLine(mutated);
        if (refusalOf(() => parsePipeline(mutated))) refused++;
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(100);
  });
});
