/** A kernel of the user's own in a whole run: what it writes reaches the file, wherever the trace lies, and what it may not do ends the run. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { GpuRequest, Trace } from '../../../replay/index.js';
import { newFile, newPath, pcapRecords, ROOT, trafficFile } from '../../helpers/files.js';
import { describeOnGpu } from '../../helpers/gpu.js';
import { hasCommandLine, launchModelT } from '../../helpers/programs.js';
import { type Asked, loaded, replay } from '../../helpers/replay.js';

const SWEEP = join(ROOT, 'replay/kernels/examples/ttl-sweep.wgsl');
const LAPS = 5;
const PACKETS = 900;
const GPU: GpuRequest = { choice: 'software', batchBytes: 64 * 1024, buffers: 3 };
const TTL = 22;
const CHECKSUM = 24;

let path: string;
let trace: Trace;
beforeAll(async () => {
  path = trafficFile({
    packets: PACKETS,
    sizes: [
      [90, 1],
      [700, 1],
    ],
    ipv6: 0,
    vlan: 0,
  });
  trace = await loaded(path);
});

async function written(asked: Asked): Promise<Buffer[]> {
  const file = newPath('out.pcap');
  const outcome = await replay(trace, {
    rewrites: [{ field: 'src', cidr: '10.0.0.0/8' }],
    loop: LAPS,
    ...asked,
    target: { kind: 'pcap', path: file },
  });
  expect(outcome).toMatchObject({ conserved: true, totals: { delivered: LAPS * PACKETS } });
  return pcapRecords(readFileSync(file)).map(({ data }) => Buffer.from(data));
}

const withKernel = (kernel: string, gpu: GpuRequest = {}): Asked => ({ engine: 'webgpu', gpu: { ...GPU, kernel, ...gpu } });

/** RFC 1071 over the 20 bytes of a header: 0xffff when the checksum in it is right. */
function headerSum(frame: Buffer): number {
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += frame.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

describeOnGpu('a kernel of the user', () => {
  it.each<[string, GpuRequest]>([
    ['on a trace that lies on the device', {}],
    ['on a trace that streams through it', { memoryBytes: 2 ** 20, batchBytes: 200 * 1024 }],
    ['pulled', { insert: 'pull' }],
  ])('sweeps the TTL lap by lap, %s', async (_, gpu) => {
    const plain = await written({});
    const swept = await written(withKernel(SWEEP, gpu));
    expect(swept.length).toBe(plain.length);
    const start = plain[0]?.[TTL] ?? 0;
    for (const [index, frame] of swept.entries()) {
      const before = plain[index] as Buffer;
      const lap = Math.floor(index / PACKETS);
      expect(frame[TTL]).toBe(start - lap);
      expect(headerSum(frame)).toBe(0xffff);
      frame.copy(before, TTL, TTL, TTL + 1);
      frame.copy(before, CHECKSUM, CHECKSUM, CHECKSUM + 2);
      expect(frame.equals(before), `packet ${index}: another byte differs`).toBe(true);
    }
  });

  it('is counted and not recomputed: no reference knows it', async () => {
    const outcome = await replay(trace, { ...withKernel(SWEEP), loop: 2 });
    expect(outcome).toMatchObject({ conserved: true, verified: { packets: 0, ok: true } });
  });

  it('that never ends is cut short, the run is none, and no file is left', async () => {
    const endless = newFile(
      'endless.wgsl',
      '// model-t kernel 1\nfn transform(packet: Packet) {\n  var i = 0u;\n  while (i < 1u) { i = frame_byte(0u) & 0u; }\n}\n',
    );
    const file = newPath('none.pcap');
    const run = replay(trace, { ...withKernel(endless), target: { kind: 'pcap', path: file } });
    await expect(run).rejects.toMatchObject({
      code: 'KERNEL_ENDLESS',
      exitCode: 4,
      message: expect.stringContaining('endless.wgsl'),
    });
    expect(existsSync(file)).toBe(false);
  });

  it('that cannot be read or compiled is refused before anything runs', async () => {
    await expect((async () => replay(trace, withKernel('/nonexistent.wgsl')))()).rejects.toMatchObject({
      code: 'KERNEL_UNREADABLE',
      exitCode: 2,
    });
    const broken = newFile(
      'broken.wgsl',
      '// model-t kernel 1\nfn transform(packet: Packet) {\n  set_frame_byte(22u, 1.5);\n}\n',
    );
    await expect(replay(trace, withKernel(broken))).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(/broken\.wgsl:3:\d+: /),
    });
  });

  it.skipIf(!hasCommandLine)('with warnings of the compiler leaves standard output to the result', async () => {
    const unreachable = newFile(
      'unreachable.wgsl',
      '// model-t kernel 1\nfn transform(packet: Packet) {\n  set_frame_byte(22u, 9u);\n  return;\n  set_frame_byte(23u, 9u);\n}\n',
    );
    const words = ['replay', path, '--engine', 'webgpu', '--gpu', 'software', '--kernel', unreachable, '--json', '-'];
    const { code, out } = await launchModelT(...words).ended;
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ conserved: true });
  });
});
