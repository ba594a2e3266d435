/** User kernels on a device: what they are told, what they may do to a packet, and what they cannot do to others or to the clock. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type OpenDevice, openDevice } from '../../../replay/webgpu/dawn.js';
import { REPORT } from '../../../replay/webgpu/kernels.js';
import type { UserKernel } from '../../../replay/webgpu/user-kernel.js';
import { describeOnGpu, hasSoftwareGpu } from '../../helpers/gpu.js';
import { runKernel } from './kernel-runner.js';
import { counting, kernelOf, type Options, type Ran, SHAPE, tileOf, transform as transformOn } from './user-kernel-runner.js';

let open: OpenDevice;

beforeAll(async () => {
  if (hasSoftwareGpu) open = await openDevice({ choice: 'software', robust: true });
});
afterAll(() => open?.close());
const transform = (kernel: UserKernel, frames: readonly Uint8Array[], options: Options = {}): Promise<Ran> =>
  transformOn(open, kernel, frames, options);

/** Every byte of the image that belongs to no frame. */
function paddingOf(frames: readonly Uint8Array[], image: Uint8Array): Uint8Array {
  const { starts } = tileOf(frames);
  const rest = image.slice();
  for (const [i, frame] of frames.entries()) rest.fill(0, (starts[i] ?? 0) + 2, (starts[i] ?? 0) + 2 + frame.length);
  return rest;
}

const LENGTHS = [0, 1, 2, 3, 4, 5, 59, 60, 61, 62, 63, 64, 65, 125, 126, 127, 1514];

describeOnGpu('the fence round a packet', () => {
  it.each([
    [
      'words',
      'for (var i = 0u; i < packet.words + 40u; i++) { set_frame_word(i, 0xffffffffu); } set_frame_word(0xffffffffu, 1u); set_frame_word(0x40000000u, 1u);',
    ],
    [
      'bytes',
      'for (var i = 0u; i < packet.words * 4u + 90u; i++) { set_frame_byte(i, 0xffu); } for (var i = 0u; i < 9u; i++) { set_frame_byte(0u - i - 1u, 7u); }',
    ],
    [
      'halves',
      'for (var i = 0u; i < packet.words * 4u + 90u; i += 2u) { set_frame_half(i, 0xffffu); } for (var i = 0u; i < 9u; i++) { set_frame_half(0u - i - 1u, 7u); }',
    ],
    [
      'halves at odd places',
      'set_frame_byte(0u, 0xffu); for (var i = 1u; i < packet.words * 4u + 90u; i += 2u) { set_frame_half(i, 0xffffu); }',
    ],
  ])('writes of %s end with the frame: every byte of it, padding stays zero', async (_name, body) => {
    const frames = LENGTHS.map(counting);
    const ran = await transform(kernelOf(`fn transform(packet: Packet) { ${body} }`), frames);
    expect(paddingOf(frames, ran.image).every((byte) => byte === 0)).toBe(true);
    for (const [i, frame] of ran.frames.entries())
      expect(frame, `length ${LENGTHS[i]}`).toEqual(counting(frame.length).fill(0xff));
    expect([...ran.report]).toEqual([0, 0, 0, 0]);
  });

  it('reads outside the slot give 0, inside what is there', async () => {
    const body = `fn transform(packet: Packet) {
      var bad = frame_word(packet.words) | frame_word(0xffffffffu) | frame_word(0x40000000u);
      bad |= frame_byte(packet.words * 4u - 2u) | frame_byte(0xffffffffu) | frame_byte(0xfffffffeu);
      bad |= frame_half(packet.words * 4u - 2u) | frame_half(0xffffffffu) | frame_half(0xfffffffeu);
      let sound = frame_byte(0u) == 1u && frame_byte(1u) == 2u && frame_half(0u) == 0x0102u && frame_half(1u) == 0x0203u
        && frame_word(0u) == 0x02010000u && frame_word(1u) == 0x06050403u && frame_half(packet.length - 1u) == ((packet.length & 0xffu) << 8u);
      set_frame_byte(0u, select(0u, 0xaau, bad == 0u && sound));
    }`;
    const ran = await transform(kernelOf(body), [counting(60), counting(62), counting(100)]);
    expect(ran.frames.map((frame) => frame[0])).toEqual([0xaa, 0xaa, 0xaa]);
  });

  it('halves are big-endian and writes of parts keep the rest', async () => {
    const body =
      'fn transform(packet: Packet) { set_frame_half(2u, 0xabcdu); set_frame_half(5u, 0x1234u); set_frame_byte(9u, 0x1ffu); set_frame_word(3u, 0x11223344u); }';
    const ran = await transform(kernelOf(body), [counting(20)]);
    const expected = counting(20);
    expected.set([0xab, 0xcd], 2);
    expected.set([0x12, 0x34], 5);
    expected.set([0xff], 9);
    expected.set([0x44, 0x33, 0x22, 0x11], 10);
    expect(ran.frames[0]).toEqual(expected);
  });

  it('a table that leads out of the image is counted, and nothing is stored', async () => {
    const kernel = kernelOf('fn transform(packet: Packet) { set_frame_word(2u, frame_word(2u) + 1u); }');
    const tables = { image: new Uint32Array(64), packets: Uint32Array.from([0, 60, 0x10000, 60]) };
    const outcome = await runKernel(open, { kernel, shape: SHAPE, tables, begin: 0, end: 2, rest: [0, 0, 0, 0, 2] });
    expect(outcome.image.reduce((a, b) => a + b)).toBe(1);
    expect([...outcome.report]).toEqual([1, 0, 0, 0]);
  });
});

describeOnGpu('what a kernel is told', () => {
  const TELL = `fn put(at: u32, value: u32) { set_frame_half(at, value >> 16u); set_frame_half(at + 2u, value); }
    fn transform(packet: Packet) {
      put(0u, packet.index); put(4u, packet.length); put(8u, packet.words); put(12u, packet.replica.x); put(16u, packet.replica.y);
      put(20u, packet.seed.x); put(24u, packet.seed.y);
    }`;
  const told = (frame?: Uint8Array): number[] =>
    Array.from({ length: 7 }, (_, i) => Buffer.from(frame ?? []).readUInt32BE(4 * i));

  it('index in the lap, lengths, lap and seed, through the ends of laps', async () => {
    const frames = Array.from({ length: 300 }, (_, i) => new Uint8Array(60 + i));
    const lap = 0xfffffffen;
    const ran = await transform(kernelOf(TELL), frames, { begin: 3, end: 290, place: 70, lap, packetsPerLap: 80, seed: [7, 8] });
    for (let i = 3; i < 290; i++) {
      const place = 70 + (i - 3);
      const now = lap + BigInt(Math.floor(place / 80));
      const expected = [place % 80, 60 + i, Math.ceil((62 + i) / 64) * 16, Number(now & 0xffffffffn), Number(now >> 32n), 7, 8];
      expect(told(ran.frames[i])).toEqual(expected);
    }
    for (const i of [0, 1, 2, 290, 299]) expect(told(ran.frames[i])).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('does not depend on the shape of the dispatch', async () => {
    const frames = Array.from({ length: 200 }, () => new Uint8Array(60));
    const shapes = [1, 7, 256].flatMap((workgroupSize) =>
      [1, 3, 16].map((packetsPerInvocation) => ({ workgroupSize, packetsPerInvocation })),
    );
    const [first, ...others] = await Promise.all(
      shapes.map((shape) => transform(kernelOf(TELL), frames, { shape, packetsPerLap: 60 })),
    );
    for (const other of others) expect(other.image).toEqual(first?.image);
  });

  it('adjust_checksum is RFC 1624', async () => {
    const body = `fn transform(packet: Packet) {
      set_frame_half(0u, adjust_checksum(0xdd2fu, 0x5555u, 0x3285u)); // the RFC's own example
      set_frame_half(2u, adjust_checksum(frame_half(2u), 0x12345678u, 0x9abcdef0u));
    }`;
    const frame = new Uint8Array(60);
    frame.set([0xbe, 0xef], 2);
    const ran = await transform(kernelOf(body), [frame]);
    const view = Buffer.from(ran.frames[0] ?? []);
    expect(view.readUInt16BE(0)).toBe(0x0000);
    let sum = (~0xbeef & 0xffff) + (~0x1234 & 0xffff) + (~0x5678 & 0xffff) + 0x9abc + 0xdef0;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    expect(view.readUInt16BE(2)).toBe(~sum & 0xffff);
  });
});

describeOnGpu('loops', () => {
  it.each([
    [
      'while (true)',
      'fn transform(packet: Packet) { if (packet.index % 5u != 3u) { return; } while (true) { set_frame_byte(0u, 9u); } }',
    ],
    [
      'loop without an end',
      'fn transform(packet: Packet) { if (packet.index % 5u != 3u) { return; } loop { set_frame_byte(0u, 9u); } }',
    ],
    [
      'for (;;) with continue',
      'fn transform(packet: Packet) { if (packet.index % 5u != 3u) { return; } for (;;) { set_frame_byte(0u, 9u); continue; } }',
    ],
    [
      'nested',
      'fn transform(packet: Packet) { if (packet.index % 5u != 3u) { return; } while true { for (var i = 0u; i < 3u; i--) { set_frame_byte(0u, 9u); } } }',
    ],
    [
      'in a function that gives a value',
      'fn find() -> vec2<u32> { loop { set_frame_byte(0u, 9u); if (frame_byte(0u) == 1u) { return vec2(1u); } } }\nfn transform(packet: Packet) { if (packet.index % 5u == 3u) { set_frame_byte(1u, find().x); } }',
    ],
    [
      'with continuing',
      'fn transform(packet: Packet) { if (packet.index % 5u != 3u) { return; } loop { set_frame_byte(0u, 9u); continuing { break if frame_byte(0u) == 1u; } } }',
    ],
  ])('are bounded and counted: %s', async (_name, body) => {
    const frames = Array.from({ length: 40 }, () => new Uint8Array(60));
    const ran = await transform(kernelOf(body), frames);
    expect(ran.report[REPORT.packetsOutOfBudget]).toBe(8);
    expect(ran.report[REPORT.firstOutOfBudget]).toBe(4);
    expect(ran.frames.map((frame) => frame[0])).toEqual(frames.map((_, i) => (i % 5 === 3 ? 9 : 0)));
  });

  it('are reported by the lowest packet, whichever was there first', async () => {
    const kernel = kernelOf('fn transform(packet: Packet) { while packet.index == 3u { } }');
    for (const [known, expected] of [
      [31, 4],
      [2, 2],
    ] as const) {
      const { image, table } = tileOf(Array.from({ length: 9 }, () => new Uint8Array(60)));
      const tables = { image: new Uint32Array(image.buffer), packets: table, report: Uint32Array.of(0, 1, known, 0) };
      const outcome = await runKernel(open, { kernel, shape: SHAPE, tables, begin: 0, end: 9, rest: [0, 0, 0, 0, 9] });
      expect([...outcome.report]).toEqual([0, 2, expected, 0]);
    }
  });

  it('may go round 65536 times in all, and not once more', async () => {
    const rounds = (count: number) =>
      `fn transform(packet: Packet) { for (var i = 0u; i < ${count}u; i++) { set_frame_byte(i % 4u, i); } }`;
    expect(
      (await transform(kernelOf(rounds(65536)), [counting(60), counting(60), counting(60)])).report[REPORT.packetsOutOfBudget],
    ).toBe(0);
    expect(
      (await transform(kernelOf(rounds(65537)), [counting(60), counting(60), counting(60)])).report[REPORT.packetsOutOfBudget],
    ).toBe(3);
  });

  it('without an end in every packet of a large batch end soon', async () => {
    const frames = Array.from({ length: 20_000 }, () => new Uint8Array(60));
    const before = performance.now();
    const ran = await transform(kernelOf('fn transform(packet: Packet) { while (true) { set_frame_byte(0u, 9u); } }'), frames);
    expect(ran.report[REPORT.packetsOutOfBudget]).toBeGreaterThanOrEqual(64);
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  it('that end by themselves work as written', async () => {
    const body = `fn sum(bytes: u32) -> u32 { var i = 0u; var s = 0u; loop { if (i == bytes) { return s; } s += frame_byte(i); continuing { i++; } } }
      fn transform(packet: Packet) { set_frame_half(0u, sum(packet.length)); }`;
    const ran = await transform(kernelOf(body), [counting(10), counting(20)]);
    expect(ran.frames.map((frame) => Buffer.from(frame).readUInt16BE(0))).toEqual([55, 210]);
  });
});
