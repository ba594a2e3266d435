/** The read-back yardstick: it measures, and gives back what it took, however it ends. */
import { expect, it } from 'vitest';
import { openDevice } from '../../../replay/webgpu/dawn.js';
import { measureReadBack } from '../../../replay/webgpu/read-back.js';
import { describeOnGpu, withSoftwareGpu } from '../../helpers/gpu.js';

const realSetImmediate = globalThis.setImmediate;

describeOnGpu('the read-back measurement', () => {
  it.each([1, 3, 6])('with %i buffers gives a rate that its batches explain, within its time', async (buffers) => {
    await withSoftwareGpu(async (open) => {
      const batchBytes = 1 << 20;
      const start = performance.now();
      const { bytesPerSecond, batches } = await measureReadBack(open, { batchBytes, buffers, seconds: 0.1 });
      const seconds = (performance.now() - start) / 1000;
      expect(batches).toBeGreaterThanOrEqual(buffers);
      expect(bytesPerSecond).toBeLessThanOrEqual((batches * batchBytes) / 0.1);
      expect(bytesPerSecond).toBeGreaterThan((batches * batchBytes) / seconds / 1.01);
      expect(seconds).toBeLessThan(5);
      expect(globalThis.setImmediate).toBe(realSetImmediate);
    });
  });

  it('of batches beyond the device is refused, and the device is good for the next one', async () => {
    await withSoftwareGpu(async (open) => {
      const failures: unknown[] = [];
      open.onFailure((error) => failures.push(error));
      const batchBytes = open.adapter.limits.maxBufferSize + 4096;
      await expect(measureReadBack(open, { batchBytes, buffers: 2, seconds: 0.01 })).rejects.toMatchObject({
        exitCode: 3,
        message: expect.stringContaining(`${batchBytes} bytes`),
      });
      const { batches } = await measureReadBack(open, { batchBytes: 4096, buffers: 2, seconds: 0.01 });
      expect(batches).toBeGreaterThan(0);
      expect(failures).toEqual([]);
      expect(globalThis.setImmediate).toBe(realSetImmediate);
    });
  });

  it('ends when the device is closed under it', async () => {
    const open = await openDevice({ choice: 'software', robust: true });
    const measured = measureReadBack(open, { batchBytes: 1 << 20, buffers: 3, seconds: 60 });
    setTimeout(() => open.close(), 50);
    await expect(measured).rejects.toMatchObject({ name: 'ModelTError', exitCode: 3 });
    expect(globalThis.setImmediate).toBe(realSetImmediate);
  });
});
