/** match from JavaScript: patterns to blob, occurrences of every variant, and the texts and sets of its benchmark. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commonWords, matchPatterns, matchTexts } from '../../harness/bench/match-texts.js';
import { compilePatterns, native } from '../../stack/index.js';
import { isas } from '../helpers/replay.js';

const encoder = new TextEncoder();
const bytes = (...texts: string[]): Uint8Array[] => texts.map((text) => encoder.encode(text));
const refuse = (problem: string): never => {
  throw new Error(problem);
};
const compiled = (patterns: readonly Uint8Array[]): Uint8Array => {
  const texts = patterns.map((pattern) => Buffer.from(pattern).toString('latin1'));
  return compilePatterns(texts, refuse);
};

/** [end, pattern] by end, then pattern. */
function found(patterns: readonly Uint8Array[], variant: string, text: Uint8Array): number[][] {
  const { patterns: numbers, ends } = native.matchRun(compiled(patterns), variant, text);
  return [...ends].map((end, index) => [end, numbers[index] ?? -1]);
}

/** By looking at every place. */
function everywhere(patterns: readonly Uint8Array[], text: Uint8Array): number[][] {
  const all: number[][] = [];
  for (let end = 1; end <= text.length; end++) {
    for (const [number, pattern] of patterns.entries()) {
      const start = end - pattern.length;
      if (start >= 0 && pattern.every((byte, index) => text[start + index] === byte)) all.push([end, number]);
    }
  }
  return all;
}

describe('compilePatterns', () => {
  it('writes count, lengths and bytes, little-endian', () => {
    expect([...compiled(bytes('ab', 'c'))]).toEqual([2, 0, 0, 0, 2, 0, 0, 0, 97, 98, 1, 0, 0, 0, 99]);
  });

  it('refuses empty and overlong patterns by number', () => {
    expect(() => compiled(bytes('a', ''))).toThrow('an empty pattern is everywhere');
    expect(() => compiled([new Uint8Array(65536)])).toThrow('pattern 1 has 65536 bytes');
  });
});

describe('matchRun', () => {
  it.each(['automaton', ...isas])('%s: every occurrence, overlapping and doubled ones too', (variant) => {
    expect(found(bytes('aa', 'a', 'baa', 'aa'), variant, encoder.encode('baaa'))).toEqual([
      [2, 1],
      ...[0, 1, 2, 3].map((number) => [3, number]),
      ...[0, 1, 3].map((number) => [4, number]),
    ]);
  });

  it.each(['automaton', ...isas])('%s: what looking everywhere finds', (variant) => {
    const letter = fc.constantFrom(0, 97, 98, 255);
    const pattern = fc.array(letter, { minLength: 1, maxLength: 9 }).map((list) => Uint8Array.from(list));
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 30 }), fc.array(letter, { maxLength: 200 }), (patterns, list) => {
        const text = Uint8Array.from(list);
        expect(found(patterns, variant, text)).toEqual(everywhere(patterns, text));
      }),
    );
  });

  it('says what is wrong', () => {
    expect(() => native.matchRun(new Uint8Array(3), 'scalar', new Uint8Array(1))).toThrow('no pattern count');
    expect(() => native.matchRun(compiled(bytes('a')), 'fast', new Uint8Array(1))).toThrow("'fast'");
    expect(() => native.matchRun(compiled(bytes('a')), 'scalar', new Uint16Array(1) as unknown as Uint8Array)).toThrow(TypeError);
  });
});

describe('the benchmark', () => {
  const texts = matchTexts(16);

  it('has the same texts and sets every time, of the sizes asked for', () => {
    expect(matchTexts(16)).toEqual(texts);
    expect(texts.every(({ length }) => length === 1400)).toBe(true);
    expect(matchPatterns(1000)).toHaveLength(1000);
    expect(matchPatterns(1000).slice(0, 10)).toEqual(matchPatterns(10));
    expect(commonWords(100)).toHaveLength(100);
  });

  it.each([1, 10, 100, 1000])('%d patterns: all variants agree, and some occur', (count) => {
    const rates = native.matchCompare(compiled(matchPatterns(count)), matchTexts(128), 0.01);
    expect(rates.map(({ variant }) => variant)).toEqual(['automaton', ...isas.filter((isa) => isa !== 'scalar')]);
    expect(new Set(rates.map(({ occurrences }) => occurrences)).size).toBe(1);
    expect(rates[0]?.occurrences).toBeGreaterThan(0);
    for (const { bytesPerSecond, bestBytesPerSecond } of rates) expect(bestBytesPerSecond).toBeGreaterThanOrEqual(bytesPerSecond);
  });
});
