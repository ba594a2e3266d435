/** The wrapper around setImmediate: naps before Dawn's turns, and before nobody else's. */
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { tamePump } from '../../../replay/webgpu/pump.js';
import { describeOnGpu, withSoftwareGpu } from '../../helpers/gpu.js';

const original = globalThis.setImmediate;
const turn = (): Promise<void> => new Promise((resolve) => original(resolve));
/** What looks like Dawn's callback: text of native code, a prototype, no name, no parameters. A proxy has all four. */
const dawns = (called: () => void): (() => void) => new Proxy(class {}, { apply: called }) as unknown as () => void;

const ends: (() => void)[] = [];
const tame = (nap: () => void): (() => void) => {
  const end = tamePump(nap);
  ends.push(end);
  return end;
};
afterEach(() => {
  for (const end of ends.splice(0)) end();
  expect(globalThis.setImmediate).toBe(original);
});

describe('a tamed pump', () => {
  it("naps before Dawn's turn, then takes it", async () => {
    const order: string[] = [];
    tame(() => order.push('nap'));
    setImmediate(dawns(() => order.push('turn')));
    expect(order).toEqual(['nap']);
    await turn();
    expect(order).toEqual(['nap', 'turn']);
  });

  it('leaves the calls of everybody else alone, with parameters, result and promise', async () => {
    const nap = vi.fn();
    tame(nap);
    const called = vi.fn();
    setImmediate(called, 1, 'two');
    clearImmediate(setImmediate(() => called('never')));
    setImmediate(called.bind(null, 'bound'));
    setImmediate(function named() {});
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve, 3));
    expect(await promisify(setImmediate)('promised')).toBe('promised');
    expect(called.mock.calls).toEqual([[1, 'two'], ['bound']]);
    expect(() => setImmediate(undefined as never)).toThrow(TypeError);
    expect(nap).not.toHaveBeenCalled();
  });

  it('looks like the original', () => {
    tame(() => {});
    expect(setImmediate).not.toBe(original);
    expect([setImmediate.name, setImmediate.length]).toEqual([original.name, original.length]);
    expect(Object.keys(globalThis)).toContain('setImmediate');
  });

  it('nests: the latest run naps, in whatever order they end', () => {
    const naps = [vi.fn(), vi.fn(), vi.fn()] as const;
    const [first, second, third] = naps.map(tame) as [() => void, () => void, () => void];
    const counts = (): number[] => {
      clearImmediate(setImmediate(dawns(() => {})));
      return naps.map((nap) => nap.mock.calls.length);
    };
    expect(counts()).toEqual([0, 0, 1]);
    second();
    expect(counts()).toEqual([0, 0, 2]);
    third();
    expect(counts()).toEqual([1, 0, 2]);
    third();
    expect(setImmediate).not.toBe(original);
    first();
    expect(setImmediate).toBe(original);
    first();
    expect(counts()).toEqual([1, 0, 2]);
  });

  it('that somebody else has wrapped stays below, does nothing, and serves the next run', () => {
    const end = tame(() => expect.unreachable('napped after the end'));
    const ours = globalThis.setImmediate;
    const theirs = ((...parameters: Parameters<typeof setImmediate>) => ours(...parameters)) as typeof setImmediate;
    globalThis.setImmediate = theirs;
    end();
    expect(globalThis.setImmediate).toBe(theirs);
    clearImmediate(setImmediate(dawns(() => {})));
    const nap = vi.fn();
    const endNext = tame(nap);
    clearImmediate(setImmediate(dawns(() => {})));
    expect(nap).toHaveBeenCalledOnce();
    globalThis.setImmediate = ours;
    endNext();
  });
});

describeOnGpu('the pump of Dawn itself', () => {
  it('naps while a map is pending, and not afterwards', async () => {
    await withSoftwareGpu(async ({ device }) => {
      const nap = vi.fn();
      tame(nap);
      /* Large, and more than one: a small copy may be over before the first turn, and then nothing is pending. */
      const size = 32 << 20;
      const source = device.createBuffer({ size, usage: GPUBufferUsage.COPY_SRC });
      const buffer = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
      for (let copies = 0; copies < 5; copies++) {
        const encoder = device.createCommandEncoder();
        encoder.copyBufferToBuffer(source, 0, buffer, 0, size);
        device.queue.submit([encoder.finish()]);
        await buffer.mapAsync(GPUMapMode.READ);
        buffer.unmap();
      }
      expect(nap).toHaveBeenCalled();
      const count = nap.mock.calls.length;
      for (let turns = 0; turns < 20; turns++) await turn();
      expect(nap.mock.calls.length - count).toBeLessThan(5);
    });
  });
});
