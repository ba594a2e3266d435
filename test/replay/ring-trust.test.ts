/**
 * Either side of a ring trusts nothing that the other one writes: geometry, cursors, descriptors and header fields that are
 * not what they should be, set by a made-up producer or in the middle of a real run.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ReplayRun } from '../../replay/index.js';
import { READER_SLOT, RING_HEADER } from '../../stack/index.js';
import { ABORTED, FakeProducer, SharedStruct } from '../helpers/fake-producer.js';
import { trafficFile } from '../helpers/files.js';
import {
  compileConsumer,
  compileProbe,
  consumed,
  freeze,
  hasGcc,
  launch,
  newRing,
  type Running,
  ringPath,
} from '../helpers/programs.js';
import { digestOf, loaded, start, until } from '../helpers/replay.js';

const KIB = 1024;
let consumer: string;
let probe: string;

beforeAll(() => {
  if (!hasGcc) return;
  consumer = compileConsumer();
  probe = compileProbe();
});

const active: ReplayRun[] = [];
const producers: FakeProducer[] = [];
afterEach(() => {
  for (const run of active.splice(0)) run.abort();
  for (const producer of producers.splice(0)) producer.close();
});

async function endlessRun(name: string): Promise<ReplayRun> {
  const run = start(await loaded(trafficFile({ packets: 1200 })), { loop: 0, target: { kind: 'ring', name } });
  active.push(run);
  return run;
}

async function printed(running: Running): Promise<ReturnType<typeof consumed>> {
  const { code, out, err } = await running.ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return consumed(out);
}

describe.skipIf(!hasGcc)('a reader trusts nothing: geometry', () => {
  const HUGE = 2n ** 64n - 64n;
  it.each<[string, number | bigint, string]>([
    ['magic', 1, 'magic'],
    ['abi_version', 1, 'abi_version'],
    ['reader_slots', 17, 'reader_slots'],
    ['reader_slots', 0, 'reader_slots'],
    ['total_bytes', 4096, 'total_bytes'],
    ['total_bytes', HUGE, 'total_bytes'],
    ['descriptor_count', 0, 'descriptor_count'],
    ['descriptor_count', 63, 'descriptor_count'],
    ['descriptor_count', 2 ** 31, 'descriptors_offset'],
    ['descriptor_mask', 62, 'descriptor_mask'],
    ['descriptor_mask', 127, 'descriptor_mask'],
    ['descriptor_mask', 2 ** 32 - 1, 'descriptor_mask'],
    ['descriptors_offset', 0, 'descriptors_offset'],
    ['descriptors_offset', 8193, 'descriptors_offset'],
    ['descriptors_offset', HUGE, 'descriptors_offset'],
    ['times_offset', 64, 'times_offset'],
    ['times_offset', HUGE, 'times_offset'],
    ['region_offset', 128, 'region_bytes'],
    ['region_offset', HUGE, 'region_bytes'],
    ['region_bytes', 0, 'region_bytes'],
    ['region_bytes', 65_537, 'region_bytes'],
    ['region_bytes', HUGE, 'region_bytes'],
    ['producer_pid', 2 ** 22 + 1, 'producer: its process is gone'],
    ['producer_pid_start', 1, 'producer: its process is gone'],
  ])('%s = %s', async (field, value, reason) => {
    const name = newRing();
    producers.push(new FakeProducer(name, { [field]: value }));
    const { code, signal, out } = await launch(probe, [name]).ended;
    expect({ code, signal, out }).toEqual({ code: 2, signal: null, out: `${ringPath(name)}: ${reason}\n` });
  });

  it('a file that is shorter than a header', async () => {
    const name = newRing();
    writeFileSync(ringPath(name), Buffer.alloc(100));
    expect(await launch(probe, [name]).ended).toMatchObject({ code: 2, out: `${ringPath(name)}: size: too small for a ring\n` });
  });

  it('a producer that does not answer', async () => {
    const name = newRing();
    producers.push(new FakeProducer(name));
    expect(await launch(probe, [name]).ended).toMatchObject({ code: 2, out: 'the producer did not answer in time\n' });
  });
});

describe.skipIf(!hasGcc)('a reader trusts nothing: what is published', () => {
  const frames = [60, 62, 63, 1514].map((length, seed) => Buffer.from(Array.from({ length }, (_, i) => (i * 3 + seed) & 255)));

  async function reading(policy = 'block'): Promise<{ producer: FakeProducer; reader: Running }> {
    const name = newRing();
    const producer = new FakeProducer(name);
    producers.push(producer);
    const reader = launch(consumer, [name, policy]);
    await producer.admit();
    return { producer, reader };
  }

  it.each(['block', 'lag', 'drop'])('%s: what is right is read', async (policy) => {
    const { producer, reader } = await reading(policy);
    for (const [position, frame] of frames.entries()) producer.put(position, frame);
    producer.end(frames.length);
    const bytes = frames.reduce((total, frame) => total + frame.length, 0);
    expect(await printed(reader)).toEqual({ packets: 4, bytes, lost: 0, digest: digestOf(frames.map((data) => ({ data }))) });
    expect(producer.slot(0).read('delivered')).toBe(4n);
    expect(producer.slot(0).read('tail')).toBe(4n);
  });

  it.each<[string, Record<string, number>]>([
    ['beyond the region', { offset: 64 * KIB + 2 }],
    ['with its end beyond the region', { offset: 64 * KIB - 64 + 2, length: 63 }],
    ['of a length that wraps', { length: 2 ** 32 - 1 }],
    ['not at slot + 2', { offset: 64 }],
    ['in a region that is not there', { region: 1 }],
  ])('a descriptor %s', async (_, lies) => {
    const { producer, reader } = await reading();
    producer.put(0, frames[0] ?? Buffer.alloc(60));
    producer.put(1, frames[1] ?? Buffer.alloc(60), lies);
    producer.header.write({ head: 2 });
    const { code, signal, out, err } = await reader.ended;
    expect({ code, signal, out }).toEqual({ code: 4, signal: null, out: '' });
    expect(err).toMatch(
      /^consumer: corrupt ring: descriptor 1 points to \d+\+\d+ of (65536 bytes in region 0|0 bytes in region [1-9]\d*)\n$/,
    );
  });

  it('a head that runs ahead of the descriptors', async () => {
    const { producer, reader } = await reading();
    producer.header.write({ head: 65 });
    const { code, err } = await reader.ended;
    expect({ code, err }).toEqual({ code: 4, err: 'consumer: corrupt ring: head 65, tail 0, 64 descriptors\n' });
  });

  it('a head that goes back', async () => {
    const { producer, reader } = await reading();
    for (const [position, frame] of frames.entries()) producer.put(position, frame);
    producer.header.write({ head: 4 });
    await until('all are read', () => producer.slot(0).read('tail') === 4n);
    producer.header.write({ head: 3 });
    const { code, err } = await reader.ended;
    expect({ code, err }).toEqual({ code: 4, err: 'consumer: corrupt ring: head 3, tail 4, 64 descriptors\n' });
  });

  it('an aborted stream', async () => {
    const { producer, reader } = await reading();
    producer.put(0, frames[0] ?? Buffer.alloc(60));
    producer.header.write({ head: 1 });
    await until('it is read', () => producer.slot(0).read('tail') === 1n);
    producer.header.write({ state: ABORTED });
    const { code, err } = await reader.ended;
    expect({ code, err }).toEqual({ code: 4, err: 'consumer: the producer aborted the stream at position 1\n' });
  });

  it('a geometry that changes after it was checked does not matter', async () => {
    const { producer, reader } = await reading();
    producer.header.write({ region_bytes: 2 ** 32, descriptor_count: 2 ** 31, region_offset: 2 ** 40, times_offset: 2 ** 40 });
    for (const [position, frame] of frames.entries()) producer.put(position, frame);
    producer.end(frames.length);
    expect((await printed(reader)).packets).toBe(4);
  });
});

describe.skipIf(!hasGcc)('a producer trusts nothing', () => {
  it.each<[string, Record<string, number | bigint>]>([
    ['beyond the head', { tail: 2n ** 40n }],
    ['that goes back', { tail: 0 }],
  ])('a cursor %s makes its reader faulty', async (_, lie) => {
    const name = newRing();
    const run = await endlessRun(name);
    const reader = launch(consumer, [name]);
    await until('it reads', () => run.snapshot().delivered > 1000);
    await freeze(reader);
    const file = openSync(ringPath(name), 'r+');
    new SharedStruct(file, READER_SLOT, RING_HEADER.bytes).write(lie);
    closeSync(file);
    const outcome = await run.outcome;
    reader.child.kill('SIGKILL');
    expect(outcome).toMatchObject({ stopped: 'reader-died', conserved: false });
    expect(outcome.rings[0]?.readers).toMatchObject([{ pid: reader.child.pid, state: 'faulty' }]);
  });

  it('a header that a reader overwrites', async () => {
    const name = newRing();
    const run = await endlessRun(name);
    const reader = launch(consumer, [name]);
    await until('it reads', () => run.snapshot().delivered > 1000);
    const file = openSync(ringPath(name), 'r+');
    const header = new SharedStruct(file, RING_HEADER, 0);
    const vandal = { region_offset: 2 ** 40, descriptors_offset: 2 ** 40, times_offset: 2 ** 40, descriptor_count: 3, magic: 0 };
    header.write({ ...vandal, region_bytes: 2 ** 60, total_bytes: 0, producer_pid: 1, join_requests: 77 });
    closeSync(file);
    const before = run.snapshot().delivered;
    await until('it goes on', () => run.snapshot().delivered > before + 10_000);
    run.stop();
    expect(await run.outcome).toMatchObject({ conserved: true, stopped: 'interrupted', verified: { ok: true } });
    expect((await printed(reader)).lost).toBe(0);
  });
});
