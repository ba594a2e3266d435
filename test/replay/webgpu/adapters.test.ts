/** The choice among adapters by --gpu, on made-up machines; device nodes below a made-up root. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AdapterDescription, adapterKind, chooseAdapter, parseAdapterList } from '../../../replay/webgpu/adapters.js';
import { gpuNodes } from '../../../replay/webgpu/presence.js';
import { GPU } from '../../harness/fake.js';
import { newPath } from '../../helpers/files.js';

const [SOFT] = GPU.adapters as [AdapterDescription];
const BIG: AdapterDescription = { ...SOFT, name: 'NVIDIA H200', vendor: 'nvidia', architecture: 'hopper', kind: 'discrete' };
const SMALL: AdapterDescription = { ...SOFT, name: 'Intel(R) Graphics', vendor: 'intel', architecture: 'xe', kind: 'integrated' };
const MESA: AdapterDescription = {
  ...SOFT,
  name: 'llvmpipe (LLVM 15, 256 bits)',
  vendor: 'mesa',
  architecture: '',
  kind: 'software',
};

describe('--gpu takes', () => {
  it.each([
    ['auto', [BIG, SMALL, SOFT], BIG, /first of 2 hardware GPUs \("NVIDIA H200", "Intel\(R\) Graphics"\)/],
    ['auto', [SMALL, SOFT], SMALL, /the only hardware GPU/],
    ['auto', [MESA, SOFT], SOFT, /no hardware GPU/],
    ['auto', [MESA], MESA, /no hardware GPU/],
    ['hardware', [SOFT, BIG], BIG, /the only/],
    ['software', [BIG, MESA, SOFT], SOFT, /asked for/],
    ['nvidia', [BIG, SMALL, SOFT], BIG, /by name$/],
    ['  intel ', [BIG, SMALL, SOFT], SMALL, /by name$/],
    ['H200', [{ ...BIG, name: 'NVIDIA H200 NVL' }, BIG], { ...BIG, name: 'NVIDIA H200 NVL' }, /the first of 2/],
    ['nvidia h200', [{ ...BIG, name: 'NVIDIA H200 NVL' }, BIG], BIG, /by name$/],
  ])('%s', (choice, adapters, adapter, why) => {
    expect(chooseAdapter(choice, adapters)).toEqual({ adapter, why: expect.stringMatching(why) });
  });
});

describe('--gpu refuses', () => {
  it.each([
    ['hardware', [SOFT, MESA], 3, /No hardware GPU adapter.*"Made-up Device \(Soft\)", "llvmpipe/],
    ['software', [BIG, MESA], 3, /No software GPU adapter/],
    ['auto', [], 3, /No usable GPU adapter.*none/],
    ['radeon', [BIG, SOFT], 2, /"radeon" names no adapter/],
    [' ', [BIG], 2, /" " names no adapter/],
  ])('%s', (choice, adapters, exitCode, message) => {
    expect(() => chooseAdapter(choice, adapters)).toThrow(
      expect.objectContaining({ exitCode, message: expect.stringMatching(message), remedy: expect.any(String) }),
    );
  });

  it('an unknown name with the names there are', () => {
    expect(() => chooseAdapter('x', [BIG, SOFT])).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('"NVIDIA H200", "Made-up Device (Soft)"') }),
    );
  });
});

describe('the list of adapters in a refusal', () => {
  it('is read defensively: odd names, repeated ones, none', () => {
    const text = [
      'no suitable backends found',
      'Available adapters:',
      " * backend: 'vulkan', name: 'A's (b), 100%'",
      " * backend: 'vulkan', name: 'B'",
      " * backend: 'vulkan', name: 'B'",
      " * backend: 'opengles', name: 'B'",
      ' * something else',
    ].join('\n');
    expect(parseAdapterList(text)).toEqual([
      { backend: 'vulkan', name: "A's (b), 100%" },
      { backend: 'vulkan', name: 'B' },
      { backend: 'opengles', name: 'B' },
    ]);
    expect(parseAdapterList('Available adapters:\n')).toEqual([]);
    expect(parseAdapterList('device lost')).toBeNull();
  });
});

describe('the kind of an adapter', () => {
  it.each([
    ['google', 'swiftshader', true, 'software'],
    ['mesa', '', true, 'software'],
    ['nvidia', 'ampere', false, 'discrete'],
    ['intel', 'gen-12lp', false, 'integrated'],
    ['intel', 'xe-2-hpg', false, 'discrete'],
    ['amd', 'rdna-3', false, 'unknown'],
  ])('%s %s, software: %s, is %s', (vendor, architecture, isSoftware, kind) => {
    expect(adapterKind({ vendor, architecture, isSoftware })).toBe(kind);
  });
});

describe('device nodes', () => {
  it('of Mesa, NVIDIA and WSL are found, others are not', () => {
    const root = newPath('root');
    for (const path of ['dev/dri/renderD129', 'dev/dri/renderD128', 'dev/dri/card0', 'dev/nvidia0', 'dev/nvidiactl', 'dev/dxg']) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), '');
    }
    expect(gpuNodes(root)).toEqual(['/dev/dri/renderD128', '/dev/dri/renderD129', '/dev/nvidia0', '/dev/dxg']);
    expect(gpuNodes(newPath('empty'))).toEqual([]);
  });
});
