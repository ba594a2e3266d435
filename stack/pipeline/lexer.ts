/**
 * From a pipeline's text to its tokens. Words are whatever stands between white space, `|`, parentheses and quotes; strings are
 * quoted with escapes; `@FILE` names a file. Pure; called by the parser.
 */
import { refuse, shortened } from './refusal.js';

export interface Token {
  readonly kind: '|' | '(' | ')' | '+' | 'word' | 'string' | 'file' | 'end';
  /** Bytes of a word or string, one character each; the path of a file. */
  readonly value: string;
  /** Offset in the text. */
  readonly at: number;
  /** Offset behind it. */
  readonly end: number;
  /** Of strings with escapes and words beyond ASCII: where in the text each byte comes from. */
  readonly places: readonly number[] | null;
}

const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', n: '\n', r: '\r', t: '\t' };
const SPACE = /\s/;
const WORD_END = /[\s|()"]/;

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at] as string;
    if (SPACE.test(character)) {
      at++;
      continue;
    }
    const token = tokenAt(text, at, tokens.at(-1));
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: 'end', value: '', at: text.length, end: text.length, places: null });
  return tokens;
}

function tokenAt(text: string, at: number, before: Token | undefined): Token {
  const character = text[at] as string;
  if (character === '|' || character === '(' || character === ')') return plain(character, at);
  if (character === '+' && isJoint(text, at, before)) return plain('+', at);
  if (character === '"') return string(text, at, at, 'string');
  if (character === '@') return file(text, at);
  return word(text, at, at, 'word');
}

function plain(kind: '|' | '(' | ')' | '+', at: number): Token {
  return { kind, value: kind, at, end: at + 1, places: null };
}

/** A plus between branches stands alone; `ip[0]+4` and `+4` are words. */
function isJoint(text: string, at: number, before: Token | undefined): boolean {
  const next = text[at + 1];
  return before?.kind === ')' || next === undefined || next === '(' || SPACE.test(next);
}

function file(text: string, at: number): Token {
  const token = text[at + 1] === '"' ? string(text, at, at + 1, 'file') : word(text, at, at + 1, 'file');
  if (token.value === '') refuse(text, at, "'@' without a file", 'Write @FILE, or put a pattern that begins with @ in quotes');
  return token;
}

function word(text: string, at: number, from: number, kind: 'word' | 'file'): Token {
  let end = from;
  while (end < text.length && !WORD_END.test(text[end] as string)) end++;
  const written = text.slice(from, end);
  const found = written.search(/[\\\p{Cc}]|^'/u);
  if (found >= 0) {
    const what = { '\\': 'a backslash outside quotes', "'": 'a single quote' }[written[found] as string] ?? 'a control character';
    refuse(text, from + found, what, 'Put the argument in double quotes, where \\" \\\\ \\n \\r \\t \\xHH stand for one byte');
  }
  if (text[end] === '"')
    refuse(text, end, `a quote inside the word '${shortened(written)}'`, 'Put white space before it, or \\" into quotes');
  if (kind === 'file') return { kind, value: written, at, end, places: null };
  return { kind, at, end, ...bytesOf(written, from) };
}

function string(text: string, at: number, quote: number, kind: 'string' | 'file'): Token {
  let value = '';
  const places: number[] = [];
  let next = quote + 1;
  while (text[next] !== '"') {
    if (next >= text.length)
      refuse(text, quote, 'a quote that is never closed', 'Close it with "; a quote inside is written \\"');
    const step = characterAt(text, next);
    value += step.bytes;
    for (let i = 0; i < step.bytes.length; i++) places.push(next);
    next += step.length;
  }
  const end = next + 1;
  if (end < text.length && !/[\s|)]/.test(text[end] as string)) {
    refuse(
      text,
      end,
      `found '${shortened(text[end] as string)}' right behind a quoted string, expected white space`,
      'Put a space between arguments',
    );
  }
  if (kind === 'file') return { kind, value: Buffer.from(value, 'latin1').toString('utf8'), at, end, places: null };
  return { kind, value, at, end, places };
}

/** One character or escape inside quotes: its bytes, and how much of the text it takes. */
function characterAt(text: string, at: number): { bytes: string; length: number } {
  if (text[at] !== '\\') {
    const character = String.fromCodePoint(text.codePointAt(at) as number);
    return { bytes: utf8(character), length: character.length };
  }
  const escaped = text[at + 1] ?? '';
  const hex = text.slice(at + 2, at + 4);
  if (escaped === 'x' && /^[0-9a-fA-F]{2}$/.test(hex)) return { bytes: String.fromCharCode(Number.parseInt(hex, 16)), length: 4 };
  const bytes = Object.hasOwn(ESCAPES, escaped) ? ESCAPES[escaped] : undefined;
  if (bytes === undefined)
    refuse(
      text,
      at,
      `'${shortened(`\\${escaped}`)}' is no escape`,
      'There are \\" \\\\ \\n \\r \\t and \\xHH with two hexadecimal digits',
    );
  return { bytes, length: 2 };
}

/** A lone surrogate becomes the replacement character, as everywhere in Node. */
export function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function bytesOf(written: string, from: number): Pick<Token, 'value' | 'places'> {
  const value = utf8(written);
  if (value.length === written.length) return { value, places: null };
  const places: number[] = [];
  let at = from;
  for (const character of written) {
    for (let i = utf8(character).length; i > 0; i--) places.push(at);
    at += character.length;
  }
  return { value, places };
}
