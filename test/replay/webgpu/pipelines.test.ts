/** Dispatches of a segment: no more workgroups than a device takes, every row once, and each told what it must know. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NativeSegment } from '../../../replay/native-run.js';
import { type OpenDevice, openDevice } from '../../../replay/webgpu/dawn.js';
import { Pipelines, type TileBindings } from '../../../replay/webgpu/pipelines.js';
import { userKernel } from '../../../replay/webgpu/user-kernel.js';

const PACKETS_PER_LAP = 1000;
const KERNEL = '// model-t kernel 1\nfn transform(packet: Packet) {}\n';

let open: OpenDevice;
beforeAll(async () => {
  open = await openDevice({ choice: 'auto', robust: true, backend: 'null' });
});
afterAll(() => open?.close());

interface Dispatch {
  readonly groups: number;
  readonly words: readonly number[];
}

/** A pass that remembers. */
function recorder(): { pass: GPUComputePassEncoder; dispatches: Dispatch[] } {
  const dispatches: Dispatch[] = [];
  let words: number[] = [];
  const pass = {
    setPipeline: () => {},
    setBindGroup: () => {},
    setImmediates: (_: number, data: Uint32Array) => {
      words = [...data];
    },
    dispatchWorkgroups: (groups: number) => dispatches.push({ groups, words }),
  };
  return { pass: pass as unknown as GPUComputePassEncoder, dispatches };
}

const SEGMENT: NativeSegment = {
  tile: 0,
  sourceOffset: 0,
  targetOffset: 0,
  bytes: 0,
  row4: 5,
  rows4: 0,
  row6: 7,
  rows6: 0,
  packet: 11,
  packets: 0,
  base4: 0xfffffff0,
  base6Low: 3,
  base6High: 4,
  lap: 2 ** 33 + 1,
  indexInLap: 17,
};
const bound = { ip4: {}, ip6: {}, user: {} } as unknown as TileBindings;

async function dispatchesOf(segment: NativeSegment, workgroupSize: number): Promise<Dispatch[]> {
  const wanted = { ip4: true, ip6: true, user: userKernel(KERNEL, 'k.wgsl'), checked: true };
  const shape = { workgroupSize, packetsPerInvocation: 1 };
  const pipelines = await Pipelines.compile(open, wanted, new Uint32Array(32), PACKETS_PER_LAP, shape);
  const { pass, dispatches } = recorder();
  pipelines.encode(pass, bound, segment);
  return dispatches;
}

it('none where a segment has no rows', async () => {
  expect(await dispatchesOf(SEGMENT, 64)).toEqual([]);
});

it.each([1, 63, 64, 65, 65535 * 64, 65535 * 64 + 1, 10_000_000])('%i rows, each once', async (rows) => {
  const most = open.device.limits.maxComputeWorkgroupsPerDimension;
  const dispatches = await dispatchesOf({ ...SEGMENT, rows4: rows, rows6: rows, packets: rows }, 64);
  for (const [first, stage] of [5, 7, 11].entries()) {
    const own = dispatches.slice((first * dispatches.length) / 3, ((first + 1) * dispatches.length) / 3);
    let next = stage;
    for (const { groups, words } of own) {
      const [begin = 0, end = 0, stride = 0] = words;
      expect(begin).toBe(next);
      expect(groups).toBeLessThanOrEqual(most);
      expect(stride).toBe(groups * 64);
      expect(end - begin).toBeLessThanOrEqual(groups * 64);
      next = end;
    }
    expect(next).toBe(stage + rows);
  }
});

it('tells rows their base, and a user kernel the place of the first packet of each dispatch', async () => {
  const rows = 65535 * 64 + 100;
  const dispatches = await dispatchesOf({ ...SEGMENT, rows4: rows, rows6: rows, packets: rows }, 64);
  const told = dispatches.map(({ words }) => words.slice(3));
  expect(told).toEqual([
    [0xfffffff0, 0, 1, 2, PACKETS_PER_LAP],
    [0xfffffff0, 0, 1, 2, PACKETS_PER_LAP],
    [3, 4, 1, 2, PACKETS_PER_LAP],
    [3, 4, 1, 2, PACKETS_PER_LAP],
    [17, 0, 1, 2, PACKETS_PER_LAP],
    [17 + 65535 * 64, 0, 1, 2, PACKETS_PER_LAP],
  ]);
});
