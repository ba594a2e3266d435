/**
 * Writes the generated C layouts (`npm run layouts`): the marked section of `stack/include/model_t_ring.h` and the whole
 * of `stack/native/statistics_layout.h`. Run by hand after a change of `stack/layout.ts`; a test compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateCLayouts } from './layout.js';

const BEGIN = '/* generated from stack/layout.ts by `npm run layouts`: begin */\n';
const END = '/* generated: end */';

/** The ring header with its generated section replaced. */
export function withGeneratedSection(header: string): string {
  const begin = header.indexOf(BEGIN);
  const end = header.indexOf(END);
  if (begin < 0 || end < begin) throw new Error('model_t_ring.h has lost its "generated" markers');
  return `${header.slice(0, begin + BEGIN.length)}\n${generateCLayouts().ring}${header.slice(end)}`;
}

/** Rewrites both headers under `root`. */
export function writeLayouts(root: string): void {
  const ring = join(root, 'stack/include/model_t_ring.h');
  writeFileSync(ring, withGeneratedSection(readFileSync(ring, 'utf8')));
  writeFileSync(join(root, 'stack/native/statistics_layout.h'), generateCLayouts().statistics);
}

if (process.argv[1]?.endsWith('generate-layouts.js')) writeLayouts(process.cwd());
