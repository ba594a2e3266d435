/** Plans for the WebGPU engine: defaults, what is refused and with which words, and what `auto` means where. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseEngine, type GpuRequest, planReplay, type ReplayRequest } from '../../replay/index.js';
import { ModelTError } from '../../stack/index.js';
import { newPath } from '../helpers/files.js';
import { machine } from '../helpers/replay.js';

type Asked = Omit<ReplayRequest, 'inputs'>;
const plan = (request: Asked = {}, inputs = ['a.pcap']) => planReplay({ inputs, engine: 'webgpu', ...request }, machine);

function refusal(request: Asked, inputs?: string[]): ModelTError {
  try {
    plan(request, inputs);
  } catch (error) {
    if (error instanceof ModelTError) return error;
    throw error;
  }
  throw new Error(`${JSON.stringify(request)} was accepted`);
}

describe('a plan for the WebGPU engine', () => {
  it('leaves to the device what only the device can tell', () => {
    expect(plan()).toMatchObject({
      engine: 'webgpu',
      cores: [],
      threads: 1,
      gpu: { choice: 'auto', insert: 'push', batchBytes: null, buffers: null, memoryBytes: null, kernel: null, checked: false },
    });
  });

  it('pulls for readers in other processes, and checks a kernel that is not ours', () => {
    expect(plan({ target: { kind: 'ring', name: 'r' } }).gpu?.insert).toBe('pull');
    expect(plan({ gpu: { kernel: 'k.wgsl' } }).gpu?.checked).toBe(true);
    expect(plan({ gpu: { checked: true } }).gpu?.checked).toBe(true);
  });

  it('pulls with the core of the consumer', () => {
    const last = machine.cpus.at(-1);
    expect(plan({ gpu: { insert: 'pull' } }).cores).toEqual([last]);
    expect(plan({ gpu: { insert: 'pull' }, cores: [machine.cpus[0] ?? 0] }).cores).toEqual([machine.cpus[0]]);
  });

  it.each<[string, Asked]>([
    ['--payload resident', { payload: 'resident' }],
    ['--threads 2', { threads: 2 }],
    ['--insert push', { target: { kind: 'ring', name: 'r' }, gpu: { insert: 'push' } }],
    ['--reader drop', { readerPolicy: 'drop' }],
    ['--ring-size', { ringBytes: 2 ** 20 }],
    ['--batch 65537', { gpu: { batchBytes: 65537 } }],
    ['--batch 64', { gpu: { batchBytes: 64 } }],
    ['--batch NaN', { gpu: { batchBytes: Number.NaN } }],
    ['--buffers 9', { gpu: { buffers: 9 } }],
    ['--buffers 1.5', { gpu: { buffers: 1.5 } }],
    ['--gpu-memory 5', { gpu: { memoryBytes: 5 } }],
  ])('refuses %s with the reason', (words, request) => {
    const { message, exitCode, remedy } = refusal(request);
    expect({ message, exitCode }).toMatchObject({ message: expect.stringContaining(words), exitCode: 2 });
    expect(remedy).not.toBe('');
  });

  it('refuses standard input', () => {
    expect(refusal({}, ['-']).message).toContain('standard input');
  });

  it('takes drop readers and a ring size when it pulls', () => {
    expect(plan({ gpu: { insert: 'pull' }, readerPolicy: 'drop', ringBytes: 2 ** 20 })).toMatchObject({ ringBytes: 2 ** 20 });
  });

  it('refuses GPU options for the native engine', () => {
    expect(refusal({ engine: 'native', gpu: { choice: 'software' } }).message).toContain('--gpu');
  });
});

let folders = 0;
function temporaryFolder(): string {
  const path = newPath(`root-${folders++}`);
  mkdirSync(path, { recursive: true });
  return path;
}

describe('engine auto', () => {
  const withNode = (): string => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'dev/dri'), { recursive: true });
    writeFileSync(join(root, 'dev/dri/renderD128'), '');
    return root;
  };
  const choose = (request: Asked, root: string, inputs = ['a']) => chooseEngine({ inputs, ...request }, root);

  it('is native where there is no device node', async () => {
    expect(await choose({}, temporaryFolder())).toEqual({ engine: 'native', why: 'there is no GPU device node' });
  });

  it('is what was asked for', async () => {
    expect((await choose({ engine: 'webgpu' }, temporaryFolder())).engine).toBe('webgpu');
    expect((await choose({ engine: 'native' }, withNode())).engine).toBe('native');
    const gpu: GpuRequest = { choice: 'software' };
    expect((await choose({ gpu }, temporaryFolder())).engine).toBe('webgpu');
  });

  it.each<[string, Asked, string[]]>([
    ['standard input', {}, ['-']],
    ['resident payload', { payload: 'resident' }, ['a']],
    ['threads', { threads: 2 }, ['a']],
    ['drop readers', { readerPolicy: 'drop' }, ['a']],
    ['a ring size', { ringBytes: 2 ** 20 }, ['a']],
  ])('is native for %s, whatever GPU there is', async (_, request, inputs) => {
    expect((await choose(request, withNode(), inputs)).engine).toBe('native');
  });

  it('never takes a software GPU', async () => {
    const { engine, why } = await choose({}, withNode());
    /* Where this runs on a real GPU it is taken. */
    expect(engine === 'webgpu' ? why : engine).toMatch(/native|GPU/);
    expect(why).not.toContain('SwiftShader');
  });
});
