/** Steps on a software GPU: the verdicts of the scalar bodies for every packet, whatever batches it comes in; and its failures. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openAccelerator } from '../../../replay/webgpu/accelerator.js';
import { encode } from '../../../stack/bpf/bytecode.js';
import { compileFilter } from '../../../stack/bpf/compile.js';
import {
  type Accelerator,
  type DeviceResult,
  type DeviceStep,
  hostReference,
  type NativePackets,
  native,
  packetsAt,
  parsePipeline,
  planPipeline,
  programOf,
  rowsThatGoOn,
  shareOut,
  verdictCounts,
  verdictOf,
} from '../../../stack/index.js';
import { describeOnGpu } from '../../helpers/gpu.js';
import { judgedPackets } from '../../helpers/packets.js';
import { EXPRESSIONS } from './accelerator-filters.js';
import { inSlots, manyFrames, packed } from './accelerator-packets.js';

const recordsOf = (text: string) =>
  planPipeline(parsePipeline(text), { isas: ['scalar'], placement: 'fused', memoryWritable: false, accelerator: true }).records;
const stepsOf = (text: string): readonly DeviceStep[] => shareOut(recordsOf(text)).device;
const COUNT = stepsOf('count@wgsl');

/** Verdicts of the pipeline's steps in scalar bodies. */
function onCpu(text: string, packets: NativePackets): number[][] {
  const { records, places } = hostReference(recordsOf(text));
  const { steps } = native.runProgram({ program: programOf(records), packets, collect: false, seconds: 0 });
  return places.map((place) => [...(steps[place]?.verdicts ?? [])]);
}

let opened: Accelerator;

async function run(text: string, packets: NativePackets, accelerator = opened): Promise<DeviceResult> {
  const program = await accelerator.load(stepsOf(text));
  try {
    return await program.run(packets);
  } finally {
    program.close();
  }
}

describeOnGpu('an accelerator', () => {
  beforeAll(async () => {
    opened = await openAccelerator({ choice: 'software', checked: true });
  });
  afterAll(() => opened.close());

  it('gives every packet the verdict it must', async () => {
    const judged = judgedPackets();
    const { results } = await run('checksum-verify@wgsl', packed(judged.map(({ frame }) => frame)));
    const names = ['good', 'bad', 'absent', 'unverifiable', 'other'];
    const found = judged.map(({ what }, index) => [what, names[verdictOf(results[index] ?? 0, 0)]]);
    expect(found).toEqual(judged.map(({ what, verdicts }) => [what, verdicts['checksum-verify']]));
  });

  it.each(['checksum-verify@wgsl', 'checksum-verify@wgsl header'])('%s: the scalar verdicts, packet by packet', async (text) => {
    const frames = manyFrames(2500);
    const packets = packed(frames);
    const { results } = await run(text, packets);
    const seen = new Map<number, number>();
    for (const [index, frame] of frames.entries()) {
      const wanted = onCpu(text, packetsAt(packets, Uint32Array.of(index)))[0]?.indexOf(1) ?? -1;
      const got = verdictOf(results[index] ?? 0, 0);
      if (got !== wanted) expect({ frame: Buffer.from(frame).toString('hex'), got }).toEqual({ wanted });
      seen.set(got, (seen.get(got) ?? 0) + 1);
    }
    /* With `header`, nothing is absent. */
    expect([...seen.values()].filter((times) => times >= 50).length).toBeGreaterThanOrEqual(4);
  });

  it('filters as the interpreter does: 50 expressions', { timeout: 60_000 }, async () => {
    const frames = manyFrames(300);
    const packets = inSlots(frames);
    expect(EXPRESSIONS).toHaveLength(50);
    let matches = 0;
    for (const expression of EXPRESSIONS) {
      const data = encode(compileFilter(expression));
      const program = await opened.load([{ operation: 'bpf', parameter: 0, data }]);
      const result = await program.run(packets);
      program.close();
      const wanted = native.bpfRun(data, 'interpreter', packets.bytes, packets.offsets, packets.lengths);
      expect([expression, ...rowsThatGoOn(result)]).toEqual([
        expression,
        ...frames.flatMap((_, index) => (wanted[index] ? [index] : [])),
      ]);
      matches += rowsThatGoOn(result).length;
    }
    expect(matches).toBeGreaterThan(1000);
  });

  it.each([
    ['where they lie', inSlots],
    ['from anywhere', (frames: readonly Uint8Array[]) => packed(frames, (index) => index % 5)],
  ])('batches that are cut, packets %s', async (_, layOut) => {
    const frames = manyFrames(700);
    const packets = layOut(frames);
    const text = 'count@wgsl | bpf@wgsl "udp or ip6" | count@wgsl | checksum-verify@wgsl';
    const names = parsePipeline(text).steps.map(({ operation }) => operation.verdicts);
    const small = await openAccelerator({ choice: 'software', checked: true, batchBytes: 4096 });
    try {
      const whole = await run(text, packets);
      const parts = await run(text, packets, small);
      expect([whole.batches, parts.batches > 20]).toEqual([1, true]);
      expect(parts.results).toEqual(whole.results);
      expect(parts.sums).toEqual(whole.sums);
      const counts = verdictCounts(parts, names);
      expect(counts).toEqual(onCpu(text, packets).map((verdicts, step) => verdicts.slice(0, names[step]?.length)));
      expect(counts[2]?.[0]).toBeLessThan(counts[0]?.[0] ?? 0);
    } finally {
      small.close();
    }
  });

  it('no packets: no batch', async () => {
    expect(await run('count@wgsl', packed([]))).toMatchObject({ batches: 0, results: new Uint32Array(0), sums: [[0n, 0n]] });
  });

  it('runs again, over more and over less', async () => {
    const program = await opened.load(COUNT);
    for (const packets of [3, 5000, 1]) {
      const frames = Array.from({ length: packets }, () => new Uint8Array(60));
      expect((await program.run(packed(frames))).sums).toEqual([[BigInt(packets), BigInt(packets * 60)]]);
    }
    program.close();
  });

  it('says where the time went', async () => {
    const { seconds } = await run('count@wgsl | checksum-verify@wgsl', packed(manyFrames(500)));
    expect(seconds.steps).toHaveLength(2);
    for (const part of [seconds.upload, seconds.kernels, seconds.readBack]) expect(part).toBeGreaterThan(0);
    expect(seconds.steps?.reduce((sum, step) => sum + step, 0)).toBeLessThan(seconds.kernels + 0.001);
  });

  it('refuses what it has no body for, and packets beyond a batch', async () => {
    await expect(opened.load([{ operation: 'eth', parameter: 0, data: null }])).rejects.toMatchObject({
      code: 'ACCELERATOR_STEP',
    });
    const hosts = Array.from({ length: 100 }, (_, index) => `host 10.0.${index}.1`).join(' or ');
    const filter = { operation: 'bpf', parameter: 0, data: encode(compileFilter(hosts)) };
    await expect(opened.load([filter])).rejects.toMatchObject({ code: 'ACCELERATOR_FILTER', exitCode: 3 });
    const small = await openAccelerator({ choice: 'software', checked: true, batchBytes: 64 });
    const program = await small.load(COUNT);
    await expect(program.run(packed([new Uint8Array(60), new Uint8Array(90)]))).rejects.toMatchObject({
      code: 'ACCELERATOR_PACKET',
      message: expect.stringContaining('Packet 1 of 90 bytes'),
    });
    small.close();
  });
});

describeOnGpu('a lost accelerator', () => {
  type RequestDevice = GPUAdapter['requestDevice'];

  /** The device that is behind it, by the hand of the test. */
  async function openWithDevice(): Promise<{ accelerator: Accelerator; device: GPUDevice }> {
    (await openAccelerator({ choice: 'software' })).close();
    const { prototype } = (globalThis as unknown as { GPUAdapter: { prototype: { requestDevice: RequestDevice } } }).GPUAdapter;
    const original = prototype.requestDevice;
    let device: GPUDevice | null = null;
    prototype.requestDevice = async function (this: GPUAdapter, ...parameters: Parameters<RequestDevice>) {
      device = await original.apply(this, parameters);
      return device;
    };
    try {
      const accelerator = await openAccelerator({ choice: 'software' });
      return { accelerator, device: device as unknown as GPUDevice };
    } finally {
      prototype.requestDevice = original;
    }
  }

  it.each([0, 3, 10, 25])('%i ms into a run: one sentence, and the next run says the same', async (delay) => {
    const { accelerator, device } = await openWithDevice();
    const program = await accelerator.load(stepsOf('checksum-verify@wgsl'));
    const frames = Array.from({ length: 60_000 }, () => new Uint8Array(60));
    const packets = packed(frames);
    await program.run(packed(frames.slice(0, 10)));
    setTimeout(() => device.destroy(), delay);
    const forEver = async (): Promise<void> => {
      for (;;) await program.run(packets);
    };
    await expect(forEver()).rejects.toMatchObject({ name: 'ModelTError', code: 'GPU_LOST', exitCode: 4 });
    await expect(program.run(packets)).rejects.toMatchObject({ code: 'GPU_LOST' });
    accelerator.close();
  });
});
