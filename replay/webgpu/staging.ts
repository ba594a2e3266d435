/** Staging buffers: host memory that the device copies into and readers read in place. Used by gpu-run.ts and tune.ts. */
import { guarded } from './guarded.js';

const MAP_READ_COPY_DST = 0x1 | 0x8; // GPUBufferUsage.MAP_READ | COPY_DST
const MAP_MODE_READ = 1;

/**
 * `count` buffers, each written and mapped once: the first map of fresh memory costs its page faults, 1 ms per MiB, which no run
 * should pay. Unmapped again.
 */
export async function createStaging(device: GPUDevice, bytes: number, count: number): Promise<GPUBuffer[]> {
  const buffers = await guarded(device, `${count} staging buffers of ${bytes} bytes`, () =>
    Array.from({ length: count }, () => device.createBuffer({ label: 'staging', size: bytes, usage: MAP_READ_COPY_DST })),
  );
  const encoder = device.createCommandEncoder();
  for (const buffer of buffers) encoder.clearBuffer(buffer);
  device.queue.submit([encoder.finish()]);
  await mapStaging(buffers);
  unmapStaging(buffers);
  return buffers;
}

/** Maps all and returns their memory. Where it lies stays the same for the life of each buffer. */
export async function mapStaging(buffers: readonly GPUBuffer[]): Promise<ArrayBuffer[]> {
  await Promise.all(buffers.map((buffer) => buffer.mapAsync(MAP_MODE_READ)));
  return buffers.map((buffer) => buffer.getMappedRange());
}

export function unmapStaging(buffers: readonly GPUBuffer[]): void {
  for (const buffer of buffers) buffer.unmap();
}

export function destroyStaging(buffers: readonly GPUBuffer[]): void {
  for (const buffer of buffers) buffer.destroy();
}
