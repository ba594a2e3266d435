/** Data layouts that TypeScript and C share: what is committed is what is generated, and compilers agree with the offsets. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withGeneratedSection } from '../../stack/generate-layouts.js';
import {
  CONTAINER_BLOCK,
  CURSOR_BYTES,
  DESCRIPTOR,
  fieldOffsets,
  generateCLayouts,
  OPERATION_BLOCK,
  PATH_BLOCK,
  PRODUCER_BLOCK,
  READER_SLOT,
  RING_HEADER,
  type Struct,
} from '../../stack/index.js';
import { newFile, ROOT } from '../helpers/files.js';
import { compile, hasClang, hasGcc } from '../helpers/programs.js';

const RING = join(ROOT, 'stack/include/model_t_ring.h');
const STATISTICS = join(ROOT, 'stack/native/statistics_layout.h');
const remedy = 'run `npm run layouts`';

describe('generated headers', () => {
  it('the ring header holds what stack/layout.ts says', () => {
    const text = readFileSync(RING, 'utf8');
    expect(withGeneratedSection(text), remedy).toBe(text);
  });

  it('the statistics header is what stack/layout.ts says', () => {
    expect(generateCLayouts().statistics, remedy).toBe(readFileSync(STATISTICS, 'utf8'));
  });

  it('a header that lost its markers is refused, not rewritten', () => {
    expect(() => withGeneratedSection('#define X 1\n')).toThrow('markers');
  });
});

/** Prints `struct.field offset` lines, and `struct size`. */
function printer(header: string, structs: readonly Struct[], space: string): string {
  const lines = structs.flatMap(({ name, fields }) => [
    ...fields.map((field) => `  printf("${name}.${field.name} %zu\\n", offsetof(${space}${name}, ${field.name}));`),
    `  printf("${name} %zu\\n", sizeof(${space}${name}));`,
  ]);
  return `#include "${header}"\n#include <stdio.h>\nint main(void) {\n${lines.join('\n')}\n  return 0;\n}\n`;
}

function expected(structs: readonly Struct[]): string[] {
  return structs.flatMap((struct) => [
    ...Object.entries(fieldOffsets(struct)).map(([field, offset]) => `${struct.name}.${field} ${offset}`),
    `${struct.name} ${struct.bytes}`,
  ]);
}

const SHARED = [DESCRIPTOR, RING_HEADER, READER_SLOT];
const PRIVATE = [PRODUCER_BLOCK, PATH_BLOCK, CONTAINER_BLOCK, OPERATION_BLOCK];

describe('offsets of TypeScript are those of the compiler', () => {
  for (const [compiler, present] of [
    ['gcc', hasGcc],
    ['clang', hasClang],
  ] as const)
    it.skipIf(!present)(`ring, ${compiler}`, () => {
      const program = compile(compiler, newFile('offsets.c', printer(RING, SHARED, '')), '-std=c11');
      expect(execFileSync(program, { encoding: 'utf8' }).trimEnd().split('\n')).toEqual(expected(SHARED));
    });

  it.skipIf(!hasGcc)('statistics page, g++', () => {
    const program = compile('g++', newFile('offsets.cc', printer(STATISTICS, PRIVATE, 'model_t::')), '-std=c++20');
    expect(execFileSync(program, { encoding: 'utf8' }).trimEnd().split('\n')).toEqual(expected(PRIVATE));
  });
});

describe('fieldOffsets', () => {
  it('cursors sit alone: nothing else starts within their 128 bytes', () => {
    const cursors = [
      [RING_HEADER, 'head'],
      [RING_HEADER, 'floor'],
      [READER_SLOT, 'tail'],
    ] as const;
    for (const [struct, cursor] of cursors) {
      const at = fieldOffsets(struct)[cursor] ?? -1;
      const neighbours = Object.entries(fieldOffsets(struct)).filter(
        ([name, offset]) => name !== cursor && Math.floor(offset / CURSOR_BYTES) === Math.floor(at / CURSOR_BYTES),
      );
      expect({ cursor, at: at % CURSOR_BYTES, neighbours }).toEqual({ cursor, at: 0, neighbours: [] });
    }
  });

  it('aligns, counts arrays, and refuses a struct that is too small', () => {
    const struct: Struct = {
      name: 'made_up',
      doc: '',
      bytes: 40,
      fields: [
        { name: 'a', type: 'uint16_t', doc: '' },
        { name: 'b', type: 'uint64_t', doc: '', count: 2 },
        { name: 'c', type: 'int32_t', doc: '', align: 32 },
      ],
    };
    expect(fieldOffsets(struct)).toEqual({ a: 0, b: 8, c: 32 });
    expect(() => fieldOffsets({ ...struct, bytes: 35 })).toThrow('made_up needs 36 bytes, declared 35');
  });
});
