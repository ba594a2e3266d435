/** Address prefixes as text: parsing, canonical text, and refusals. An URL parser is the second opinion on IPv6 text. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPrefix, parsePrefix } from '../../replay/index.js';
import { ModelTError } from '../../stack/index.js';

const bytes = (count: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: count, maxLength: count });
/** Few different groups, so that runs of zeros of every length and place come up. */
const sparse = fc.array(fc.constantFrom(0, 0, 0, 1, 0xff, 0x1234), { minLength: 8, maxLength: 8 });
const groupsOf = (words: readonly number[]): Uint8Array => Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255]));

function maskedTo(address: Uint8Array, length: number): Uint8Array {
  return address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, length - index * 8))) & 0xff);
}

describe('parsePrefix and formatPrefix', () => {
  it('IPv4: any address and length, host bits cleared', () => {
    fc.assert(
      fc.property(bytes(4), fc.integer({ min: 0, max: 32 }), (address, length) => {
        const prefix = parsePrefix(`${address.join('.')}/${length}`);
        expect(prefix).toEqual({ address: maskedTo(address, length), length });
        expect(formatPrefix(prefix)).toBe(`${prefix.address.join('.')}/${length}`);
      }),
    );
  });

  it('IPv6: any address and length, host bits cleared, text as RFC 5952 and the URL standard have it', () => {
    fc.assert(
      fc.property(fc.oneof(sparse.map(groupsOf), bytes(16)), fc.integer({ min: 0, max: 128 }), (address, length) => {
        const full = Array.from({ length: 8 }, (_, i) => Buffer.from(address).toString('hex', 2 * i, 2 * i + 2)).join(':');
        const prefix = parsePrefix(`${full}/${length}`);
        expect(prefix).toEqual({ address: maskedTo(address, length), length });
        const text = formatPrefix(prefix);
        const shown = text.slice(0, text.indexOf('/'));
        expect(`[${shown}]`).toBe(new URL(`http://[${shown}]`).hostname);
        expect(parsePrefix(text)).toEqual(prefix);
      }),
      { numRuns: 500 },
    );
  });

  it('IPv6: every way to write an address means the same', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
        expect(formatPrefix(parsePrefix(text))).toBe(`${canonical}/128`);
        expect(parsePrefix(text.toUpperCase())).toEqual(parsePrefix(text));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.255.3.4/8', '10.0.0.0/8'],
    ['192.168.77.1', '192.168.77.1/32'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['::/0', '::/0'],
    ['::1', '::1/128'],
    ['1::', '1::/128'],
    ['fd00::/16', 'fd00::/16'],
    ['FD00:0:0:0:0:0:0:1/64', 'fd00::/64'],
    ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1/128'],
    ['2001:0:0:1::2', '2001:0:0:1::2/128'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0/128'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8/128'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4/128'],
    ['10:0:0:1::', '10:0:0:1::/128'],
    ['::ffff:192.0.2.1', '::ffff:c000:201/128'],
    ['64:ff9b::192.0.2.33/96', '64:ff9b::/96'],
    ['fe80::ffff:ffff:ffff:ffff/65', 'fe80::8000:0:0:0/65'],
  ])('%s is %s', (text, canonical) => {
    expect(formatPrefix(parsePrefix(text))).toBe(canonical);
  });

  it.each([
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8.5',
    '10.0.0.0/ 8',
    '10.0.0.0/0x8',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '10.0.0.256/8',
    '010.0.0.0/8',
    'fd00::/129',
    'fd00:::/16',
    'fd00::1::/16',
    'fe80::1%eth0/64',
    '1:2:3:4:5:6:7:8:9',
    'example.org/8',
    ' 10.0.0.0/8',
  ])('%j is refused with its value', (text) => {
    expect(() => parsePrefix(text)).toThrow(
      expect.objectContaining({ code: 'CIDR_INVALID', exitCode: 2, message: expect.stringContaining(`'${text}'`) }),
    );
  });

  it('whatever the text, it is a prefix or refused', () => {
    const pieces = fc.constantFrom(':', '::', '.', '/', '0', '1', '255', 'ffff', '12', '%', 'g', '-');
    fc.assert(
      fc.property(
        fc.array(pieces, { maxLength: 18 }).map((parts) => parts.join('')),
        (text) => {
          try {
            const prefix = parsePrefix(text);
            expect(prefix.length).toBeLessThanOrEqual(prefix.address.length * 8);
            expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
          } catch (error) {
            expect(error).toBeInstanceOf(ModelTError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
