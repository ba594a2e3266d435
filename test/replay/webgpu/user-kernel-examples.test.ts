/** The examples of user kernels do what they say, and what compilers say about others names the user's own lines. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type OpenDevice, openDevice } from '../../../replay/webgpu/dawn.js';
import { type UserKernel, userKernel } from '../../../replay/webgpu/user-kernel.js';
import { ModelTError, packageRoot } from '../../../stack/index.js';
import { describeOnGpu, hasSoftwareGpu } from '../../helpers/gpu.js';
import { makePipeline } from './kernel-runner.js';
import { counting, kernelOf, type Options, type Ran, SHAPE, transform as transformOn } from './user-kernel-runner.js';

let open: OpenDevice;

beforeAll(async () => {
  if (hasSoftwareGpu) open = await openDevice({ choice: 'software', robust: true });
});
afterAll(() => open?.close());
const transform = (kernel: UserKernel, frames: readonly Uint8Array[], options: Options = {}): Promise<Ran> =>
  transformOn(open, kernel, frames, options);

describeOnGpu('compile time', () => {
  it('does not double with each branch of a kernel, nor with each call', async () => {
    const choice = (i: number) =>
      `if (frame_byte(${i}u) == ${i}u && x > 3u) { set_frame_byte(${i}u, x); } else { x += frame_half(${i}u); }`;
    const body = Array.from({ length: 40 }, (_, i) => choice(i)).join(' ');
    const kernel = kernelOf(`fn transform(packet: Packet) { var x = packet.index; ${body} set_frame_word(1u, x); }`);
    const before = performance.now();
    await makePipeline(open, kernel, { workgroupSize: 64, packetsPerInvocation: kernel.packetsPerInvocation ?? 16 });
    expect(performance.now() - before).toBeLessThan(15_000);
  });
});

describeOnGpu('errors of the compiler', () => {
  async function errorOf(source: string): Promise<ModelTError | undefined> {
    const kernel = userKernel(source, 'dir/my.wgsl');
    open.device.pushErrorScope('validation');
    const module = open.device.createShaderModule({ code: kernel.text });
    const info = await module.getCompilationInfo();
    await open.device.popErrorScope();
    return kernel.compileError(info.messages);
  }

  it.each([
    ['a syntax error', '// model-t kernel 1\nfn transform(packet: Packet) {\n  let x = ;\n}\n', 'dir/my.wgsl:3:11: '],
    [
      'an unknown name',
      '// model-t kernel 1\n\nfn transform(packet: Packet) {\n  set_frame_byte(0u, nowhere);\n}',
      'dir/my.wgsl:4:22: ',
    ],
    [
      'carriage returns',
      '// model-t kernel 1\r\n\r\nfn transform(packet: Packet) {\r\n  let x: u32 = 1.5;\r\n}',
      'dir/my.wgsl:4:16: ',
    ],
    [
      'behind a tick on the same line',
      '// model-t kernel 1\nfn transform(packet: Packet) {\n  for (;;) { for (;;) { nothing(); } }\n}',
      'dir/my.wgsl:3:25: ',
    ],
    [
      'before a tick on the same line',
      '// model-t kernel 1\nfn transform(packet: Packet) {\n  for (;nothing();) { }\n}',
      'dir/my.wgsl:3:9: ',
    ],
    [
      'behind other alphabets',
      '// model-t kernel 1\nfn transform(packet: Packet) {\n  /* größer 😀 */ nothing();\n}',
      'dir/my.wgsl:3:19: ',
    ],
    ['a missing return', '// model-t kernel 1\nfn f() -> u32 { }\nfn transform(packet: Packet) { }', 'dir/my.wgsl:2:'],
    ['recursion', '// model-t kernel 1\nfn f() { f(); }\nfn transform(packet: Packet) { f(); }', 'dir/my.wgsl:2:'],
    [
      'a name of ours anew',
      '// model-t kernel 1\nfn transform(packet: Packet) { }\nfn frame_word(at: u32) -> u32 { return at; }',
      'dir/my.wgsl:3:1: ',
    ],
    ['a byte-order mark', '\ufeff// model-t kernel 1\nfn transform(packet: Packet) { nothing(); }', 'dir/my.wgsl:2:32: '],
  ])('name the line and column: %s', async (_name, source, place) => {
    const error = await errorOf(source);
    expect(error).toBeInstanceOf(ModelTError);
    expect(error?.exitCode).toBe(2);
    expect(error?.message.slice(0, place.length)).toBe(place);
    expect(error?.message).not.toContain('model_t_');
  });

  it('are none for a kernel that is right', async () => {
    expect(await errorOf('// model-t kernel 1\nfn transform(packet: Packet) { }')).toBeUndefined();
    const unreachable = 'fn f() -> u32 { loop { return 1u; } }';
    expect(
      await errorOf(`// model-t kernel 1\n${unreachable}\nfn transform(packet: Packet) { set_frame_byte(0u, f()); }`),
    ).toBeUndefined();
  });
});

describeOnGpu('the examples', () => {
  const example = (name: string) => {
    const path = join(packageRoot(), 'replay/kernels/examples', name);
    return userKernel(readFileSync(path, 'utf8'), path);
  };

  it.each(['ttl-sweep.wgsl', 'payload-scramble.wgsl'])('%s passes validation without a GPU', async (name) => {
    const nothing = await openDevice({ choice: 'auto', robust: true, backend: 'null' });
    await makePipeline(nothing, example(name), SHAPE);
    nothing.close();
  });

  it('the one in the documentation too', async () => {
    const text = readFileSync(join(packageRoot(), 'replay/kernels/README.md'), 'utf8');
    const [, source = ''] = /```wgsl\n([\s\S]*?)```/.exec(text) ?? [];
    const ran = await transform(userKernel(source, 'README.md'), [udpFrame(9, 20)], { lap: 2n });
    expect(ran.frames[0]?.[22]).toBe(62);
  });

  it('ttl-sweep: another TTL each lap, header checksums stay right', async () => {
    const plain = udpFrame(64, 100);
    const tagged = Uint8Array.from([...plain.slice(0, 12), 0x81, 0, 0, 7, ...plain.slice(12)]);
    const arp = counting(60).fill(6, 12, 14);
    for (const lap of [0n, 1n, 63n, 64n, 1000n]) {
      const ran = await transform(example('ttl-sweep.wgsl'), [plain, tagged, arp, plain.slice(0, 30)], { lap, packetsPerLap: 4 });
      const ttl = 64 - Number(lap % 64n);
      expect(ran.frames[0]?.[14 + 8]).toBe(ttl);
      expect(ran.frames[1]?.[18 + 8]).toBe(ttl);
      expect(onesSum(ran.frames[0]?.slice(14, 34))).toBe(0xffff);
      expect(onesSum(ran.frames[1]?.slice(18, 38))).toBe(0xffff);
      expect(ran.frames[2]).toEqual(arp);
      expect(ran.frames[3]).toEqual(plain.slice(0, 30));
    }
  });

  it('payload-scramble: payload differs by lap, packet and seed; headers and checksums stay right', async () => {
    const frame = udpFrame(64, 101);
    const kernel = example('payload-scramble.wgsl');
    const seen = new Set<string>();
    for (const options of [{ lap: 0n }, { lap: 1n }, { lap: 0n, seed: [5, 0] as const }, { lap: 0n, seed: [0, 5] as const }]) {
      const ran = await transform(kernel, [frame, frame], { ...options, packetsPerLap: 2 });
      for (const changed of ran.frames) {
        seen.add(Buffer.from(changed).toString('hex', 42));
        expect(changed.slice(0, 40)).toEqual(frame.slice(0, 40));
        expect(changed.at(-1)).toBe(frame.at(-1)); // the odd byte
        expect(udpSum(changed)).toBe(0xffff);
      }
    }
    expect(seen.size).toBe(8);
  });

  it('payload-scramble: no checksum stays none; fragments, short and other frames are left alone', async () => {
    const without = udpFrame(64, 20);
    without.fill(0, 40, 42);
    const fragment = udpFrame(64, 20);
    fragment[21] = 9;
    const kernel = example('payload-scramble.wgsl');
    const others = [fragment, udpFrame(64, 20).slice(0, 41), counting(60), new Uint8Array(0), udpFrame(64, 0)];
    const ran = await transform(kernel, [without, ...others]);
    expect(ran.frames[0]?.slice(40, 42)).toEqual(new Uint8Array(2));
    expect(ran.frames[0]).not.toEqual(without);
    expect(ran.frames.slice(1)).toEqual(others);
  });
});

/** Ethernet, IPv4, UDP; right checksums. */
function udpFrame(ttl: number, payload: number): Uint8Array {
  const frame = Buffer.alloc(42 + payload, 0x5a);
  frame.fill(2, 0, 12);
  frame.writeUInt16BE(0x0800, 12);
  Buffer.from([0x45, 0, 0, 28 + payload, 0, 1, 0, 0, ttl, 17, 0, 0, 10, 1, 2, 3, 10, 4, 5, 6]).copy(frame, 14);
  frame.writeUInt16BE(~onesSum(frame.subarray(14, 34)) & 0xffff, 24);
  Buffer.from([0x12, 0x34, 0, 53, 0, 8 + payload, 0, 0]).copy(frame, 34);
  frame.writeUInt16BE(~udpSum(frame) & 0xffff, 40);
  return Uint8Array.from(frame);
}

function onesSum(bytes: Uint8Array = new Uint8Array()): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

function udpSum(frame: Uint8Array): number {
  const pseudo = [...frame.slice(26, 34), 0, 17, ...frame.slice(38, 40)];
  return onesSum(Uint8Array.from([...pseudo, ...frame.slice(34)]));
}
