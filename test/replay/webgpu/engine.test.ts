/**
 * The WebGPU engine on a software GPU is held to the native one: same digest, same file, same account, for every mutation, batch
 * size and number of buffers; and readers in place see every packet without a host copy.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import type { GpuOutcome, GpuRequest, RunOutcome, Trace } from '../../../replay/index.js';
import { newPath, trafficFile } from '../../helpers/files.js';
import { describeOnGpu, withSoftwareGpu } from '../../helpers/gpu.js';
import { compileConsumer, consumed, hasGcc, launch, newRing } from '../../helpers/programs.js';
import { type Asked, loaded, replay, start, until } from '../../helpers/replay.js';

const KIB = 1024;
const V4 = { field: 'src', cidr: '10.0.0.0/8' } as const;
const V6 = { field: 'src', cidr: 'fd00::/40' } as const;
/** All accesses checked, small batches. */
const GPU: GpuRequest = { choice: 'software', checked: true, batchBytes: 64 * KIB, buffers: 3 };
const onGpu = (request: Asked = {}, gpu: GpuRequest = {}): Asked => ({ ...request, engine: 'webgpu', gpu: { ...GPU, ...gpu } });

let mixed: Trace;
beforeAll(async () => {
  mixed = await loaded(
    trafficFile({
      packets: 700,
      sizes: [
        [90, 3],
        [300, 1],
        [1514, 1],
      ],
      ipv6: 0.3,
      vlan: 0.2,
    }),
  );
});

function gpuOf(outcome: RunOutcome): GpuOutcome {
  const { gpu } = outcome.engine;
  if (!gpu) throw new Error('the outcome says nothing of a GPU');
  return gpu;
}

function expectSame(outcome: RunOutcome, native: RunOutcome): void {
  const account = ({ totals, conserved, digest, verified, trace }: RunOutcome) => ({
    offered: totals.offered,
    delivered: totals.delivered,
    bytes: totals.bytes,
    conserved,
    digest,
    ok: verified.ok,
    trace,
  });
  expect(account(outcome)).toEqual(account(native));
  expect(outcome.verified.packets).toBeGreaterThan(0);
}

describeOnGpu('the WebGPU engine delivers what the native one does', () => {
  it.each<[string, Asked]>([
    ['nothing rewritten', {}],
    ['IPv4 sources by flow', { rewrites: [V4] }],
    ['IPv4 sources by packet', { rewrites: [V4], unique: 'packet' }],
    ['IPv4 sources, the same each lap', { rewrites: [V4], unique: 'off' }],
    ['IPv6 sources', { rewrites: [V6] }],
    ['IPv6 sources by packet', { rewrites: [V6], unique: 'packet' }],
    ['both, seed 7', { rewrites: [V4, V6], seed: 7 }],
    ['both, the largest seed', { rewrites: [V4, V6], seed: 2 ** 32 - 1, unique: 'packet' }],
    ['a whole address', { rewrites: [{ field: 'src', cidr: '192.0.2.1/32' }] }],
    [
      'all addresses',
      {
        rewrites: [
          { field: 'src', cidr: '0.0.0.0/0' },
          { field: 'src', cidr: '::/0' },
        ],
      },
    ],
    [
      'an odd prefix',
      {
        rewrites: [
          { field: 'src', cidr: '172.16.0.0/13' },
          { field: 'src', cidr: '2001:db8::/127' },
        ],
      },
    ],
  ])('%s', async (_, request) => {
    const asked = { ...request, loop: 9 };
    expectSame(await replay(mixed, onGpu(asked)), await replay(mixed, asked));
  });

  it.each([1, 2, 3, 4, 5, 6])('%i batches in flight, of sizes that do not divide the trace', async (buffers) => {
    const asked: Asked = { rewrites: [V4, V6], unique: 'packet', loop: 7 };
    const native = await replay(mixed, asked);
    for (const batchBytes of [64 * KIB, 64 * KIB + 192, 100 * KIB, 1024 * KIB]) {
      const outcome = await replay(mixed, onGpu(asked, { batchBytes, buffers }));
      expectSame(outcome, native);
      expect(gpuOf(outcome)).toMatchObject({ batchBytes, buffers, hostCopiedBytes: 0, streamed: false });
    }
  });

  it('unchecked kernels, as they run for speed', async () => {
    const asked: Asked = { rewrites: [V4, V6], loop: 5 };
    expectSame(await replay(mixed, onGpu(asked, { checked: false })), await replay(mixed, asked));
  });

  it('a packet limit in the middle of a batch', async () => {
    for (const limit of [1, 255, 256, 257, 699, 701, 1403]) {
      const asked: Asked = { rewrites: [V4], loop: 0, limit };
      const outcome = await replay(mixed, onGpu(asked));
      expectSame(outcome, await replay(mixed, asked));
      expect(outcome).toMatchObject({ totals: { delivered: limit }, stopped: 'limit' });
    }
  });

  it('a trace of one packet, thousands of laps', async () => {
    const one = await loaded(trafficFile({ packets: 1, sizes: [[90, 1]] }));
    const asked: Asked = { rewrites: [V4, V6], loop: 5000 };
    expectSame(await replay(one, onGpu(asked)), await replay(one, asked));
  });

  it('headers only, where only headers are digested', async () => {
    const asked: Asked = { rewrites: [V4], digest: 'headers', loop: 2 };
    expectSame(await replay(mixed, onGpu(asked)), await replay(mixed, asked));
  });

  it('the same file', async () => {
    const [ours, theirs] = [newPath('gpu.pcap'), newPath('native.pcap')];
    const asked: Asked = { rewrites: [V4, V6], unique: 'packet', loop: 3 };
    await replay(mixed, onGpu({ ...asked, target: { kind: 'pcap', path: ours } }));
    await replay(mixed, { ...asked, target: { kind: 'pcap', path: theirs } });
    expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
  });
});

describeOnGpu('sizes that are unusual', () => {
  it('a batch that has room for more than the device holds never meets itself', async () => {
    const asked: Asked = { rewrites: [V4, V6], unique: 'packet', loop: 40 };
    const native = await replay(mixed, asked);
    const outcome = await replay(mixed, onGpu(asked, { memoryBytes: 1024 * KIB, batchBytes: 8192 * KIB, buffers: 2 }));
    expectSame(outcome, native);
    expect(gpuOf(outcome).laps).toBeLessThan(4);
  });

  it('a trace larger than one binding lies in several buffers', async () => {
    await withSoftwareGpu(async () => {}); /* WebGPU's classes are there from now on */
    const { prototype } = (globalThis as unknown as { GPUSupportedLimits: { prototype: object } }).GPUSupportedLimits;
    const limit = Object.getOwnPropertyDescriptor(prototype, 'maxStorageBufferBindingSize') ?? {};
    Object.defineProperty(prototype, 'maxStorageBufferBindingSize', { configurable: true, get: () => 64 * KIB });
    try {
      const asked: Asked = { rewrites: [V4, V6], unique: 'packet', loop: 9 };
      for (const batchBytes of [64 * KIB, 200 * KIB, 1024 * KIB]) {
        const outcome = await replay(mixed, onGpu(asked, { batchBytes, buffers: 2 }));
        expectSame(outcome, await replay(mixed, asked));
        expect(gpuOf(outcome).tiles).toBeGreaterThan(4);
      }
    } finally {
      Object.defineProperty(prototype, 'maxStorageBufferBindingSize', limit);
    }
  });

  it('a batch of 256 MiB: more packets than one dispatch takes', { timeout: 60_000 }, async () => {
    const small = await loaded(trafficFile({ packets: 4000, sizes: [[60, 1]], ipv6: 0, vlan: 0, protocols: [['udp', 1]] }));
    const asked: Asked = { rewrites: [V4], unique: 'packet', limit: 4_400_000, loop: 0, digest: 'headers' };
    const outcome = await replay(small, onGpu(asked, { batchBytes: 256 * 1024 * KIB, buffers: 1, checked: false }));
    expect(outcome).toMatchObject({ conserved: true, verified: { ok: true }, totals: { delivered: 4_400_000 } });
  });
});

describeOnGpu('push and pull', () => {
  const asked: Asked = { rewrites: [V4, V6], loop: 6 };

  it('pull: the consumer copies what the device staged, byte by byte counted', async () => {
    const outcome = await replay(mixed, onGpu(asked, { insert: 'pull' }));
    expectSame(outcome, await replay(mixed, asked));
    expect(gpuOf(outcome).hostCopiedBytes).toBe(6 * mixed.info().slotBytes);
  });

  it('pull: small rings, large batches', async () => {
    for (const ringBytes of [64 * KIB, 1024 * KIB]) {
      expectSame(
        await replay(mixed, onGpu({ ...asked, ringBytes }, { insert: 'pull', batchBytes: 512 * KIB })),
        await replay(mixed, asked),
      );
    }
  });

  it.skipIf(!hasGcc)('pull: another process reads the named ring', async () => {
    const name = newRing();
    const consumer = launch(compileConsumer(), [name]);
    const outcome = await replay(mixed, onGpu({ ...asked, target: { kind: 'ring', name } }));
    const native = await replay(mixed, asked);
    expect(outcome).toMatchObject({ conserved: true, verified: { ok: true }, totals: { delivered: 6 * 700 } });
    expect(consumed((await consumer.ended).out)).toMatchObject({ packets: 6 * 700, lost: 0, digest: native.digest });
  });

  it('nobody reads: what still lies in staging memory is verified', async () => {
    const outcome = await replay(mixed, onGpu({ ...asked, target: { kind: 'null' } }));
    expect(outcome).toMatchObject({ conserved: true, verified: { ok: true }, totals: { delivered: 6 * 700 } });
    /* Whole batches, not only what the ring still describes. */
    expect(outcome.verified.packets).toBeGreaterThan(200);
  });

  it('a lag reader loses packets and is told, and nothing else is lost', async () => {
    const outcome = await replay(mixed, onGpu({ ...asked, loop: 300, readerPolicy: 'lag' }));
    const lost = Object.values(outcome.totals.dropped).reduce((sum, count) => sum + count, 0);
    expect(outcome.conserved).toBe(true);
    expect(outcome.totals.delivered + lost).toBe(300 * 700);
  });
});

describeOnGpu('a trace larger than the device memory it may use', () => {
  it('streams through it, tile by tile', async () => {
    const large = await loaded(
      trafficFile({
        packets: 6000,
        sizes: [
          [90, 1],
          [1514, 1],
        ],
        ipv6: 0.2,
      }),
    );
    const asked: Asked = { rewrites: [V4, V6], unique: 'packet', loop: 3 };
    const native = await replay(large, asked);
    for (const buffers of [1, 2, 3, 6]) {
      const outcome = await replay(large, onGpu(asked, { memoryBytes: 1024 * KIB, buffers, batchBytes: 300 * KIB }));
      expectSame(outcome, native);
      expect(gpuOf(outcome)).toMatchObject({ streamed: true, hostCopiedBytes: 0 });
      expect(gpuOf(outcome).tiles).toBeGreaterThan(10);
    }
  });
});

describeOnGpu('how a run ends', () => {
  it('after a duration', async () => {
    const outcome = await replay(mixed, onGpu({ rewrites: [V4], durationSeconds: 0.3 }));
    expect(outcome).toMatchObject({ stopped: 'duration', conserved: true, verified: { ok: true } });
    expect(outcome.totals.seconds).toBeGreaterThan(0.25);
  });

  it('stopped: what is under way is drained', async () => {
    const run = start(mixed, onGpu({ rewrites: [V4], loop: 0 }));
    await until('packets arrive', () => run.snapshot().delivered > 1000);
    run.stop();
    expect(await run.outcome).toMatchObject({ stopped: 'interrupted', conserved: true, verified: { ok: true } });
  });

  it('stopped while the device is set up: nothing was replayed', async () => {
    const run = start(mixed, onGpu({ loop: 0 }));
    run.stop();
    await expect(run.outcome).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 });
  });

  it('aborted', async () => {
    const run = start(mixed, onGpu({ loop: 0 }));
    await until('packets arrive', () => run.snapshot().delivered > 1000);
    run.abort();
    await expect(run.outcome).rejects.toMatchObject({ exitCode: 130 });
  });

  it('times what the device does', async () => {
    const { timed, batches, tuning } = gpuOf(await replay(mixed, onGpu({ rewrites: [V4], loop: 200 })));
    expect(batches).toBeGreaterThan(10);
    expect(timed.batches).toBeGreaterThan(0);
    expect(timed.kernelSeconds).toBeGreaterThan(0);
    expect(timed.totalSeconds).toBeGreaterThanOrEqual(timed.kernelSeconds);
    expect(tuning).toEqual([]);
  });
});
