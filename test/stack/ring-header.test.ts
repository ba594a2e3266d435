/** The public ring header compiles alone, as C11 and as C++20, without a warning; so does the example that users copy. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newFile, ROOT } from '../helpers/files.js';
import { hasClang, hasGcc, STRICT } from '../helpers/programs.js';

const HEADER = join(ROOT, 'stack/include/model_t_ring.h');
const EXAMPLE = join(ROOT, 'stack/examples/consumer.c');
const EMPTY_USER = `#include "${HEADER}"\n`;
/** Twice, because two headers of a program may include it; uses what a reader uses, so that nothing is only parsed. */
const USER = `${EMPTY_USER}${EMPTY_USER}
int main(void) {
  model_t_reader reader;
  model_t_packet packet;
  if (model_t_ring_attach(&reader, "x", MODEL_T_LAG, 0) != 0) return 2;
  if (model_t_ring_receive(&reader, &packet, 1) == 1) (void)model_t_digest_packet(packet.frame, packet.length, 2);
  (void)model_t_ring_release(&reader);
  model_t_ring_detach(&reader);
  return 0;
}
`;

const COMPILERS = [
  ['gcc', '-std=c11', 'c', hasGcc],
  ['g++', '-std=c++20', 'c++', hasGcc],
  ['clang', '-std=c11', 'c', hasClang],
  ['clang++', '-std=c++20', 'c++', hasClang],
] as const;

function diagnostics(compiler: string, standard: string, language: string, source: string): string {
  const flags = [standard, '-x', language, ...STRICT, '-Wshadow', '-O2', '-c', source, '-o', '/dev/null'];
  const done = spawnSync(compiler, flags, { encoding: 'utf8' });
  return `${done.status} ${done.stderr}`;
}

describe('model_t_ring.h', () => {
  for (const [compiler, standard, language, present] of COMPILERS) {
    it.skipIf(!present)(`${compiler} ${standard}: alone, with no function used`, () => {
      expect(diagnostics(compiler, standard, language, newFile('empty.c', EMPTY_USER))).toBe('0 ');
    });
    it.skipIf(!present)(`${compiler} ${standard}: used, and included twice`, () => {
      expect(diagnostics(compiler, standard, language, newFile('user.c', USER))).toBe('0 ');
    });
  }

  it('includes system headers only', () => {
    const included = [...readFileSync(HEADER, 'utf8').matchAll(/^#include\s+(\S+)/gm)].map((match) => match[1] ?? '');
    expect(included.length).toBeGreaterThan(5);
    expect(included.filter((name) => !/^<[a-z/]+\.h>$/.test(name))).toEqual([]);
  });
});

describe('examples/consumer.c', () => {
  for (const [compiler, standard, language, present] of COMPILERS.filter(([, , language]) => language === 'c')) {
    it.skipIf(!present)(`${compiler} ${standard}`, () => {
      expect(diagnostics(compiler, standard, language, EXAMPLE)).toBe('0 ');
    });
  }

  it('is about 60 lines', () => {
    expect(readFileSync(EXAMPLE, 'utf8').split('\n').length).toBeLessThan(75);
  });
});
