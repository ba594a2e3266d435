/** The queue experiment over processors: no rate without equality, and what is said about where the time goes. */
import { describe, expect, it } from 'vitest';
import { measureAccelerated } from '../../../harness/bench/queue-accelerated.js';
import { packetsFrom, queueInMemory, slotBytes } from '../../../harness/bench/queue-packets.js';
import { measureQueue, type QueuePoint } from '../../../harness/bench/queue-sample.js';
import type { Context } from '../../../harness/context.js';
import { openAccelerator } from '../../../replay/index.js';
import { type Accelerator, type DeviceResult, native, verdictShift } from '../../../stack/index.js';
import { describeOnGpu } from '../../helpers/gpu.js';

const POINT: QueuePoint = {
  pipeline: 'bpf@wgsl udp | eth',
  packets: 3000,
  stride: 0,
  cores: [-1],
  seconds: 0.02,
  isa: null,
  fuse: true,
  readsOnly: false,
  gpu: 'software',
};

/** The real native side, and the accelerator given. */
function contextWith(open: () => Promise<Accelerator>): Context {
  return { native, replay: { openAccelerator: open } } as unknown as Context;
}
const real = contextWith(() => openAccelerator({ choice: 'software', checked: true }));

/** Says of every packet what `verdict` says, and lets all go on. */
function lying(result: (packets: number) => Partial<DeviceResult>): { context: Context; closed: () => number } {
  let closed = 0;
  const accelerator: Accelerator = {
    ...{ name: 'made up', isSoftware: true, why: 'there is no other' },
    load: async (steps) => ({
      run: async ({ lengths }) => ({
        results: new Uint32Array(lengths.length),
        sums: steps.map(() => null),
        batches: 1,
        seconds: { upload: 0, kernels: 0, readBack: 0, steps: null },
        ...result(lengths.length),
      }),
      close: () => {},
    }),
    close: () => {
      closed++;
    },
  };
  return { context: contextWith(async () => accelerator), closed: () => closed };
}

describeOnGpu('a queue that a device and the CPU share', () => {
  it.each([
    'bpf@wgsl udp | count@wgsl | eth | ip4 | udp | port | count',
    'count@wgsl | checksum-verify@wgsl header | eth | ip4 | count',
    'bpf@wgsl "tcp and len > 100"',
  ])('%s: verdicts and rows as on the CPU alone', async (pipeline) => {
    const set = await packetsFrom('imix', real);
    const shared = await measureAccelerated({ ...POINT, pipeline }, set, real);
    const alone = pipeline.replaceAll('@wgsl', '').replace('checksum-verify', 'eth | ip4 | ip6 | checksum-verify');
    if (!alone.includes('ip6 |')) {
      const cpu = await measureQueue({ ...POINT, pipeline: alone }, set, real);
      expect(shared.digest).toBe(cpu.digest);
      expect(shared.operations.map(({ verdicts }) => verdicts)).toEqual(cpu.operations.map(({ verdicts }) => verdicts));
    }
    expect(shared.device?.rows).toBeGreaterThan(0);
    expect(shared.packetsPerSecond).toBeGreaterThan(0);
    const { uploadNs = 0, kernelsNs = 0, readBackNs = 0, totalNs = 0, hostNs = 0 } = shared.device ?? {};
    expect(uploadNs + kernelsNs + readBackNs).toBeLessThanOrEqual(totalNs);
    expect(1e9 / shared.packetsPerSecond).toBeCloseTo(totalNs + hostNs, 3);
  });

  it('nothing goes on: the CPU has nothing to do', async () => {
    const sample = await measureAccelerated({ ...POINT, pipeline: 'bpf@wgsl arp | eth' }, await packetsFrom(60, real), real);
    expect(sample.device).toMatchObject({ rows: 0, hostNs: 0 });
    expect(sample.operations.map(({ verdicts }) => verdicts)).toEqual([{ other: 3000 }, {}]);
  });
});

describe('no rate', () => {
  const first = 1 << verdictShift(0);
  it.each([
    [
      'for wrong verdicts',
      (packets: number) => ({ results: new Uint32Array(packets).fill(first) }),
      "verdicts of 'bpf@wgsl udp' differ",
    ],
    ['without verdicts', () => ({}), "verdicts of 'bpf@wgsl udp' differ"],
    [
      'for as many rows, but others',
      (packets: number) => ({
        results: new Uint32Array(packets).map((_, index) => (index < packets / 2 ? first : first * 2 + 1)),
      }),
      'other rows reach the end',
    ],
  ])('%s', async (_, result, problem) => {
    const { context, closed } = lying(result);
    const set = await packetsFrom(60, context);
    const run = measureAccelerated({ ...POINT, packets: 4096, pipeline: 'bpf@wgsl udp' }, set, context);
    await expect(run).rejects.toMatchObject({ code: 'QUEUE_WRONG', exitCode: 4, message: expect.stringContaining(problem) });
    expect(closed()).toBe(1);
  });

  it.each([
    [{ cores: [0, 1] }, '--cores: one accelerator has one queue'],
    [{ packets: 2 ** 20 + 1 }, '--packets 1048577 is too many'],
  ])('%j: refused before a device is opened', async (changes, message) => {
    const context = contextWith(async () => {
      throw new Error('opened');
    });
    const run = measureAccelerated({ ...POINT, ...changes }, await packetsFrom(60, context), context);
    await expect(run).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(message) });
  });
});

describe('a queue in memory', () => {
  it('lies as the native one does', () => {
    expect([0, 60, 62, 63, 126, 1514].map(slotBytes)).toEqual([64, 64, 64, 192, 192, 1600]);
    const set = { bytes: Uint8Array.of(1, 2, 3), offsets: Uint32Array.of(0, 2), lengths: Uint32Array.of(2, 1) };
    const queue = queueInMemory(set, 3, 128);
    expect([...queue.offsets]).toEqual([2, 130, 258]);
    expect([...queue.lengths]).toEqual([2, 1, 2]);
    expect([...queue.times]).toEqual([0n, 1000n, 0n]);
    expect([queue.bytes[2], queue.bytes[3], queue.bytes[130], queue.bytes[258]]).toEqual([1, 2, 3, 1]);
  });
});
