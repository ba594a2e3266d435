/** The software GPU's package: found or not, unpacked where it should be; privileges that make the environment void. */
import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { findSwiftShader, ignoresEnvironment, type SwiftShader, unpackSwiftShader } from '../../../replay/webgpu/swiftshader.js';
import { newPath } from '../../helpers/files.js';
import { describeOnGpu } from '../../helpers/gpu.js';

function auxiliaryVector(...pairs: readonly (readonly [number, number])[]): string {
  const root = newPath('root');
  const bytes = Buffer.alloc(16 * pairs.length);
  pairs.forEach(([type, value], index) => {
    bytes.writeBigUInt64LE(BigInt(type), 16 * index);
    bytes.writeBigUInt64LE(BigInt(value), 16 * index + 8);
  });
  mkdirSync(join(root, 'proc/self'), { recursive: true });
  writeFileSync(join(root, 'proc/self/auxv'), bytes);
  return root;
}

it('is not found where it is not', () => {
  expect(findSwiftShader(null)).toBeNull();
  expect(findSwiftShader(newPath('package'))).toBeNull();
});

it('the environment counts unless the process has gained privileges', () => {
  expect(ignoresEnvironment()).toBe(false);
  expect(ignoresEnvironment(auxiliaryVector([16, 1], [23, 0], [0, 0]))).toBe(false);
  expect(ignoresEnvironment(auxiliaryVector([16, 1], [23, 1], [0, 0]))).toBe(true);
  expect(ignoresEnvironment(auxiliaryVector())).toBe(false);
  expect(ignoresEnvironment(newPath('nothing'))).toBe(false);
});

describeOnGpu('the package', () => {
  const found = findSwiftShader() as SwiftShader;

  it('is unpacked into XDG_CACHE_HOME, under its version and hash', () => {
    const cache = newPath('cache');
    const folder = unpackSwiftShader(found, { XDG_CACHE_HOME: cache });
    expect(folder).toMatch(/\/model-t\/swiftshader-147\.0\.0-[0-9a-f]{16}$/);
    expect(dirname(dirname(folder))).toBe(cache);
    expect(statSync(join(folder, 'libvk_swiftshader.so')).size).toBeGreaterThan(2 ** 20);
    const before = statSync(folder).ino;
    expect(unpackSwiftShader(found, { XDG_CACHE_HOME: cache })).toBe(folder);
    expect(statSync(folder).ino).toBe(before);
  });

  it('that is damaged is named, with the remedy', () => {
    const copy = newPath('package');
    cpSync(dirname(found.archive), join(copy, 'bin'), {
      recursive: true,
      filter: (path) => !/chromium\.br|al2023|fonts/.test(path),
    });
    writeFileSync(join(copy, 'package.json'), '{"version":"../../1"}');
    writeFileSync(join(copy, 'bin/swiftshader.tar.br'), 'damaged');
    const broken = findSwiftShader(copy);
    expect(broken).toEqual({ version: '../../1', archive: join(copy, 'bin/swiftshader.tar.br') });
    if (!broken) return;
    expect(() => unpackSwiftShader(broken, { XDG_CACHE_HOME: newPath('cache') })).toThrow(
      expect.objectContaining({ code: 'SWIFTSHADER_BROKEN', exitCode: 3, remedy: 'Install @sparticuz/chromium again' }),
    );
    rmSync(copy, { recursive: true });
  });
});
