/**
 * Words, numbers, addresses and operators of a filter expression. The longest match wins; of equally long ones the first of
 * IP4, MAC, NUMBER, IP6, WORD. So `80-90` and `0-1` are words, as in pcap-filter(7). Pure; called by parser.ts.
 */
import type { Fail } from './error.js';

export interface Token {
  readonly type: 'word' | 'escaped' | 'number' | 'ip4' | 'mac' | 'ip6' | 'operator' | 'end';
  /** As written; of an escaped word without the backslash. */
  readonly text: string;
  readonly offset: number;
  /** Of a number. */
  readonly value: number;
}

const NUMBER = /0[xX][0-9a-fA-F]+|[0-9]+/y;
const IP4 = /[0-9]+(?:\.[0-9]+){1,3}/y;
const MAC =
  /[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}|[0-9a-fA-F]{1,2}(?:-[0-9a-fA-F]{1,2}){5}|[0-9a-fA-F]{1,2}(?:\.[0-9a-fA-F]{1,2}){5}|[0-9a-fA-F]{1,4}(?:\.[0-9a-fA-F]{1,4}){2}|[0-9a-fA-F]{12}/y;
const IP6 = /[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:]*(?:[0-9]+(?:\.[0-9]+){3})?/y;
const WORD = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const ESCAPED = /\\[^ !()\n\t]+/y;
const OPERATOR = /&&|\|\||<<|>>|<=|>=|!=|==|[-+*/%:[\]<>()&|^=!]/y;

const CANDIDATES: readonly (readonly [Token['type'], RegExp])[] = [
  ['ip4', IP4],
  ['mac', MAC],
  ['number', NUMBER],
  ['ip6', IP6],
  ['word', WORD],
  ['escaped', ESCAPED],
  ['operator', OPERATOR],
];

function matchAt(pattern: RegExp, text: string, offset: number): string {
  pattern.lastIndex = offset;
  return pattern.exec(text)?.[0] ?? '';
}

function numberOf(text: string, offset: number, fail: Fail): number {
  const octal = /^0[0-9]+$/.test(text);
  if (octal && /[89]/.test(text))
    fail(offset, `'${text}' is no octal number`, 'A number that starts with 0 is octal; leave the 0 out');
  const value = octal ? Number.parseInt(text, 8) : Number(text);
  if (value > 0xffff_ffff) fail(offset, `'${text}' does not fit into 32 bits`, 'The largest number is 4294967295');
  return value;
}

/** All tokens, the last of type 'end'. */
export function tokens(text: string, fail: Fail): readonly Token[] {
  const found: Token[] = [];
  let offset = 0;
  for (;;) {
    offset += matchAt(/[ \t\r\n]*/y, text, offset).length;
    if (offset >= text.length) break;
    let best: [Token['type'], string] = ['end', ''];
    for (const [type, pattern] of CANDIDATES) {
      const match = matchAt(pattern, text, offset);
      if (match.length > best[1].length) best = [type, match];
    }
    const [type, match] = best;
    if (!match) fail(offset, `'${text[offset]}' means nothing`, 'Filters are written as in pcap-filter(7)');
    const value = type === 'number' ? numberOf(match, offset, fail) : 0;
    found.push({ type, text: type === 'escaped' ? match.slice(1) : match, offset, value });
    offset += match.length;
  }
  found.push({ type: 'end', text: '', offset: text.length, value: 0 });
  return found;
}
