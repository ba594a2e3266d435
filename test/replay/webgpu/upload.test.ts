/** Upload buffers: native code writes to mapped memory only while that cannot go away. */
import { expect, it } from 'vitest';
import { UploadBuffer } from '../../../replay/webgpu/tiles.js';

/** A buffer whose maps resolve when the test says so. */
function fakeDevice(): { device: GPUDevice; resolveMap: () => void } {
  let resolve = (): void => {};
  const buffer = {
    getMappedRange: () => new ArrayBuffer(64),
    unmap: () => {},
    mapAsync: () =>
      new Promise<void>((done) => {
        resolve = done;
      }),
  };
  return { device: { createBuffer: () => buffer } as unknown as GPUDevice, resolveMap: () => resolve() };
}

it('are filled once the device has read what was there before', async () => {
  const { device, resolveMap } = fakeDevice();
  const upload = new UploadBuffer(device, 64);
  let writes = 0;
  const write = async (): Promise<void> => {
    writes++;
  };
  await upload.fill(write);
  upload.release();
  const second = upload.fill(write);
  await new Promise(setImmediate);
  expect(writes).toBe(1);
  resolveMap();
  await second;
  expect(writes).toBe(2);
});

it('settle() waits for a write that goes on', async () => {
  const upload = new UploadBuffer(fakeDevice().device, 64);
  let finish = (): void => {};
  const filled = upload.fill(
    () =>
      new Promise((done) => {
        finish = done;
      }),
  );
  await new Promise(setImmediate);
  let settled = false;
  const settling = upload.settle().then(() => {
    settled = true;
  });
  await new Promise(setImmediate);
  expect(settled).toBe(false);
  finish();
  await Promise.all([filled, settling]);
});

it('begin no write after settle(), though a map that was pending resolves: the device is about to be closed', async () => {
  const { device, resolveMap } = fakeDevice();
  const upload = new UploadBuffer(device, 64);
  await upload.fill(async () => {});
  upload.release();
  let wrote = false;
  const filled = upload.fill(async () => {
    wrote = true;
  });
  await upload.settle();
  resolveMap();
  await expect(filled).rejects.toMatchObject({ code: 'GPU_CLOSED' });
  expect(wrote).toBe(false);
});
