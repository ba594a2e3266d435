/**
 * WGSL as a row of tokens: enough to find declarations, attributes and loop bodies in a user kernel, and no more. Comments nest and
 * lines end as the WGSL specification has it, so that nothing can hide from Dawn here or from us there. Pure; for user-kernel.ts.
 */
export interface Token {
  readonly kind: 'name' | 'number' | 'mark';
  /** Marks are single characters. */
  readonly text: string;
  /** In UTF-16 units. */
  readonly offset: number;
}

/** What cannot be read as tokens: `message` says why. */
export class TokenError extends Error {
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

const BLANK = /[\s\u0085\u200e\u200f]+/y;
const LINE_COMMENT = /\/\/[^\n\v\f\r\u0085\u2028\u2029]*/y;
const NAME = /[\p{XID_Start}_]\p{XID_Continue}*/uy;
/** As much as could belong to a number; a sign of an exponent is left out, which changes nothing here. */
const NUMBER = /\.?[0-9][0-9a-zA-Z_.]*/y;
const LINE_END = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/g;

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const skipped = take(BLANK) ?? take(LINE_COMMENT);
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    if (text.startsWith('/*', at)) {
      at = endOfBlockComment(text, at);
      continue;
    }
    const token = read(take, at, text);
    tokens.push(token);
    at += token.text.length;
  }
  return tokens;
}

function read(take: (pattern: RegExp) => string | undefined, offset: number, text: string): Token {
  const name = take(NAME);
  if (name !== undefined) return { kind: 'name', text: name, offset };
  const number = take(NUMBER);
  if (number !== undefined) return { kind: 'number', text: number, offset };
  const mark = String.fromCodePoint(text.codePointAt(offset) ?? 0);
  if (!/^[!-/:-@[-`{-~]$/.test(mark)) {
    const code = mark.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
    throw new TokenError(`the character U+${code} has no meaning in WGSL`, offset);
  }
  return { kind: 'mark', text: mark, offset };
}

function endOfBlockComment(text: string, start: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start;
  let depth = 0;
  for (let match = edge.exec(text); match; match = edge.exec(text)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  throw new TokenError('this comment has no end', start);
}

/** Line and column (both from 1, in UTF-16 units) of places in a text. */
export class Lines {
  readonly #starts: number[];

  constructor(text: string) {
    this.#starts = [0, ...[...text.matchAll(LINE_END)].map((match) => match.index + match[0].length)];
  }

  get count(): number {
    return this.#starts.length;
  }

  locate(offset: number): { readonly line: number; readonly column: number } {
    let line = 0;
    let after = this.#starts.length;
    while (after - line > 1) {
      const middle = (line + after) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) line = middle;
      else after = middle;
    }
    return { line: line + 1, column: offset - (this.#starts[line] ?? 0) + 1 };
  }
}
