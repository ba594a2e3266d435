/** `model-t plan`: what it prints for this machine, presets and files, and what it refuses. */
import { describe, expect, it } from 'vitest';
import { newFile } from '../helpers/files.js';
import { invoke } from './fake.js';

const PIPELINE = 'eth | ip4 | tcp | sample 2 | match "GET /" | count';
const text = async (...words: string[]): Promise<string> => {
  const { out, error } = await invoke(['plan', ...words]);
  if (error) throw error;
  return out.join('\n');
};

describe('plan', () => {
  it('tells placement, rates with their layer, why, and the alternatives', async () => {
    const lines = await text(PIPELINE, '--machine', '8-private');
    expect(lines).toMatch(/^machine: +8-private: 8 cores, 8 L2, 1 L3, 2\.6 GHz$/m);
    expect(lines).toMatch(/^expected: +[\d.]+ Mpps, [\d.]+ Gbit\/s L2, [\d.]+ Gbit\/s wire \(60 B captured\)$/m);
    expect(lines).toMatch(/^CPU 0: [\d.]+ cycles per packet: source 9\.4 \(declared\)/m);
    expect(lines).toMatch(/^- replicated +not possible: .*'sample' has one state/m);
    expect(lines).toMatch(/^[*-] piped +[\d.]+ Mpps, [\d.]+ Gbit\/s L2 on \d cores?$/m);
    expect(lines).toMatch(/^joining as in the paper against the exact planner: [\d.]+ % longer/m);
  });

  it('of this machine uses measured costs', async () => {
    const { out } = await invoke(['plan', 'eth | ip4 | count@scalar'], { calibrate: () => 42 });
    expect(out.join('\n')).toMatch(/count 42\.0(?! \(declared\))/);
    expect(await text('count', '--machine', '2-shared')).toMatch(/count [\d.]+ \(declared\)/);
  });

  it('as JSON holds the choice, the path, and the placement to begin with', async () => {
    const json = JSON.parse(await text(PIPELINE, '--machine', '16-hybrid', '--cores', '3', '--placement', 'paper', '--json'));
    expect(json).toMatchObject({ schema: 'model-t/placement', mode: 'paper', cpus: [0, 1, 2], machine: { name: '16-hybrid' } });
    expect(new Set(json.placement.containers).size).toBeLessThanOrEqual(3);
  });

  it('keeps a GPU as the source', async () => {
    expect(await text('count', '--machine', '8-gpu', '--frames', '1514')).toMatch(/^outside: source/m);
  });

  it('reads machines from files', async () => {
    const machine = { schema: 'model-t/machine', schemaVersion: '1.0', name: 'mine', hz: 3e9, cores: [{}, {}] };
    expect(await text('count', '--machine', newFile('mine.json', JSON.stringify(machine)))).toMatch(/^machine: +mine: 2 cores/m);
  });

  it.each([
    [['count', '--machine', '/nonexistent'], /no preset, and cannot be read: ENOENT/],
    [['count', '--cores', '0'], /--cores: "0" is not a whole number/],
    [['count', '--frames', '9'], /--frames: 9 is no frame/],
    [['count', '--latency', 'x'], /--latency: "x" is not a duration/],
    [['sample 2', '--placement', 'replicated'], /--placement replicated: .*'sample' has one state/],
  ])('%j is refused', async (words, message) => {
    const { error } = await invoke(['plan', ...words]);
    expect(error?.exitCode).toBe(2);
    expect(error?.message).toMatch(message);
  });
});
