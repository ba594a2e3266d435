/** The patch kernels: every composition compiles, and what they write is what the tables say, for any shape of dispatch. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type OpenDevice, openDevice } from '../../../replay/webgpu/dawn.js';
import { compose, type Kernel, patchIp4, patchIp6 } from '../../../replay/webgpu/kernels.js';
import { describeOnGpu, hasSoftwareGpu } from '../../helpers/gpu.js';
import { makePipeline, runKernel, type Shape } from './kernel-runner.js';
import {
  type Bijection,
  columns4,
  type Mutation,
  parameterWords,
  patch4,
  patch6,
  type Row4,
  type Row6,
  swap32,
  table6,
} from './table-reference.js';

const SLOT_WORDS = 16;
let open: OpenDevice;

beforeAll(async () => {
  if (hasSoftwareGpu) open = await openDevice({ choice: 'software', robust: true });
});
afterAll(() => open?.close());

const u32 = fc.oneof(fc.constantFrom(0, 1, 0xffff, 0x10000, 0x80000000, 0xffffffff), fc.nat({ max: 0xffffffff }));
const u64 = fc.oneof(
  fc.constantFrom(0n, 0xffffffffn, 1n << 63n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const half = fc.oneof(fc.constantFrom(0, 1, 0xfffe, 0xffff), fc.nat({ max: 0xffff }));

const bijection = (least: number, most: number): fc.Arbitrary<Bijection> =>
  fc.record({ bits: fc.integer({ min: least, max: most }), a: u64, b: u64, c: u64, d: u64 }).map(({ bits, a, b, c, d }) => {
    const mask = (1n << BigInt(bits)) - 1n;
    return { bits, multiply1: (a | 1n) & mask, add1: b & mask, multiply2: (c | 1n) & mask, add2: d & mask };
  });

const mutation: fc.Arbitrary<Mutation> = fc
  .record({ four: bijection(0, 32), six: bijection(0, 64), prefix: u32, high: u64, low: u64, seed: u64 })
  .map(({ four, six, prefix, high, low, seed }) => ({
    four,
    six,
    seed,
    prefix4: (four.bits === 32 ? 0 : (prefix >>> four.bits) * 2 ** four.bits) >>> 0,
    prefix6: [high, six.bits === 64 ? 0n : (low >> BigInt(six.bits)) << BigInt(six.bits)],
  }));

const shape: fc.Arbitrary<Shape> = fc.record({
  workgroupSize: fc.constantFrom(1, 7, 64, 128, 256),
  packetsPerInvocation: fc.constantFrom(1, 3, 16),
});

/** The checksum's half and its neighbour; under the UDP rule C is held as C mod 65535 + 1. */
const sumsWord = (checksum: number, other: number, inUpper: boolean, isUdp: boolean): number => {
  const stored = isUdp ? (checksum % 65535) + 1 : checksum;
  return (inUpper ? other | (stored << 16) : stored | (other << 16)) >>> 0;
};

const row4 = fc
  .record({
    host: u32,
    fixed: u32,
    kind: fc.nat({ max: 3 }),
    checksum: half,
    other: half,
    distance: fc.integer({ min: 2, max: 9 }),
    flags: fc.nat({ max: 3 }),
  })
  .map(({ host, fixed, kind, checksum, other, distance, flags }): Omit<Row4, 'place'> => {
    const inUpper = kind === 2 || (kind === 3 && (flags & 1) !== 0);
    const isUdp = kind === 2 || (kind === 3 && (flags & 2) !== 0);
    const extra = kind === 3 ? distance | (flags << 8) : 0xffffffff;
    return { host, fixed, kind, extra, sums: sumsWord(checksum, other, inUpper, isUdp) };
  });

const row6 = fc
  .record({
    host: u32,
    follows: fc.boolean(),
    checksum: half,
    other: half,
    distance: fc.integer({ min: 4, max: 9 }),
    inUpper: fc.boolean(),
    isUdp: fc.boolean(),
  })
  .map(
    ({ checksum, other, ...row }): Omit<Row6, 'place'> => ({ ...row, sums: sumsWord(checksum, other, row.inUpper, row.isUdp) }),
  );

/** Few random rows, spread over as many slots as the test wants: so that shapes see more rows than fast-check likes to draw. */
function spread<T extends object>(some: readonly T[], count: number): (T & { place: number })[] {
  return Array.from({ length: count }, (_, i) => ({ ...(some[i % some.length] as T), place: i * SLOT_WORDS + (i % 6) }));
}

const noise = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0);

const range = fc
  .record({
    count: fc.integer({ min: 1, max: 700 }),
    from: fc.double({ min: 0, max: 0.9, noNaN: true }),
    part: fc.double({ min: 0.1, max: 1, noNaN: true }),
  })
  .map(({ count, from, part }) => {
    const begin = Math.floor(count * from);
    return { count, begin, end: begin + Math.max(1, Math.floor((count - begin) * part)) };
  });

const pipelines = new Map<string, Promise<GPUComputePipeline>>();
function pipelineFor(kernel: Kernel, of: Shape): Promise<GPUComputePipeline> {
  const key = `${kernel.label} ${of.workgroupSize} ${of.packetsPerInvocation}`;
  const known = pipelines.get(key) ?? makePipeline(open, kernel, of);
  pipelines.set(key, known);
  return known;
}

describeOnGpu('patch-ip4', () => {
  it.each([false, true])('writes what the reference writes (checked: %s)', async (checked) => {
    const kernel = patchIp4({ checked });
    const some = fc.array(row4, { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(mutation, some, range, shape, u32, async (plan, sample, { count, begin, end }, of, base) => {
        const rows = spread(sample, count);
        const expected = noise(count * SLOT_WORDS);
        const tables = { ...columns4(rows), parameters: parameterWords(plan), image: expected.slice() };
        patch4(expected, rows.slice(begin, end), plan, base);
        const outcome = await runKernel(
          open,
          { kernel, shape: of, tables, begin, end, rest: [base] },
          await pipelineFor(kernel, of),
        );
        expect(outcome.image.subarray(0, expected.length)).toEqual(expected);
        if (checked) expect([...outcome.report]).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 60, seed: 4 },
    );
  });

  it('forgets earlier passes', async () => {
    const kernel = patchIp4({ checked: false });
    const [plan] = fc.sample(mutation, { numRuns: 1, seed: 1 }) as [Mutation];
    const rows = spread(fc.sample(row4, { numRuns: 50, seed: 2 }), 300);
    const of = { workgroupSize: 64, packetsPerInvocation: 16 };
    const pass = { kernel, shape: of, begin: 0, end: 300 };
    const tables = { ...columns4(rows), parameters: parameterWords(plan) };
    const start = noise(300 * SLOT_WORDS);
    const once = await runKernel(open, { ...pass, tables: { ...tables, image: start }, rest: [9] });
    const first = await runKernel(open, { ...pass, tables: { ...tables, image: start }, rest: [5] });
    const again = await runKernel(open, { ...pass, tables: { ...tables, image: first.image }, rest: [9] });
    expect(again.image).toEqual(once.image);
  });

  it('does arithmetic of every width that a prefix can leave', async () => {
    const kernel = patchIp4({ checked: false });
    const of = { workgroupSize: 64, packetsPerInvocation: 4 };
    for (let bits = 0; bits <= 32; bits++) {
      const [four] = fc.sample(bijection(bits, bits), { numRuns: 1, seed: bits }) as [Bijection];
      const plan: Mutation = {
        four,
        six: four,
        prefix4: (bits === 32 ? 0 : Math.floor(0xdeadbeef / 2 ** bits) * 2 ** bits) >>> 0,
        prefix6: [0n, 0n],
        seed: 0n,
      };
      const rows = Array.from(
        { length: 1000 },
        (_, i): Row4 => ({
          host: Math.imul(i, 0x85ebca6b) >>> 0,
          fixed: Math.imul(i, 0xc2b2ae35) >>> 0,
          place: i * SLOT_WORDS,
          kind: 1 + (i % 2),
          sums: ((i << 16) | 0x10000 | (65535 - i)) >>> 0,
          extra: 0,
        }),
      );
      const expected = new Uint32Array(1000 * SLOT_WORDS);
      const tables = { ...columns4(rows), parameters: parameterWords(plan), image: expected.slice() };
      patch4(expected, rows, plan, 77);
      const outcome = await runKernel(
        open,
        { kernel, shape: of, tables, begin: 0, end: 1000, rest: [77] },
        await pipelineFor(kernel, of),
      );
      expect(outcome.image, `${bits} bits`).toEqual(expected);
    }
  });
});

describeOnGpu('patch-ip6', () => {
  it.each([false, true])('writes what the reference writes (checked: %s)', async (checked) => {
    const kernel = patchIp6({ checked });
    const some = fc.array(row6, { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(mutation, some, range, shape, u64, async (plan, sample, { count, begin, end }, of, base) => {
        const rows = spread(sample, count);
        const expected = noise(count * SLOT_WORDS);
        const tables = { rows6: table6(rows), parameters: parameterWords(plan), image: expected.slice() };
        patch6(expected, rows.slice(begin, end), plan, base);
        const rest = [Number(base & 0xffffffffn), Number(base >> 32n)];
        const outcome = await runKernel(open, { kernel, shape: of, tables, begin, end, rest }, await pipelineFor(kernel, of));
        expect(outcome.image.subarray(0, expected.length)).toEqual(expected);
        if (checked) expect([...outcome.report]).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 60, seed: 6 },
    );
  });
});

describeOnGpu('checked kernels', () => {
  const of = { workgroupSize: 64, packetsPerInvocation: 2 };
  const [plan] = fc.sample(mutation, { numRuns: 1, seed: 1 }) as [Mutation];
  const parameters = parameterWords(plan);

  it('count stores outside the image, and do the others', async () => {
    const good = spread(fc.sample(row4, { numRuns: 9, seed: 3 }), 9);
    const bad = good.map((row, i) =>
      i === 4 ? { ...row, kind: 2, place: 0x1ffffff0 } : i === 7 ? { ...row, kind: 0, place: 9 * SLOT_WORDS - 1 } : row,
    );
    const expected = noise(9 * SLOT_WORDS);
    const image = expected.slice();
    patch4(
      expected,
      bad.filter((_, i) => i !== 4 && i !== 7),
      plan,
      0,
    );
    const tables = { ...columns4(bad), parameters, image };
    const outcome = await runKernel(open, {
      kernel: patchIp4({ checked: true }),
      shape: of,
      tables,
      begin: 0,
      end: 9,
      rest: [0],
    });
    expect(outcome.report[0]).toBe(4); // three words of row 4, the address of row 7
    const last = expected.length - 1;
    expect(outcome.image.subarray(0, last)).toEqual(expected.subarray(0, last));
  });

  it('count those of IPv6 too', async () => {
    const rows: Row6[] = [{ host: 1, place: 62, follows: true, sums: 5, distance: 100, inUpper: false, isUdp: false }];
    const tables = { rows6: table6(rows), parameters, image: new Uint32Array(64) };
    const outcome = await runKernel(open, {
      kernel: patchIp6({ checked: true }),
      shape: of,
      tables,
      begin: 0,
      end: 1,
      rest: [0, 0],
    });
    expect(outcome.report[0]).toBe(3);
  });
});

describeOnGpu('arithmetic without right shifts', () => {
  it('is exact for every upper half', async () => {
    const text = `${compose(['halves'])}
      override WORKGROUP_SIZE: u32; override PACKETS_PER_INVOCATION: u32;
      @group(0) @binding(0) var<storage, read_write> image: array<vec4<u32>>;
      @compute @workgroup_size(WORKGROUP_SIZE) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        let x = (id.x << 16u) | ((id.x * 40503u) & 0xffffu);
        let swapped = swap_bytes(x);
        image[id.x] = vec4<u32>(upper_half(x & 0xffff0000u), swapped.low | swapped.upper, sum_upper(swapped), PACKETS_PER_INVOCATION);
      }`;
    const kernel: Kernel = { label: 'halves', text, bindings: [{ name: 'image', number: 0, type: 'storage' }] };
    const tables = { image: new Uint32Array(65536 * 4) };
    const outcome = await runKernel(open, {
      kernel,
      shape: { workgroupSize: 64, packetsPerInvocation: 1 },
      tables,
      begin: 0,
      end: 65536,
    });
    const wrong: string[] = [];
    for (let upper = 0; upper < 65536; upper++) {
      const x = ((upper << 16) | (Math.imul(upper, 40503) & 0xffff)) >>> 0;
      const swapped = swap32(x);
      const sum = (swapped & 0xffff) + (swapped >>> 16);
      const folded = (sum & 0xffff) + (sum >>> 16);
      const got = outcome.image.subarray(upper * 4, upper * 4 + 3);
      if (got[0] !== upper || got[1] !== swapped || got[2] !== (folded << 16) >>> 0) wrong.push(`${x.toString(16)}: ${got}`);
    }
    expect(wrong).toEqual([]);
  });
});

describeOnGpu("Dawn's validation, without a GPU", () => {
  it.each([patchIp4, patchIp6])('accepts %o, plain and checked', async (patch) => {
    const nothing = await openDevice({ choice: 'auto', robust: true, backend: 'null' });
    for (const checked of [false, true]) {
      for (const workgroupSize of [1, 64, 256])
        await makePipeline(nothing, patch({ checked }), { workgroupSize, packetsPerInvocation: 16 });
    }
    nothing.close();
  });

  it('has bindings with different numbers, at most eight of them storage', () => {
    for (const { bindings } of [patchIp4({ checked: true }), patchIp6({ checked: true })]) {
      expect(new Set(bindings.map((one) => one.number)).size).toBe(bindings.length);
      expect(bindings.filter((one) => one.type !== 'uniform').length).toBeLessThanOrEqual(8);
    }
  });
});
