/** What a user kernel may not hold: refused before any device sees it, with the place, the reason and the remedy. No GPU needed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compose } from '../../../replay/webgpu/kernels.js';
import { userKernel } from '../../../replay/webgpu/user-kernel.js';
import { PREDECLARED } from '../../../replay/webgpu/user-kernel-rules.js';
import { Lines, TokenError, tokenize } from '../../../replay/webgpu/wgsl-tokens.js';
import { ModelTError } from '../../../stack/index.js';

const HEAD = '// model-t kernel 1\n';
const TRANSFORM = 'fn transform(packet: Packet) { }\n';

function refusalOf(source: string): ModelTError {
  try {
    userKernel(source, 'k.wgsl');
  } catch (error) {
    if (error instanceof ModelTError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('refused', () => {
  it.each([
    ['@group', '@group(0) @binding(0) var<storage, read_write> image: array<u32>;', '2:2: @group is not allowed'],
    ['a blank behind the @', '@ /* */\n binding(0) var t: i32;', '3:2: @binding is not allowed'],
    ['an entry point', '@compute @workgroup_size(1) fn other() { }', '2:2: @compute'],
    ['a builtin', 'fn f(@builtin(position) a: vec4<f32>) { }', '2:7: @builtin'],
    ['var<storage>', 'var<storage> a: u32;', '2:5: var<storage>'],
    ['var<uniform>', 'fn f() { }\nvar < uniform > a: u32;', '3:7: var<uniform>'],
    ['var<workgroup>', 'var<workgroup> a: u32;', 'var<workgroup>'],
    ['var<immediate>', 'var<immediate> a: u32;', 'var<immediate>'],
    ['var<private>', 'var<private> a: u32;', 'var<private>'],
    ['var<storage> in a function', 'fn f() { var<storage> a: u32; }', 'var<storage>'],
    ['a module variable without a space', 'var t: texture_2d<f32>;', '2:1: var is not allowed outside functions'],
    ['override', 'override a: u32 = 1u;', '2:1: override'],
    ['enable', 'enable f16;', '2:1: enable'],
    ['requires', 'requires immediate_address_space;', '2:1: requires'],
    ['diagnostic', 'diagnostic(off, derivative_uniformity);', '2:1: diagnostic'],
    ['our names', 'fn f() { let a = model_t_image[0]; }', '2:18: names that begin with model_t_ are taken: model_t_image'],
    ['our names, declared', 'const model_t_x = 1;', '2:7: names'],
    ['our names behind a comment that ends early', '// \u2028 fn f() { model_t_store(0u, 0u); }', 'model_t_store'],
    ['our names behind nested comments', '/* /* */ */ const a = model_t_budget; /**/', 'model_t_budget'],
    ['the shape of the dispatch', 'const a = WORKGROUP_SIZE;', '2:11: WORKGROUP_SIZE'],
    ['another main', 'fn main() { }', '2:4: main may not be declared anew'],
    ['u32 anew', 'alias u32 = i32;', '2:7: u32 may not be declared anew'],
    ['select anew', 'fn select(a: u32, b: u32, c: bool) -> u32 { return a; }', 'select may not be declared anew'],
    ['array anew', 'struct array { a: u32 }', 'array may not be declared anew'],
    ['min anew', 'const min = 1;', 'min may not be declared anew'],
    ['a comment without an end', '/* /* */', '2:1: this comment has no end'],
    ['a brace too many', '}', '2:1: this } closes nothing'],
    ['a brace too few', 'fn f() { {', 'not closed'],
    ['what is no WGSL', 'const a = §;', 'U+00A7'],
    ['a NUL', 'const a = 1;\0', 'U+0000'],
  ])('%s', (_name, text, message) => {
    const isWhole = !/[/}{]$|\{ \{$/.test(text) || text.includes('fn f() { }');
    const error = refusalOf(`${HEAD}${text}\n${isWhole ? TRANSFORM : ''}`);
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^k\.wgsl:\d+:\d+: /);
    expect([error.code, error.exitCode]).toEqual(['KERNEL_INVALID', 2]);
    expect(error.remedy).toMatch(/\w/);
  });

  it.each([
    ['no version', TRANSFORM, 'k.wgsl:1: the first line is not'],
    ['an empty file', '', 'the first line is not'],
    ['a version that is not the first line', `\n${HEAD}${TRANSFORM}`, 'the first line is not'],
    ['a newer version', `// model-t kernel 2\n${TRANSFORM}`, 'version 2; version 1 is known'],
    ['no transform', HEAD, 'there is no fn transform(packet: Packet)'],
    ['a transform of something else', `${HEAD}fn transform(index: u32) { }`, 'there is no fn transform'],
    [
      'calls that double',
      `${HEAD}fn g0() { }\n${Array.from({ length: 40 }, (_, i) => `fn g${i + 1}() { g${i}(); g${i}(); }`).join('\n')}\n${TRANSFORM}`,
      'k.wgsl:12:4: g10 makes more than 2000 calls',
    ],
    ['too much text', `${HEAD}${'//\n'.repeat(400_000)}`, 'characters; at most'],
  ])('%s', (_name, source, message) => {
    expect(refusalOf(source).message).toContain(message);
  });
});

describe('taken', () => {
  it.each([
    ['comments that only look like code', '// @group(0) model_t_image\n/* var<storage> /* override */ enable */'],
    ['local names that hide WGSL ones', 'fn f(min: u32) -> u32 { let select = min; return select; }'],
    [
      'attributes that bind nothing',
      '@must_use fn f() -> u32 { return 1u; }\nstruct S { @align(16) @size(32) a: u32 }\n@diagnostic(off, derivative_uniformity) fn g() { }',
    ],
    ['function variables', 'fn f() { var<function> a: u32; var b = 1u; }'],
    [
      'module constants, structs and aliases',
      'const index = 1u; struct Wide { a: vec2<u32> } alias Word = u32; const_assert index == 1u;',
    ],
    ['other alphabets', 'const größe = 1u; const 数 = größe;'],
    ['numbers of all kinds', 'const a = 0x1p-16f; const b = 1.5e+3; const c = .5; const d = 0xffu; const e = 1e5f;'],
  ])('%s', (_name, text) => {
    expect(userKernel(`${HEAD}${text}\n${TRANSFORM}`, 'k.wgsl').text).toContain(text);
  });

  it('carriage returns, a byte-order mark, a trailing comma', () => {
    expect(userKernel('\ufeff// model-t kernel 1\r\nfn transform(packet: Packet,) { }\r\n', 'k.wgsl').label).toBe(
      'user kernel k.wgsl',
    );
  });

  it('any text at all, or refused with a ModelTError', () => {
    const word = fc.constantFrom(
      'fn',
      'transform',
      '(',
      ')',
      '{',
      '}',
      'for',
      'while',
      'loop',
      '->',
      'u32',
      '/*',
      '*/',
      '//',
      '\n',
      '@',
      'var',
      '<',
      '>',
      ';',
      'x',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, (some) => {
        try {
          userKernel(HEAD + some + TRANSFORM, 'k.wgsl');
        } catch (error) {
          if (!(error instanceof ModelTError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('large kernels in time that grows with their size', () => {
    const loops = `fn f() -> u32 { ${'for (;;) { '.repeat(20_000)}${'}'.repeat(20_000)} return 1u; }\n`.repeat(2);
    const before = performance.now();
    userKernel(HEAD + loops + TRANSFORM, 'k.wgsl');
    expect(performance.now() - before).toBeLessThan(5000);
  });
});

describe('ticks', () => {
  const TICK = ' if (model_t_spent()) { break; }';
  const composed = (text: string): string => {
    const all = userKernel(`${HEAD}${text}`, 'k.wgsl').text;
    return all.slice(all.indexOf(HEAD) + HEAD.length).slice(0, text.length + 400);
  };

  it('stand at the head of every loop body, on the same line', () => {
    const text = composed('fn transform(packet: Packet) { for (var i = 0; i < 3; i++) { while i < 2 /* { */ { loop\n{ } } } }');
    expect(text).toContain(`i++) {${TICK} while i < 2 /* { */ {${TICK} loop\n{${TICK} } } } }`);
  });

  it('and a last return where a function gives a value', () => {
    const text = composed(`fn f() -> vec2 < u32 > { loop { return vec2<u32>(); } }\nfn g() -> u32 { return 1; }\n${TRANSFORM}`);
    expect(text).toContain(`{ loop {${TICK} return vec2<u32>(); }  return vec2<u32>(); }`);
    expect(text).toContain('fn g() -> u32 { return 1; }');
  });
});

describe('names', () => {
  /* User text may declare WGSL's own names anew for the whole module: those that our text relies on must all be known. */
  it('of WGSL that the prelude and the entry rely on are protected', () => {
    const tokens = tokenize(compose(['pass', 'parameters', 'image', 'report', 'user-prelude', 'user-entry']));
    const offered = [
      'Packet',
      'frame_word',
      'frame_byte',
      'frame_half',
      'set_frame_word',
      'set_frame_byte',
      'set_frame_half',
      'adjust_checksum',
    ];
    const keywords = 'requires override struct fn return var let const if else for while loop break true false'.split(' ');
    const local = new Set<string>([
      ...offered,
      ...keywords,
      'transform',
      'main',
      'WORKGROUP_SIZE',
      'PACKETS_PER_INVOCATION',
      'immediate_address_space',
      ...['diagnostic', 'off', 'chromium', 'unreachable_code'], // a directive's own words
    ]);
    for (const [i, { text }] of tokens.entries()) {
      const [before, after] = [tokens[i - 1]?.text ?? '', tokens[i + 1]?.text ?? ''];
      if (['let', 'var', 'const'].includes(before) || after === ':' || before === '.' || before === '@') local.add(text);
    }
    const context = ['global_invocation_id'];
    const others = tokens
      .filter(({ kind, text }) => kind === 'name' && !text.startsWith('model_t_') && !local.has(text))
      .map((token) => token.text);
    expect(others.filter((name) => !PREDECLARED.has(name) && !context.includes(name))).toEqual([]);
  });
});

describe('tokens', () => {
  it('are found whatever stands between them', () => {
    const texts = (text: string): string[] => tokenize(text).map((token) => token.text);
    expect(texts('a/**/b//c\nd')).toEqual(['a', 'b', 'd']);
    expect(texts('a//b\rc//d\u0085e//f\u2029g')).toEqual(['a', 'c', 'e', 'g']);
    expect(texts('1u+.5-0x1p-3 _a1')).toEqual(['1u', '+', '.5', '-', '0x1p', '-', '3', '_a1']);
    expect(() => tokenize('a /* /* */')).toThrow(TokenError);
  });

  it('have lines and columns as editors count them', () => {
    const lines = new Lines('ab\ncd\r\ne\n');
    expect(lines.count).toBe(4);
    expect([0, 1, 3, 4, 7, 9].map((offset) => lines.locate(offset))).toEqual(
      [
        [1, 1],
        [1, 2],
        [2, 1],
        [2, 2],
        [3, 1],
        [4, 1],
      ].map(([line, column]) => ({ line, column })),
    );
  });
});
