/**
 * A device that is lost while a run is set up or goes on: one sentence and an exit code, no crash, no raw error of WebGPU. The loss
 * is simulated by destroying the device behind the engine's back, before anything is mapped: a real one leaves memory mapped.
 */
import { afterEach, beforeAll, expect, it } from 'vitest';
import type { Trace } from '../../../replay/index.js';
import { trafficFile } from '../../helpers/files.js';
import { describeOnGpu, withSoftwareGpu } from '../../helpers/gpu.js';
import { loaded, replay } from '../../helpers/replay.js';

type RequestDevice = GPUAdapter['requestDevice'];

let trace: Trace;
let prototype: { requestDevice: RequestDevice };
let original: RequestDevice;

describeOnGpu('a device that is lost', () => {
  beforeAll(async () => {
    trace = await loaded(trafficFile({ packets: 3000, sizes: [[300, 1]] }));
    await withSoftwareGpu(async () => {});
    prototype = (globalThis as unknown as { GPUAdapter: { prototype: typeof prototype } }).GPUAdapter.prototype;
    original = prototype.requestDevice;
  });
  afterEach(() => {
    prototype.requestDevice = original;
  });

  it.each([0, 5, 20, 60, 120, 250])('%i ms after it was opened ends the run with a sentence', async (delay) => {
    prototype.requestDevice = async function (this: GPUAdapter, ...parameters: Parameters<RequestDevice>) {
      const device = await original.apply(this, parameters);
      setTimeout(() => device.destroy(), delay);
      return device;
    };
    /* Long enough to be tuned, so that the loss comes during set-up. */
    const run = replay(trace, {
      engine: 'webgpu',
      gpu: { choice: 'software', checked: true },
      loop: 0,
      target: { kind: 'null' },
    });
    await expect(run).rejects.toMatchObject({
      name: 'ModelTError',
      code: 'GPU_LOST',
      exitCode: 4,
      message: expect.stringContaining('lost'),
    });
  });
});
