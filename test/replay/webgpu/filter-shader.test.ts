/** Filters as WGSL (stack/bpf/wgsl.ts) on a software GPU: the verdicts of the interpreter, for filters and for random programs. */
import { expect, it } from 'vitest';
import type { OpenDevice } from '../../../replay/webgpu/dawn.js';
import type { Instruction } from '../../../stack/bpf/bytecode.js';
import * as bpf from '../../../stack/bpf/bytecode.js';
import { compileFilter } from '../../../stack/bpf/compile.js';
import { FILTER_HELPERS, filterShader } from '../../../stack/bpf/wgsl.js';
import { interpret } from '../../helpers/bpf.js';
import { describeOnGpu, withSoftwareGpu } from '../../helpers/gpu.js';

const WORKGROUP = 64;

const kernelOf = (programs: readonly (readonly Instruction[])[]): string => `
@group(0) @binding(0) var<storage, read> packets: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> verdicts: array<u32>;
fn packet_word(at: u32) -> u32 { return packets[at]; }
${FILTER_HELPERS}
${programs.map((program, index) => filterShader(program, `filter_${index}`)).join('\n')}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&table)) { return; }
  let entry = table[id.x];
  var bits = 0u;
  ${programs.map((_, index) => `if (filter_${index}(entry.x, entry.y)) { bits |= ${1 << index}u; }`).join('\n  ')}
  verdicts[id.x] = bits;
}`;

function bufferOf(device: GPUDevice, words: Uint32Array, usage: number): GPUBuffer {
  const buffer = device.createBuffer({ size: Math.max(16, words.byteLength), usage: usage | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(buffer, 0, new Uint32Array(words));
  return buffer;
}

/** One bit per program and frame. Frames lie at every alignment; noise is between them. */
async function verdictsOf(
  { device }: OpenDevice,
  programs: readonly (readonly Instruction[])[],
  frames: readonly Uint8Array[],
): Promise<Uint32Array> {
  const table = new Uint32Array(frames.length * 2);
  let at = 0;
  for (const [index, frame] of frames.entries()) {
    table.set([at, frame.length], index * 2);
    at += frame.length + (index % 7) + 1;
  }
  const bytes = new Uint8Array(Math.ceil(at / 4) * 4).fill(0xff);
  for (const [index, frame] of frames.entries()) bytes.set(frame, table[index * 2]);
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: kernelOf(programs) });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const error = await device.popErrorScope();
  if (error) throw new Error(error.message);
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const buffers = [
    bufferOf(device, new Uint32Array(bytes.buffer), STORAGE),
    bufferOf(device, table, STORAGE),
    bufferOf(device, new Uint32Array(frames.length), STORAGE | COPY_SRC),
  ];
  const size = frames.length * 4;
  const target = device.createBuffer({ size, usage: COPY_DST | MAP_READ });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(Math.ceil(frames.length / WORKGROUP));
  pass.end();
  encoder.copyBufferToBuffer(buffers[2] as GPUBuffer, 0, target, 0, size);
  device.queue.submit([encoder.finish()]);
  await target.mapAsync(GPUMapMode.READ);
  const verdicts = new Uint32Array(target.getMappedRange()).slice();
  for (const buffer of [...buffers, target]) buffer.destroy();
  return verdicts;
}

let state = 7;
const below = (limit: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
};
const of = <T>(values: readonly T[]): T => values[below(values.length)] as T;

const { LD, LDX, ST, STX, ALU, JMP, RET, MISC, X } = bpf;
const CODES: readonly number[] = [
  ...[
    LD | bpf.ABS,
    LD | bpf.HALF | bpf.ABS,
    LD | bpf.BYTE | bpf.ABS,
    LD | bpf.IND,
    LD | bpf.HALF | bpf.IND,
    LD | bpf.BYTE | bpf.IND,
  ],
  ...[LD | bpf.IMM, LD | bpf.LEN, LD | bpf.MEM, LDX | bpf.IMM, LDX | bpf.LEN, LDX | bpf.MEM, LDX | bpf.BYTE | bpf.MSH, ST, STX],
  ...[MISC | bpf.TAX, MISC | bpf.TXA, RET, JMP | bpf.JA],
  ...[bpf.ADD, bpf.SUB, bpf.MUL, bpf.DIV, bpf.OR, bpf.AND, bpf.LSH, bpf.RSH, bpf.MOD, bpf.XOR].flatMap((op) => [
    ALU | op,
    ALU | op | X,
  ]),
  ALU | bpf.NEG,
  ...[bpf.JEQ, bpf.JGT, bpf.JGE, bpf.JSET].flatMap((op) => [JMP | op, JMP | op, JMP | op | X]),
];
const NUMBERS = [1, 2, 7, 31, 0x80, 0xff, 0x100, 0x800, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

function randomProgram(): Instruction[] {
  const count = 4 + below(24);
  const program = Array.from({ length: count }, (_, index): Instruction => {
    const left = count - index;
    const code = of(CODES);
    const shift = [ALU | bpf.LSH, ALU | bpf.RSH].includes(code);
    const word = [ST, STX, LD | bpf.MEM, LDX | bpf.MEM].includes(code);
    const packet = (code & 7) <= LDX && [bpf.ABS, bpf.IND, bpf.MSH].includes(code & 0xe0);
    const k = word
      ? below(16)
      : shift
        ? below(32)
        : packet
          ? below(50)
          : code === (JMP | bpf.JA)
            ? below(Math.min(left, 4))
            : of(NUMBERS);
    return { code, jt: below(Math.min(left, 6)), jf: below(Math.min(left, 6)), k };
  });
  return [...program, { code: RET | bpf.RET_A, jt: 0, jf: 0, k: 0 }];
}

const randomFrame = (length: number): Uint8Array =>
  Uint8Array.from({ length }, () => of([0, 0, 0xff, 0x45, 6, 17, 53, 80, 8, below(256)]));

describeOnGpu('filters as shaders', () => {
  const filters = [
    'udp port 53',
    'ip and ip[2:2] > 576 or len < 20',
    'tcp[tcpflags] & tcp-syn != 0',
    'ip[4:2] / ip[9] > 100 or ip[8] << ip[9] = 0',
    'host 10.0.0.1 or vlan and net 10.0.0.0/8',
    '(ip[0] + ip[1]) * (ip[2] + tcp[3]) > (ip[4] - ip[5]) * (udp[6] + 1)',
  ];

  it('decide what the interpreter decides', { timeout: 60_000 }, async () => {
    const frames = Array.from({ length: 400 }, (_, index) => {
      const frame = randomFrame(index % 90);
      if (frame.length > 40)
        frame.set(
          of([
            [8, 0, 0x45],
            [8, 0, 0x46],
            [0x86, 0xdd, 0x60],
            [0x81, 0, 0],
          ]),
          12,
        );
      if (frame.length > 40) frame.set([0, 0, 64, of([6, 17])], 20);
      return frame;
    });
    await withSoftwareGpu(async (open) => {
      const random = [Array.from({ length: 4 }, randomProgram)];
      let matches = 0;
      let others = 0;
      for (const programs of [filters.map(compileFilter), ...random]) {
        const verdicts = await verdictsOf(open, programs, frames);
        for (const [index, frame] of frames.entries()) {
          for (const [bit, program] of programs.entries()) {
            const wanted = interpret(program, frame) !== 0;
            const got = ((verdicts[index] ?? 0) & (1 << bit)) !== 0;
            if (got !== wanted) expect({ frame: Buffer.from(frame).toString('hex'), program, got }).toEqual({ wanted });
            if (wanted) matches++;
            else others++;
          }
        }
      }
      expect(Math.min(matches, others)).toBeGreaterThan(500);
    });
  });
});
