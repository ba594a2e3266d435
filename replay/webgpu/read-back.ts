/**
 * How fast this machine gets bytes out of the GPU: plain copies into mappable buffers, several in flight, no kernel. It is the
 * limit that the engine is judged against. Uses the device it is given, and gives back what it made there. Called by doctor,
 * by tuning and by benchmarks.
 */
import type { OpenDevice } from './dawn.js';
import { deviceError } from './device-errors.js';
import { guarded } from './guarded.js';
import { calmPump } from './pump.js';

export interface ReadBackRequest {
  readonly batchBytes: number;
  readonly buffers: number;
  readonly seconds: number;
}

export interface ReadBack {
  readonly bytesPerSecond: number;
  readonly batches: number;
}

export async function measureReadBack(open: OpenDevice, request: ReadBackRequest): Promise<ReadBack> {
  const { device } = open;
  const { batchBytes, buffers } = request;
  const made: GPUBuffer[] = [];
  const make = (usage: number): GPUBuffer => {
    const buffer = device.createBuffer({ size: batchBytes, usage });
    made.push(buffer);
    return buffer;
  };
  const untame = calmPump(open.adapter.kind === 'software');
  try {
    const source = await guarded(device, `a source of ${batchBytes} bytes`, () =>
      make(GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST),
    );
    const targets: GPUBuffer[] = [];
    for (let index = 0; index < buffers; index++) {
      const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
      targets.push(await guarded(device, `staging buffer ${index + 1} of ${batchBytes} bytes`, () => make(usage)));
    }
    // The first map of a fresh buffer takes ten times as long: its pages are not there yet.
    await Promise.all(targets.map((target) => readOnce(device, source, target)));
    return await readFor(device, source, targets, request);
  } finally {
    untame();
    for (const buffer of made) buffer.destroy();
  }
}

async function readFor(
  device: GPUDevice,
  source: GPUBuffer,
  targets: readonly GPUBuffer[],
  request: ReadBackRequest,
): Promise<ReadBack> {
  let batches = 0;
  const start = performance.now();
  const end = start + request.seconds * 1000;
  const lane = async (target: GPUBuffer): Promise<void> => {
    do {
      await readOnce(device, source, target);
      batches++;
    } while (performance.now() < end);
  };
  await Promise.all(targets.map(lane));
  const seconds = (performance.now() - start) / 1000;
  return { bytesPerSecond: (batches * request.batchBytes) / seconds, batches };
}

async function readOnce(device: GPUDevice, source: GPUBuffer, target: GPUBuffer): Promise<void> {
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, target, 0, source.size);
  device.queue.submit([encoder.finish()]);
  try {
    await target.mapAsync(GPUMapMode.READ);
  } catch (error) {
    throw deviceError(error, 'Reading back from the GPU');
  }
  target.unmap();
}
