/**
 * What a user kernel may not hold, and where its loops are. Each rule closes a way past the fence of user-prelude.wgsl (memory,
 * budget, equal bytes for any dispatch) or gives a better message than the compiler's. Pure; for user-kernel.ts.
 */
import type { Token } from './wgsl-tokens.js';

/** Something that is refused: where (in UTF-16 units), what, and the remedy. */
export interface Refusal {
  readonly offset: number;
  readonly message: string;
  readonly remedy: string;
}

/** Text to be put in at an offset of the source; never holds a line break. */
export interface Insertion {
  readonly offset: number;
  readonly text: string;
}

const USE_FUNCTIONS = 'Use frame_word(), set_frame_word() and the other functions of replay/kernels/README.md';

/** Others bind resources or make entry points. */
const ATTRIBUTES = new Set(['align', 'size', 'must_use', 'diagnostic']);

const DIRECTIVES = new Set(['enable', 'requires', 'override', 'diagnostic']);

/** These differ from machine to machine; bytes must not. */
const DISPATCH_NAMES = new Set(['WORKGROUP_SIZE', 'PACKETS_PER_INVOCATION']);

/** WGSL's own names that user-prelude.wgsl and user-entry.wgsl rely on: a module may declare them anew, and `alias u32 = i32` would turn bounds checks round. */
export const PREDECLARED: ReadonlySet<string> = new Set([
  ...['u32', 'f32', 'i32', 'bool', 'vec2', 'vec3', 'vec4', 'array', 'atomic'],
  ...['arrayLength', 'atomicAdd', 'atomicLoad', 'atomicCompareExchangeWeak', 'min', 'select'],
  ...['storage', 'uniform', 'immediate', 'private', 'read', 'read_write'],
]);

export function findRefusal(tokens: readonly Token[]): Refusal | undefined {
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.text === '{') depth++;
    if (token.text === '}' && --depth < 0) return { offset: token.offset, message: 'this } closes nothing', remedy: 'Remove it' };
    const refusal = refuseName(tokens, index) ?? (depth === 0 ? refuseDeclaration(tokens, index) : undefined);
    if (refusal) return refusal;
  }
  const last = tokens.at(-1)?.offset ?? 0;
  if (depth > 0) return { offset: last, message: `${depth} { are not closed at the end`, remedy: 'Add the missing }' };
  return hasTransform(tokens)
    ? refuseCalls(tokens)
    : { offset: 0, message: 'there is no fn transform(packet: Packet)', remedy: 'Declare it: it is called for every packet' };
}

/** Rules that hold wherever a name stands. */
function refuseName(tokens: readonly Token[], index: number): Refusal | undefined {
  const token = tokens[index];
  if (token?.kind !== 'name') return undefined;
  const { text, offset } = token;
  const before = tokens[index - 1]?.text;
  if (before === '@') {
    if (ATTRIBUTES.has(text)) return undefined;
    return {
      offset,
      message: `@${text} is not allowed in a user kernel`,
      remedy: `Remove it: bindings are fixed. ${USE_FUNCTIONS}`,
    };
  }
  if (text.startsWith('model_t_')) {
    return { offset, message: `names that begin with model_t_ are taken: ${text}`, remedy: 'Choose another name' };
  }
  if (DISPATCH_NAMES.has(text)) {
    const remedy = 'Do without: packets must not depend on how they are spread over the GPU';
    return { offset, message: `${text} is not for user kernels`, remedy };
  }
  if (DIRECTIVES.has(text)) {
    return {
      offset,
      message: `${text} is not allowed in a user kernel`,
      remedy: 'Remove it; WGSL without extensions is offered',
    };
  }
  return text === 'var' ? refuseVariable(tokens, index) : undefined;
}

function refuseVariable(tokens: readonly Token[], index: number): Refusal | undefined {
  const space = tokens[index + 2];
  if (tokens[index + 1]?.text !== '<' || !space || space.text === 'function') return undefined;
  const remedy =
    space.text === 'private' ? 'Declare it in transform(): what one packet leaves behind must not reach another' : USE_FUNCTIONS;
  return { offset: space.offset, message: `var<${space.text}> is not allowed in a user kernel`, remedy };
}

/** Rules for what stands outside functions. */
function refuseDeclaration(tokens: readonly Token[], index: number): Refusal | undefined {
  const token = tokens[index];
  const name = tokens[index + 1];
  if (token?.kind !== 'name' || !name) return undefined;
  if (token.text === 'var') {
    return {
      offset: token.offset,
      message: 'var is not allowed outside functions',
      remedy: 'Declare it in a function, or use const',
    };
  }
  if (!['fn', 'struct', 'alias', 'const'].includes(token.text)) return undefined;
  if (!PREDECLARED.has(name.text) && name.text !== 'main') return undefined;
  return { offset: name.offset, message: `${name.text} may not be declared anew`, remedy: 'Choose another name' };
}

/** Compilers put the text of a function in place of each call; 2000 take SwiftShader 7 s, 4000 take 30 s. */
const MOST_CALLS = 2000;
const DEEPEST_CALLS = 1000;
const KEYWORDS = new Set(['if', 'for', 'while', 'switch', 'return']);

function refuseCalls(tokens: readonly Token[]): Refusal | undefined {
  const calls = new Map<string, string[]>();
  let inside: string[] = [];
  for (const [index, { text, kind }] of tokens.entries()) {
    if (tokens[index - 1]?.text === 'fn') {
      inside = [];
      calls.set(text, inside);
    } else if (kind === 'name' && tokens[index + 1]?.text === '(' && !KEYWORDS.has(text)) inside.push(text);
  }
  const counts = new Map<string, number>();
  /* Recursion is the compiler's to refuse; a chain that deep counts as too many calls. */
  const countOf = (name: string, depth: number): number => {
    const known = counts.get(name) ?? (depth > DEEPEST_CALLS ? Number.POSITIVE_INFINITY : undefined);
    if (known !== undefined) return known;
    counts.set(name, 0);
    const count = (calls.get(name) ?? []).reduce((sum, callee) => sum + 1 + countOf(callee, depth + 1), 0);
    counts.set(name, count);
    return count;
  };
  const most = [...calls.keys()].find((name) => countOf(name, 0) > MOST_CALLS);
  const offset = tokens.find((token, index) => token.text === most && tokens[index - 1]?.text === 'fn')?.offset ?? 0;
  const message = `${most} makes more than ${MOST_CALLS} calls, those of the functions it calls included`;
  return most === undefined ? undefined : { offset, message, remedy: 'Use loops' };
}

function hasTransform(tokens: readonly Token[]): boolean {
  return tokens.some((_, index) => {
    const [fn, name, open, parameter, colon, type, comma, close] = tokens.slice(index, index + 8).map((token) => token.text);
    const ends = comma === ')' || (comma === ',' && close === ')');
    return fn === 'fn' && name === 'transform' && open === '(' && parameter !== ')' && colon === ':' && type === 'Packet' && ends;
  });
}

/**
 * A tick at the head of every loop body, and a last `return` in functions that hold loops and give a value: with the break in
 * it, a loop that could only be left by `return` can now be left otherwise.
 */
export function budgetInsertions(tokens: readonly Token[]): Insertion[] {
  const insertions: Insertion[] = [];
  for (let index = 0; index < tokens.length; index++) {
    if (tokens[index]?.text !== 'fn') continue;
    const open = indexOf(tokens, '{', index);
    const close = matchingBrace(tokens, open);
    const ticks = loopBodies(tokens, open, close).map((offset) => ({ offset, text: ' if (model_t_spent()) { break; }' }));
    const type = returnType(tokens, index, open);
    insertions.push(...ticks);
    if (ticks.length > 0 && type !== '') insertions.push({ offset: tokens[close]?.offset ?? 0, text: ` return ${type}(); ` });
    index = close;
  }
  return insertions;
}

/** Offsets right after the { of each loop between two tokens. No expression holds a brace, so the next one is the body's. */
function loopBodies(tokens: readonly Token[], from: number, to: number): number[] {
  const offsets: number[] = [];
  for (let index = from; index < to; index++) {
    if (!['for', 'while', 'loop'].includes(tokens[index]?.text ?? '')) continue;
    const body = tokens[indexOf(tokens, '{', index)];
    if (body) offsets.push(body.offset + 1);
  }
  return offsets;
}

function returnType(tokens: readonly Token[], fn: number, open: number): string {
  const signature = tokens.slice(fn, open);
  const arrow = signature.findIndex((token, index) => token.text === '-' && signature[index + 1]?.text === '>');
  if (arrow < 0) return '';
  return signature
    .slice(arrow + 2)
    .map((token) => token.text)
    .join('');
}

function indexOf(tokens: readonly Token[], text: string, from: number): number {
  let index = from;
  while (index < tokens.length && tokens[index]?.text !== text) index++;
  return index;
}

function matchingBrace(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    if (tokens[index]?.text === '{') depth++;
    if (tokens[index]?.text === '}' && --depth === 0) return index;
  }
  return tokens.length;
}
