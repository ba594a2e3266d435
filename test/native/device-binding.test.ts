/**
 * The native classes DeviceImage and Run from JavaScript's side, with a device that copies tiles as they are (nothing is rewritten):
 * what they hand out adds up, a whole run verifies itself, and wrong arguments are errors, never crashes.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTrace, type Trace } from '../../replay/index.js';
import {
  type DeviceTile,
  type NativeDeviceImage,
  type NativeGpuConfig,
  type NativeRun,
  type NativeRunConfig,
  replayNative,
} from '../../replay/native-run.js';
import { nativeOf } from '../../replay/trace.js';
import { trafficFile } from '../helpers/files.js';

const UNLIMITED = 2n ** 64n - 1n;
const BATCH_BYTES = 20_032;
const NOTHING = { unique: 'flow', seed: 1n, rewrites: [] } as const;

let trace: Trace;
let device: NativeDeviceImage;
let tiles: readonly DeviceTile[];
let images: ArrayBuffer[];

type Memory = new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };

/** Page-aligned, as mapped memory is; plain ArrayBuffers are not. 64 KiB. */
function buffer(): ArrayBuffer {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: { readonly Memory: Memory } };
  return new WebAssembly.Memory({ initial: 1 }).buffer;
}

async function filled(tile: number, part: 'image' | 'tables'): Promise<ArrayBuffer> {
  const { bytes, tablesBytes } = tiles[tile] as DeviceTile;
  const out = new ArrayBuffer(part === 'image' ? bytes : tablesBytes);
  await device.fill(tile, part, 0, out, 0, out.byteLength);
  return out;
}

beforeAll(async () => {
  trace = await openTrace([trafficFile({ packets: 700 })]);
  await trace.loaded;
  device = new (replayNative().DeviceImage)(nativeOf(trace), NOTHING);
  tiles = device.layOut(3, 30_000);
  images = await Promise.all(tiles.map((_, tile) => filled(tile, 'image')));
});
afterAll(() => trace.close());

function start(gpu: Partial<NativeGpuConfig>, change: Partial<NativeRunConfig> = {}): NativeRun {
  const staging = [buffer(), buffer(), buffer()];
  const config: NativeRunConfig = {
    target: 'stack',
    ringName: '',
    file: -1,
    linkType: 1,
    isa: 'scalar',
    laps: 7n,
    limit: UNLIMITED,
    durationNs: 0n,
    threads: 1,
    containers: ['source', 'stack'].map((name) => ({ name, cpu: -1 })),
    idle: 'backoff',
    lanes: 1,
    placement: { containers: [-1, 0, 0], window: 1, sliceBursts: 16, fillPackets: 0, latencyNs: 0n, vertical: false },
    helperCpu: -2,
    resident: false,
    regionBytes: 131_072n,
    selfSizing: false,
    startBytes: 0n,
    policy: 'block',
    waitReaders: 1,
    digestLines: 0,
    verify: true,
    program: {
      needs: 0,
      records: [
        {
          kind: 'operation',
          name: 'eth',
          variant: 'scalar',
          parameter: 0,
          wants: 0,
          data: null,
          condition: -1,
          pass: -1,
          stores: false,
        },
      ],
    },
    ...NOTHING,
    gpu: { device, insert: 'push', staging, batchBytes: BATCH_BYTES, streamed: false, ...gpu },
    ...change,
  };
  return new (replayNative().Run)(nativeOf(trace), config);
}

function drive(run: NativeRun, staging: readonly ArrayBuffer[]): void {
  while (!run.ended()) {
    run.reclaim();
    const batch = run.nextBatch();
    if (batch === null) {
      run.nap(1000);
      continue;
    }
    const into = staging[batch.slot] as ArrayBuffer;
    for (const { tile, sourceOffset, targetOffset, bytes } of batch.segments) {
      new Uint8Array(into).set(new Uint8Array(images[tile] as ArrayBuffer, sourceOffset, bytes), targetOffset);
    }
    expect(batch.segments.reduce((sum, segment) => sum + segment.bytes, 0)).toBe(batch.bytes);
    expect(batch.segments.reduce((sum, segment) => sum + segment.packets, 0)).toBe(batch.packets);
    run.publish(into);
  }
}

describe('DeviceImage', () => {
  it('tells its shape, and tiles that add up to the copies', () => {
    const info = trace.info();
    const shape = device.shape();
    expect(shape).toMatchObject({ packets: 700, slotBytes: info.slotBytes, frameBytes: info.bytes, rows4: 0, rows6: 0 });
    expect(tiles.reduce((sum, tile) => sum + tile.packets, 0)).toBe(3 * 700);
    expect(tiles.reduce((sum, tile) => sum + tile.bytes, 0)).toBe(3 * info.slotBytes);
    for (const tile of tiles) {
      expect(tile.bytes).toBeLessThanOrEqual(30_000);
      expect(Object.values(tile.sections).every((offset) => offset % 256 === 0 && offset < tile.tablesBytes)).toBe(true);
    }
    expect(device.parameters()).toHaveLength(32);
  });

  it('lists packets in the last section: word of the slot, length of the frame', async () => {
    const { packets, sections } = tiles[0] as DeviceTile;
    const list = new Uint32Array(await filled(0, 'tables'), sections.packets, 2 * packets);
    const native = nativeOf(trace);
    let word = 0;
    for (let i = 0; i < packets; i++) {
      const length = native.packet(i)?.data.length ?? -1;
      expect([list[2 * i], list[2 * i + 1]]).toEqual([word, length]);
      const lines = Math.ceil((2 + length) / 64);
      word += (lines % 16 === 0 ? lines + 1 : lines) * 16;
    }
  });

  it('counts rows of what is rewritten', () => {
    const rewrites = [{ address: new Uint8Array([10, 0, 0, 0]), length: 8 }];
    const rewriting = new (replayNative().DeviceImage)(nativeOf(trace), { ...NOTHING, rewrites });
    const { rows4 } = rewriting.shape();
    expect(rows4).toBeGreaterThan(0);
    expect(rewriting.layOut(2, 2 ** 20).reduce((sum, tile) => sum + tile.rows4, 0)).toBe(2 * rows4);
  });

  it('refuses what cannot be', () => {
    const out = new ArrayBuffer(100);
    for (const [copies, bytes] of [
      [0, 2 ** 20],
      [1, 64],
      [1, 2 ** 31 + 64],
      [2 ** 40, 2 ** 20],
    ] as const) {
      expect(() => device.layOut(copies, bytes)).toThrow(expect.objectContaining({ code: 'RUN_IMPOSSIBLE' }));
    }
    expect(() => device.layOut(-1, Number.NaN)).toThrow(TypeError);
    for (const [tile, offset, at, bytes] of [
      [tiles.length, 0, 0, 1],
      [0, 1e6, 0, 1],
      [0, 0, 90, 11],
      [0, 0, 101, 0],
    ] as const) {
      expect(() => device.fill(tile, 'image', offset, out, at, bytes)).toThrow(RangeError);
    }
    expect(() => device.fill(0, 'image', 0, new Uint8Array(8) as unknown as ArrayBuffer, 0, 8)).toThrow(TypeError);
    expect(() => device.fill(0, 'picture' as 'image', 0, out, 0, 8)).toThrow(TypeError);
    structuredClone(out, { transfer: [out] });
    expect(() => device.fill(0, 'image', 0, out, 0, 8)).toThrow(RangeError);
    expect(() => new (replayNative().DeviceImage)({} as never, NOTHING)).toThrow(TypeError);
  });
});

describe('Run with a device', () => {
  for (const insert of ['push', 'pull'] as const) {
    for (const target of ['stack', 'null'] as const) {
      it(`${insert} to ${target}: verifies itself`, async () => {
        const staging = [buffer(), buffer()];
        const run = start({ insert, staging }, { target });
        drive(run, staging);
        const result = await run.wait();
        expect(result).toMatchObject({ offered: 7 * 700, stopped: 'end', error: '', verifiedOk: true });
        expect(result.verifiedPackets).toBeGreaterThan(0);
        expect(result.hostCopiedBytes).toBe(insert === 'push' ? 0 : 7 * device.shape().slotBytes);
        expect([run.ended(), run.reclaim(), run.nextBatch()]).toEqual([true, false, null]);
      });
    }
  }

  it('has as many batches in flight as there are buffers, and takes them back in order only', async () => {
    const staging = [buffer(), buffer()];
    const run = start({ staging });
    expect([run.nextBatch()?.slot, run.nextBatch()?.slot, run.nextBatch()]).toEqual([0, 1, null]);
    expect(() => run.publish(staging[1] as ArrayBuffer)).toThrow(/batch 0 belongs into staging buffer 0/);
    expect(() => run.publish(new ArrayBuffer(BATCH_BYTES))).toThrow(/staging buffer 0/);
    expect(() => run.publish(null as never)).toThrow(TypeError);
    run.abort();
    expect((await run.wait()).stopped).toBe('interrupted');
  });

  it('fails with the message it was given', async () => {
    const run = start({});
    run.fail('the device was lost');
    expect(await run.wait()).toMatchObject({ stopped: 'failed', error: 'the device was lost' });
  });

  it('refuses what cannot be', () => {
    const impossible = expect.objectContaining({ code: 'RUN_IMPOSSIBLE' });
    expect(() => start({ staging: [] })).toThrow(impossible);
    expect(() => start({ staging: [new ArrayBuffer(BATCH_BYTES - 1)] })).toThrow(impossible);
    expect(() => start({ batchBytes: 64 })).toThrow(impossible);
    expect(() => start({}, { policy: 'drop' })).toThrow(impossible);
    expect(() => start({}, { threads: 2 })).toThrow(impossible);
    expect(() => start({}, { target: 'ring', ringName: 'x' })).toThrow(impossible);
    const blank = new (replayNative().DeviceImage)(nativeOf(trace), NOTHING);
    expect(() => start({ device: blank })).toThrow(impossible);
    expect(() => start({ device: {} as never })).toThrow(TypeError);
  });
});

it('measureStagedCopy gives a rate', () => {
  expect(replayNative().measureStagedCopy(nativeOf(trace), 2 ** 20, 3, 0.02)).toBeGreaterThan(1e7);
  expect(() => replayNative().measureStagedCopy(nativeOf(trace), 2 ** 20, 99, 0.02)).toThrow(RangeError);
});
