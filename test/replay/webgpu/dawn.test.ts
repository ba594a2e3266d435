/** Devices: opened, failing, closed in every state, again and again; on the null backend and on SwiftShader. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { listAdapters, type OpenDevice, openDevice } from '../../../replay/webgpu/dawn.js';
import { ModelTError } from '../../../stack/index.js';
import { newPath } from '../../helpers/files.js';
import { describeOnGpu, withSoftwareGpu } from '../../helpers/gpu.js';

const SIZE = 1 << 20;

/** A copy into `target` and its map, which is pending when this returns. */
function pendingMap({ device }: OpenDevice): { target: GPUBuffer; mapped: Promise<undefined> } {
  const source = device.createBuffer({ size: SIZE, usage: GPUBufferUsage.COPY_SRC });
  const target = device.createBuffer({ size: SIZE, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, target, 0, SIZE);
  device.queue.submit([encoder.finish()]);
  return { target, mapped: target.mapAsync(GPUMapMode.READ) };
}

describe('the null backend', () => {
  it('compiles and validates', async () => {
    const open = await openDevice({ choice: 'auto', robust: true, backend: 'null' });
    expect(open.adapter).toMatchObject({ name: 'null', backend: 'null', kind: 'unknown' });
    open.device.pushErrorScope('validation');
    open.device.createShaderModule({ code: 'fn broken( {' });
    expect((await open.device.popErrorScope())?.message).toMatch(/parsing WGSL/);
    open.close();
  });
});

describeOnGpu('SwiftShader', () => {
  it('is described as what it is, and listed', async () => {
    await withSoftwareGpu(async ({ adapter, why, device }) => {
      expect(adapter).toMatchObject({
        name: expect.stringMatching(/^SwiftShader/),
        vendor: 'google',
        architecture: 'swiftshader',
        kind: 'software',
        backend: 'vulkan',
      });
      expect(why).toMatch(/asked for/);
      expect(adapter.features).toContain('timestamp-query');
      expect(device.features.has('timestamp-query')).toBe(true);
      expect(device.limits.maxBufferSize).toBe(adapter.limits.maxBufferSize);
      expect(device.limits.maxStorageBufferBindingSize).toBe(adapter.limits.maxStorageBufferBindingSize);
      expect(device.limits.maxStorageBuffersPerShaderStage).toBe(adapter.limits.maxStorageBuffersPerShaderStage);
      expect((await listAdapters()).map((one) => one.name)).toContain(adapter.name);
    });
  });

  it('is found by part of its name in any case, robust or not; unknown names are refused with the list', async () => {
    for (const robust of [true, false]) {
      const open = await openDevice({ choice: 'sWiFtShAdEr', robust });
      expect(open.adapter.architecture).toBe('swiftshader');
      open.close();
    }
    await expect(openDevice({ choice: 'Voodoo 2', robust: true })).rejects.toMatchObject({
      code: 'GPU_UNKNOWN',
      exitCode: 2,
      remedy: expect.stringContaining('SwiftShader'),
    });
  });

  it('opens several at once, and the environment is afterwards as it was', async () => {
    const noDrivers = newPath('drivers');
    mkdirSync(noDrivers);
    vi.stubEnv('VK_ADD_DRIVER_FILES', noDrivers);
    const before = { ...process.env };
    const opened = await Promise.all(
      ['software', 'auto', 'software', 'swift'].map((choice) => openDevice({ choice, robust: true })),
    );
    expect(opened.filter((one) => one.adapter.architecture === 'swiftshader').length).toBeGreaterThanOrEqual(3);
    expect({ ...process.env }).toEqual(before);
    for (const open of opened) open.close();
    vi.unstubAllEnvs();
  });
});

describeOnGpu('a failure', () => {
  it('that no scope caught is told once, as an error of ours, also to those who ask later', async () => {
    await withSoftwareGpu(async (open) => {
      const told = vi.fn();
      open.onFailure(told);
      const wrong = GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE;
      open.device.createBuffer({ size: 4, usage: wrong });
      open.device.createBuffer({ size: 4, usage: wrong });
      await open.device.queue.onSubmittedWorkDone();
      await vi.waitFor(() => expect(told).toHaveBeenCalled());
      expect(told).toHaveBeenCalledOnce();
      const [error] = told.mock.calls[0] as [ModelTError];
      expect(error).toBeInstanceOf(ModelTError);
      expect(error.message).toMatch(/The GPU "SwiftShader.*refuses: Buffer usages .* is invalid/);
      const late = vi.fn();
      open.onFailure(late);
      expect(late).toHaveBeenCalledWith(error);
    });
  });

  it('is loss of the device that we did not ask for', async () => {
    await withSoftwareGpu(async (open) => {
      const failed = new Promise<ModelTError>((resolve) => open.onFailure(resolve));
      open.device.destroy();
      expect(await failed).toMatchObject({ code: 'GPU_LOST', exitCode: 4, message: expect.stringContaining('SwiftShader') });
    });
  });

  it('is not told after close, which is none itself', async () => {
    const told = vi.fn();
    const open = await openDevice({ choice: 'software', robust: true });
    open.onFailure(told);
    open.close();
    open.close();
    await open.device.lost;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(told).not.toHaveBeenCalled();
  });
});

describeOnGpu('close', () => {
  it('with a map pending rejects it, as AbortError', async () => {
    const open = await openDevice({ choice: 'software', robust: true });
    const { mapped } = pendingMap(open);
    open.close();
    await expect(mapped).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('with a buffer mapped takes its bytes away', async () => {
    const open = await openDevice({ choice: 'software', robust: true });
    const { target, mapped } = pendingMap(open);
    await mapped;
    const bytes = target.getMappedRange();
    expect(bytes.byteLength).toBe(SIZE);
    open.close();
    expect(bytes.byteLength).toBe(0);
  });

  it('fifty times over leaves no thread and no mapping behind', async () => {
    const cycle = async (number: number): Promise<void> => {
      const open = await openDevice({ choice: 'software', robust: true });
      const { mapped } = pendingMap(open);
      if (number % 2 === 0) await mapped;
      open.close();
      await mapped.catch(() => {});
    };
    const usage = (): { threads: number; mappings: number; residentMiB: number } => ({
      threads: readdirSync('/proc/self/task').length,
      mappings: readFileSync('/proc/self/maps', 'utf8').split('\n').length,
      residentMiB: Number(/VmRSS:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024,
    });
    for (let warm = 0; warm < 10; warm++) await cycle(warm);
    const before = usage();
    for (let number = 0; number < 50; number++) await cycle(number);
    const after = usage();
    expect(after.threads - before.threads).toBeLessThanOrEqual(2);
    expect(after.mappings - before.mappings).toBeLessThan(50);
    expect(after.residentMiB - before.residentMiB).toBeLessThan(50);
  });
});
