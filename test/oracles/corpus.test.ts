/**
 * Every file of the corpus, malformed ones and texts included, through `model-t replay`: it ends by itself with 0, or with
 * 2 and exactly one line; no crash, no hang, no exception text; and the packets are those of the manifest.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CORPUS, commandLineBuilt, corpusFiles, modelT } from './tools.js';

const EXCEPTION = /\n\s+at |Error:|internal\/|Assertion|terminate called|Segmentation/;

describe.skipIf(!commandLineBuilt || CORPUS === null)('model-t replay of the corpus', () => {
  it.each(corpusFiles())('$path', ({ path, packets }) => {
    const done = modelT('replay', join(CORPUS ?? '', path), '--json', '-');
    expect(done.signal, `${path} crashed or hung: ${done.stderr}`).toBeNull();
    expect(done.stderr).not.toMatch(EXCEPTION);
    if (packets !== null && packets > 0) expect(done.code, done.stderr).toBe(0);
    if (done.code === 2) {
      expect(done.stdout).toBe('');
      expect(done.stderr).toMatch(/^model-t: [^\n]+\n$/);
      return;
    }
    expect(done.code, done.stderr).toBe(0);
    const { totals, conserved } = JSON.parse(done.stdout) as { totals: { offered: number }; conserved: boolean };
    expect(conserved).toBe(true);
    if (packets !== null) expect(totals.offered).toBe(packets);
  });
});
