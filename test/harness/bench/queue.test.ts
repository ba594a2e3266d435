/** The queue experiment: what fills queues, what is refused, and that a figure is only given for a run that was right. */

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generatedPackets, packetsFrom, parseFrameSource } from '../../../harness/bench/queue-packets.js';
import { measureQueue, type QueuePoint } from '../../../harness/bench/queue-sample.js';
import type { Context } from '../../../harness/context.js';
import * as replay from '../../../replay/index.js';
import { describeMachine, ModelTError, native } from '../../../stack/index.js';
import { ROOT } from '../../helpers/files.js';
import { isas } from '../../helpers/replay.js';
import { invoke } from '../fake.js';

const DEMO = join(ROOT, 'traces/demo.pcapng');
const HEADERS = 'eth | ip4 | udp | tcp | checksum-verify header | port | count';
const POINT: QueuePoint = {
  pipeline: HEADERS,
  packets: 1000,
  stride: 0,
  cores: [0],
  seconds: 0.002,
  isa: null,
  fuse: true,
  readsOnly: false,
};
const context = { native, replay } as unknown as Context;
const sixty = generatedPackets(60);
const measure = (change: Partial<QueuePoint>) => measureQueue({ ...POINT, ...change }, sixty, context);

describe('what fills a queue', () => {
  it('sizes, a mix, or the name of a capture', () => {
    expect(parseFrameSource('60')).toBe(60);
    expect(parseFrameSource('imix')).toBe('imix');
    expect(parseFrameSource('a.pcap')).toEqual({ capture: 'a.pcap' });
    for (const wrong of ['59', '9217', '0']) expect(() => parseFrameSource(wrong)).toThrow(ModelTError);
  });

  it('makes frames of the size asked for, half UDP and half TCP', () => {
    expect(sixty.lengths.every((length) => length === 60)).toBe(true);
    const protocols = [...sixty.offsets].map((offset) => sixty.bytes[offset + 23]);
    expect(protocols.filter((protocol) => protocol === 17)).toHaveLength(2048);
    expect(protocols.filter((protocol) => protocol === 6)).toHaveLength(2048);
    expect(new Set(generatedPackets('imix').lengths)).toEqual(new Set([60, 590, 1514]));
  });

  it('takes the packets of a capture, with their times', async () => {
    const { lengths, times } = await packetsFrom({ capture: DEMO }, context);
    const trace = await replay.openTrace([DEMO]);
    await trace.loaded;
    expect(lengths).toHaveLength(trace.info().packets);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(trace.info().bytes);
    expect(times?.[0]).toBe(trace.info().firstTimeNs);
    trace.close();
  });
});

describe('a point', () => {
  it.each(isas)('%s: fused or not, the same rows and verdicts', async (isa) => {
    const fused = await measure({ isa });
    const apart = await measure({ isa, fuse: false });
    expect(fused.digest).toBe(apart.digest);
    expect(fused.operations.map(({ verdicts }) => verdicts)).toEqual(apart.operations.map(({ verdicts }) => verdicts));
    expect(fused.operations.at(-1)?.verdicts).toEqual({ packets: 1000, bytesSum: 60_000 });
    expect(fused.operations.every(({ pass }) => pass === (isa === 'scalar' ? -1 : 0))).toBe(true);
    expect(fused.packetsPerSecond).toBeGreaterThan(0);
    expect(fused.wireBitsPerSecond / fused.bitsPerSecond).toBeCloseTo(84 / 60);
  });

  it('has a queue and a chain on each core', async () => {
    const { cores, operations, queueBytes } = await measure({ cores: describeMachine().cpus.slice(0, 2) });
    expect(operations[0]?.verdicts).toEqual({ ip4: 1000 * cores.length });
    expect(queueBytes).toBe(64_000);
  });

  it('lays slots as asked: an odd number of lines when packed, else the stride', async () => {
    const set = generatedPackets(1514, 16);
    const bytes = async (stride: number) => (await measureQueue({ ...POINT, packets: 10, stride }, set, context)).queueBytes;
    expect(await bytes(0)).toBe(16_000);
    expect(await bytes(2048)).toBe(20_480);
    await expect(bytes(1472)).rejects.toThrow('does not fit into slots of 1472');
  });

  it.each([1, 255, 256, 257])('%i packets', async (packets) => {
    const { operations } = await measure({ packets });
    expect(operations.at(-1)?.verdicts).toEqual({ packets, bytesSum: packets * 60 });
  });

  it('keeps the state of operations that have one', async () => {
    const { operations } = await measure({ pipeline: 'eth | ip4 | flow | count' });
    const { new: created = 0, known = 0 } = operations[2]?.verdicts ?? {};
    expect(created).toBeGreaterThan(100);
    expect(created + known).toBe(1000);
  });

  it('makes streams anew for each lap', async () => {
    const { operations } = await measure({ pipeline: 'eth | ip4 | tcp stream | count', seconds: 0.02 });
    expect(operations[2]?.verdicts.delivered).toBe(operations[3]?.verdicts.packets);
  });

  it('has packets of its own: arrays that change meanwhile change nothing', async () => {
    const set = { ...generatedPackets(60, 64) };
    const pending = measureQueue({ ...POINT, seconds: 0.05 }, set, context);
    set.offsets.fill(0xfffff000);
    set.lengths.fill(0xffffffff);
    expect((await pending).operations.at(-1)?.verdicts).toEqual({ packets: 1000, bytesSum: 60_000 });
  });

  it('reads every byte instead of running a pipeline', async () => {
    const { operations, bitsPerSecond, packetsPerSecond } = await measure({ readsOnly: true });
    expect(operations).toEqual([]);
    expect(bitsPerSecond / packetsPerSecond).toBe(64 * 8);
  });
});

describe('no figure', () => {
  it('for a run that differed from the reference', async () => {
    const wrong = {
      native: {
        ...native,
        runQueue: async () => ({ problem: 'verdicts differ', queueBytes: 1, digest: 0n, cores: [], steps: [] }),
      },
    } as unknown as Context;
    await expect(measureQueue(POINT, sixty, wrong)).rejects.toMatchObject({ code: 'QUEUE_WRONG', exitCode: 4 });
  });

  it('for a program that changes packets, or shares state between chains', async () => {
    await expect(measure({ pipeline: 'eth | ip4 | decrement-ttl' })).rejects.toMatchObject({ exitCode: 2 });
    await expect(measure({ pipeline: 'sample 2', cores: [0, 1] })).rejects.toMatchObject({ exitCode: 2 });
  });

  it.each([
    [['--packets', '0'], '--packets'],
    [['--stride', '100'], 'no multiple of 64'],
    [['--frames', '10'], 'cannot be made'],
    [['--cores', '9999'], 'CPU 9999'],
    [['--isa', 'sse'], '--isa does not know'],
    [['--packets', '100000000', '--frames', '9216'], 'are free'],
  ])('for %j', async (words, message) => {
    const { exitCode, error, out } = await invoke(['bench', 'queue', ...words]);
    expect({ out, code: exitCode === 0 ? 0 : exitCode }).toEqual({ out: [], code: message === 'are free' ? 3 : 2 });
    expect(error?.message).toContain(message);
  });
});
