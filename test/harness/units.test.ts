/** Units: what is written comes back, and everything else is refused with exit code 2. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binary, decimal, grouped, oneLine, rates } from '../../harness/format.js';
import { parseCores, parseCount, parseDuration, parseRate, parseShare, parseSize, parseWeights } from '../../harness/units.js';
import { ModelTError } from '../../stack/index.js';

const anyCase = (text: string): fc.Arbitrary<string> =>
  fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((upper) => [...text].map((letter, index) => (upper[index] ? letter.toUpperCase() : letter.toLowerCase())).join(''));

function refused(parse: () => unknown): ModelTError {
  try {
    parse();
  } catch (error) {
    if (error instanceof ModelTError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('rates are decimal', () => {
  it.each([
    ['', 1],
    ['k', 1e3],
    ['m', 1e6],
    ['g', 1e9],
    ['t', 1e12],
  ] as const)('prefix "%s" is %d', (prefix, factor) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.constantFrom('pps', 'bps').chain((unit) => anyCase(`${prefix}${unit}`)),
        (value, unit) => {
          const rate = parseRate(`${value}${unit}`);
          expect(rate).toEqual({ value: value * factor, unit: unit.slice(prefix.length).toLowerCase() });
        },
      ),
    );
  });

  it.each(['', '10', 'Gbps', '-1bps', '1e3pps', '10Gibps', '10 Gbit'])('refuses "%s"', (text) => {
    expect(refused(() => parseRate(text))).toMatchObject({ exitCode: 2, code: 'USAGE' });
  });
});

describe('sizes are binary', () => {
  it.each([
    ['', 0],
    ['k', 10],
    ['m', 20],
    ['g', 30],
  ] as const)('prefix "%s" is 2^%d', (prefix, power) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4096 }),
        fc.constantFrom('', 'b', prefix && 'ib').chain((end) => anyCase(`${prefix}${end}`)),
        (value, unit) => {
          expect(parseSize(`${value}${unit}`)).toBe(value * 2 ** power);
        },
      ),
    );
  });

  it('takes fractions that are whole bytes', () => {
    expect(parseSize('1.5MiB')).toBe(1572864);
    expect(refused(() => parseSize('1.3')).message).toContain('"1.3"');
  });

  it.each(['', 'MiB', '-1', '4 Mbit', '0x10', '99999999999t'])('refuses "%s"', (text) => {
    expect(refused(() => parseSize(text)).exitCode).toBe(2);
  });
});

describe('durations', () => {
  it.each([
    ['10s', 10],
    ['500ms', 0.5],
    ['2m', 120],
    ['2min', 120],
    ['1h', 3600],
    ['3', 3],
    ['1us', 1e-6],
    ['20NS', 2e-8],
    ['1.5S', 1.5],
  ])('%s', (text, seconds) => {
    expect(parseDuration(text)).toBeCloseTo(seconds, 12);
  });

  it.each(['', '0', '0s', '-1s', 's', '10 days', '1d', 'constructor', '1toString'])('refuses "%s"', (text) => {
    expect(refused(() => parseDuration(text)).exitCode).toBe(2);
  });
});

describe('counts, shares, lists', () => {
  it('counts are digits within bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (value) => {
        expect(parseCount(`${value}`, 0)).toBe(value);
      }),
    );
    for (const text of ['', '-1', '1.0', '1e3', '0x1', ' ', '9007199254740993', 'Infinity'])
      expect(refused(() => parseCount(text, 0)).exitCode).toBe(2);
    expect(refused(() => parseCount('0', 1)).message).toContain('from 1');
    expect(refused(() => parseCount('9', 1, 8)).message).toContain('from 1 to 8');
  });

  it('shares are numbers from 0 to 1 or percentages', () => {
    expect([parseShare('0'), parseShare('0.25'), parseShare('25%'), parseShare('1')]).toEqual([0, 0.25, 0.25, 1]);
    for (const text of ['1.1', '101%', '-0.1', 'half', '']) expect(refused(() => parseShare(text)).exitCode).toBe(2);
  });

  it('CPU lists keep their order and name each once', () => {
    expect(parseCores('3,0-1')).toEqual([3, 0, 1]);
    for (const text of ['', 'a', '1-0', '0,0', '0-2,1', '1-', '-1', '999999'])
      expect(refused(() => parseCores(text)).exitCode).toBe(2);
  });

  it('weights default to 1', () => {
    expect(parseWeights('60:7,590,tcp:2')).toEqual([
      ['60', 7],
      ['590', 1],
      ['tcp', 2],
    ]);
    for (const text of ['', '60:', '60:0', ':1', '60;7']) expect(refused(() => parseWeights(text)).exitCode).toBe(2);
  });
});

describe('printed numbers', () => {
  it('carry three to four digits that mean something', () => {
    expect([decimal(999, 'pps'), decimal(432_100_000, 'pps'), decimal(999_960, 'bit/s')]).toEqual([
      '999 pps',
      '432.1 Mpps',
      '1.0 Mbit/s',
    ]);
    expect([binary(0), binary(48 * 1024), binary(1.5 * 2 ** 20)]).toEqual(['0 B', '48 KiB', '1.5 MiB']);
    expect(grouped(1234567)).toBe('1,234,567');
  });

  it('a rate names both layers; wire is 24 bytes a packet more', () => {
    expect(rates(1e6, 60e6, 1)).toBe('1.0 Mpps, 480.0 Mbit/s L2, 672.0 Mbit/s wire');
  });

  it('text from outside becomes one printable line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(oneLine(text)).not.toMatch(/\p{Cc}/u);
      }),
    );
    expect(oneLine('a\n  b\x1b[31m')).toBe('a; b\\x1b[31m');
  });
});
