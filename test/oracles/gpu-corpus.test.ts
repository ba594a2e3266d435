/**
 * Every readable capture of the corpus through the WebGPU engine on a software GPU: the digest and the written file are those of
 * the native engine, for each mutation, several seeds, batch sizes that do not divide the trace, and 1 to 6 batches in flight.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GpuRequest } from '../../replay/index.js';
import { hasSoftwareGpu } from '../helpers/gpu.js';
import { type Asked, loaded, replay } from '../helpers/replay.js';
import { CORPUS, corpusFiles } from './tools.js';

const V4 = { field: 'src', cidr: '10.0.0.0/8' } as const;
const V6 = { field: 'src', cidr: 'fd00::/16' } as const;
const KIB = 1024;
/** From file to file each meets another number of batches in flight, 1 to 6, and other seeds. */
const CASES: readonly (readonly [Asked, number])[] = [
  [{}, 64 * KIB],
  [{ rewrites: [V4], seed: 1 }, 64 * KIB + 64],
  [{ rewrites: [V6], seed: 2, unique: 'packet' }, 100 * KIB],
  [{ rewrites: [V4, V6], seed: 3, unique: 'packet' }, 130 * KIB + 192],
  [{ rewrites: [V4, V6], seed: 4_000_000_000, unique: 'flow' }, 300 * KIB + 128],
  [{ rewrites: [V4, V6], seed: 77, unique: 'off' }, 1024 * KIB],
];
/** A long capture would be most of the test; laps are there so that batches cross from one to the next. */
const LAPS = 3;
const LIMIT_MS = 60_000;

const readable = corpusFiles().filter(({ packets }) => packets !== null && packets > 0);
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'model-t-gpu-corpus-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(CORPUS === null || !hasSoftwareGpu)('captures of the corpus, both engines', () => {
  it.each(readable.map(({ path }, number) => [path, number] as const))('%s', { timeout: LIMIT_MS }, async (path, number) => {
    const trace = await loaded(join(CORPUS ?? '', path));
    for (const [index, [plain, batchBytes]] of CASES.entries()) {
      const asked: Asked = { ...plain, seed: (plain.seed ?? 1) + number };
      const buffers = 1 + ((index + number) % CASES.length);
      const gpu: GpuRequest = { choice: 'software', checked: true, batchBytes, buffers };
      const native = await replay(trace, { ...asked, loop: LAPS });
      const outcome = await replay(trace, { ...asked, loop: LAPS, engine: 'webgpu', gpu });
      const says = `${JSON.stringify(asked)}, ${buffers} in flight`;
      expect(outcome.digest, says).toBe(native.digest);
      expect(outcome, says).toMatchObject({ conserved: true, verified: { ok: true }, trace: native.trace });
    }
    await writesSameFile(trace);
    trace.close();
  });
});

async function writesSameFile(trace: Awaited<ReturnType<typeof loaded>>): Promise<void> {
  const files = [join(folder, 'native.pcap'), join(folder, 'gpu.pcap')] as const;
  const asked: Asked = { rewrites: [V4, V6], unique: 'packet', loop: 2 };
  const gpu: GpuRequest = { choice: 'software', checked: true, batchBytes: 200 * KIB, buffers: 2 };
  const mixed = await replay(trace, { ...asked, target: { kind: 'pcap', path: files[0] } }).catch((error: unknown) => error);
  /* A pcap file holds one link type: captures that mix them have no file. */
  if (mixed instanceof Error) return expect(mixed).toMatchObject({ code: 'LINK_TYPES_MIXED' });
  await replay(trace, { ...asked, engine: 'webgpu', gpu, target: { kind: 'pcap', path: files[1] } });
  expect(readFileSync(files[1]).equals(readFileSync(files[0]))).toBe(true);
}
