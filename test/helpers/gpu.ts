/**
 * Tests that need a GPU run on SwiftShader, with robustness on; where its package is not installed they are skipped, counted,
 * and say why. Only tests may import this.
 */
import { describe } from 'vitest';
import { type OpenDevice, openDevice } from '../../replay/webgpu/dawn.js';
import { findSwiftShader } from '../../replay/webgpu/swiftshader.js';

/** What the package holds is for x86-64. */
export const hasSoftwareGpu = findSwiftShader() !== null && process.arch === 'x64';

export function describeOnGpu(name: string, tests: () => void): void {
  const title = hasSoftwareGpu
    ? name
    : `${name} (not run: no software GPU; the optional package @sparticuz/chromium brings one for x86-64)`;
  describe.skipIf(!hasSoftwareGpu)(title, tests);
}

/** Opens SwiftShader for the time of `use`. */
export async function withSoftwareGpu<T>(use: (open: OpenDevice) => Promise<T>): Promise<T> {
  const open = await openDevice({ choice: 'software', robust: true });
  try {
    return await use(open);
  } finally {
    open.close();
  }
}
