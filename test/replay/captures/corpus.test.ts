/**
 * Real captures of other projects, where a folder of them is at hand (MODEL_T_TRACES): every file is
 * read by the file reader and by the stream reader, and the packet counts equal those of the folder's manifest.
 */
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadStream } from '../../../replay/captures/stream.js';
import { contents, newTrace } from './helpers.js';

const corpus = process.env.MODEL_T_TRACES ?? '';
const manifest = path.join(corpus, 'MANIFEST.tsv');
const rows = existsSync(manifest) ? readFileSync(manifest, 'utf8').trim().split('\n').slice(1) : [];
const captures = rows.map((row) => row.split('\t')).filter((row) => row[4] !== '-');

describe.skipIf(captures.length === 0)('the corpus', () => {
  it.each(captures.map((row) => [row[0] ?? '', row[3] ?? '']))('%s: %s packets', async (name, packets) => {
    const file = path.join(corpus, name);
    const loaded = newTrace();
    await loaded.load(file);
    if (packets !== '-') expect(loaded.info().packets).toBe(Number(packets));
    expect(loaded.info().sources[0]?.truncated).toBeNull();
    const streamed = newTrace();
    await loadStream(streamed, name, createReadStream(file, { highWaterMark: 1000 }));
    expect(contents(streamed)).toEqual(contents(loaded));
  });
});
