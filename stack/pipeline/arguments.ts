/** From the written arguments of a step to what its body gets: a number, or bytes. Pure; called by the resolver. */
import type { ArgumentKind, Operation, RefuseArgument } from '../ops/operation.js';
import { linesOf } from './files.js';
import type { Token } from './lexer.js';
import { printArgument } from './printer.js';
import { nearest, refuse, shortened } from './refusal.js';
import type { ParseOptions } from './tree.js';

export interface ResolvedArgument {
  /** Canonical text; null = none was given. */
  readonly argument: string | null;
  readonly parameter: number;
  readonly data: Uint8Array | null;
}

/** Where a step stands: what refusals point at. */
export interface Place {
  readonly text: string;
  readonly at: number;
}

/** A text, and where in the pipeline each byte of it came from. */
interface Text {
  readonly bytes: string;
  readonly token: Token;
  /** Of a text from a file: which line. */
  readonly line: number | null;
}

export function resolveArgument(
  operation: Operation,
  tokens: readonly Token[],
  place: Place,
  options: ParseOptions,
): ResolvedArgument {
  const kind = operation.argument;
  if (kind.kind === 'texts') return compileTexts(operation.name, kind, tokens, place, options);
  refuseMany(operation, tokens, place);
  const [token] = tokens;
  if (kind.kind === 'choice') return choose(operation.name, kind, token, place);
  if (kind.kind === 'number') return number(operation.name, kind, token, place);
  return { argument: null, parameter: 0, data: null };
}

function refuseMany({ name, argument }: Operation, tokens: readonly Token[], { text }: Place): void {
  const most = argument.kind === 'none' ? 0 : 1;
  const extra = tokens[most];
  if (!extra) return;
  const found = shortened(text.slice(extra.at, extra.end));
  refuse(
    text,
    extra.at,
    `'${name}' takes ${most === 0 ? 'no argument' : 'one argument'}, found '${found}'`,
    'Separate operations with |',
  );
}

type Kind<Name extends ArgumentKind['kind']> = Extract<ArgumentKind, { kind: Name }>;

function choose(name: string, { choices }: Kind<'choice'>, token: Token | undefined, { text }: Place): ResolvedArgument {
  if (!token) return { argument: null, parameter: choices[0]?.value ?? 0, data: null };
  const choice = token.kind === 'file' ? undefined : choices.find(({ argument }) => argument === token.value);
  if (choice) return { argument: choice.argument, parameter: choice.value, data: null };
  const words = choices.map(({ argument }) => argument);
  const near = nearest(token.value, words);
  const found = shortened(text.slice(token.at, token.end));
  return refuse(
    text,
    token.at,
    `'${name}' takes ${words.join(' or ')}, found '${found}'`,
    near ? `Did you mean '${near}'?` : `Write ${name} ${words[0]}`,
  );
}

function number(name: string, kind: Kind<'number'>, token: Token | undefined, { text, at }: Place): ResolvedArgument {
  const range = `a whole number from ${kind.min} to ${kind.max} (${kind.what})`;
  const example = `Write for example ${name} ${kind.default ?? Math.max(kind.min, Math.min(kind.max, 100))}`;
  if (!token) {
    if (kind.default === null) refuse(text, at, `'${name}' needs ${range}`, example);
    return { argument: null, parameter: kind.default, data: null };
  }
  const value = token.kind !== 'file' && /^\d+$/.test(token.value) ? Number(token.value) : Number.NaN;
  if (!(value >= kind.min && value <= kind.max)) {
    refuse(text, token.at, `'${name}' takes ${range}, found '${shortened(text.slice(token.at, token.end))}'`, example);
  }
  return { argument: `${value}`, parameter: value, data: null };
}

function compileTexts(
  name: string,
  kind: Kind<'texts'>,
  tokens: readonly Token[],
  place: Place,
  options: ParseOptions,
): ResolvedArgument {
  const texts = tokens.flatMap((token) => textsOf(token, place.text, options));
  refuseNumberOfTexts(name, kind, texts, { ...place, at: tokens[0]?.at ?? place.at });
  const fail: RefuseArgument = (problem, remedy, index, offset) => {
    const text = index === undefined ? undefined : texts[index];
    const line = text?.line ? ` (line ${text.line} of '${shortened(text.token.value)}')` : '';
    const at = text ? placeOf(text, offset) : (tokens[0]?.at ?? place.at);
    return refuse(place.text, at, `'${name}': ${problem}${line}`, remedy);
  };
  const bytes = texts.map((text) => text.bytes);
  return { argument: bytes.map(printArgument).join(' ') || null, parameter: 0, data: kind.compile(bytes, fail) };
}

function refuseNumberOfTexts(name: string, { what, min, max }: Kind<'texts'>, texts: readonly Text[], { text, at }: Place): void {
  if (texts.length < min) {
    const least = min === 1 ? what : `at least ${min} of ${what}`;
    refuse(text, at, `'${name}' needs ${least}`, `Write ${name} "..." or ${name} @FILE with one per line`);
  }
  const extra = texts[max];
  if (extra) refuse(text, extra.token.at, `'${name}' takes at most ${max} of ${what}, found ${texts.length}`, 'Leave some out');
}

function placeOf({ token, line }: Text, offset: number | undefined): number {
  if (line !== null || offset === undefined) return token.at;
  if (token.places) return token.places[offset] ?? token.end - 1;
  return Math.min(token.at + offset, token.end - 1);
}

function textsOf(token: Token, text: string, options: ParseOptions): Text[] {
  if (token.kind !== 'file') return [{ bytes: token.value, token, line: null }];
  return linesOf(token, text, options).map(({ bytes, number }) => ({ bytes, token, line: number }));
}
