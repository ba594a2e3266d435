/**
 * Kernels made ready for one device: compiled pipelines, bind groups per tile, and the dispatches of a segment. The text comes
 * from kernels.ts and user-kernel.ts; nothing here knows batches, staging memory or time. Used by feed.ts and tune.ts.
 */
import type { NativeSegment } from '../native-run.js';
import type { OpenDevice } from './dawn.js';
import { deviceError } from './device-errors.js';
import { guarded } from './guarded.js';
import {
  type BindingName,
  ENTRY_POINT,
  IMMEDIATE_BYTES,
  type Kernel,
  OVERRIDES,
  PARAMETER_BYTES,
  patchIp4,
  patchIp6,
  REPORT_BYTES,
} from './kernels.js';
import type { DeviceTile } from './tiles.js';
import type { UserKernel } from './user-kernel.js';

/** Shape of a dispatch: invocations per workgroup, and packets that each of them handles. */
export interface DispatchShape {
  readonly workgroupSize: number;
  readonly packetsPerInvocation: number;
}

export interface WantedKernels {
  readonly ip4: boolean;
  readonly ip6: boolean;
  readonly user: UserKernel | null;
  readonly checked: boolean;
}

/** A kernel that is ready; accelerator-program.ts has its own. */
export interface Stage<Name extends string = BindingName> {
  readonly kernel: Kernel<Name>;
  readonly shape: DispatchShape;
  readonly layout: GPUBindGroupLayout;
  readonly pipeline: GPUComputePipeline;
}

type Stages = Readonly<Record<'ip4' | 'ip6' | 'user', Stage | null>>;
export type TileBindings = Readonly<Record<'ip4' | 'ip6' | 'user', GPUBindGroup | null>>;

const COMPUTE_STAGE = 4; // GPUShaderStage.COMPUTE
const UNIFORM_COPY_DST = 0x40 | 0x8; // GPUBufferUsage.UNIFORM | COPY_DST
const STORAGE_COPIES = 0x80 | 0x8 | 0x4; // STORAGE | COPY_DST | COPY_SRC
const WORD = 2n ** 32n;

export class Pipelines {
  /** Words of the report buffer: kernels.ts, REPORT. */
  readonly report: GPUBuffer;
  readonly #device: GPUDevice;
  readonly #parameters: GPUBuffer;
  readonly #stages: Stages;
  readonly #immediates = new Uint32Array(IMMEDIATE_BYTES / 4);
  readonly #packetsPerLap: number;
  readonly #mostGroups: number;
  readonly shape: DispatchShape;

  private constructor(device: GPUDevice, stages: Stages, parameters: Uint32Array, packetsPerLap: number, shape: DispatchShape) {
    this.#device = device;
    this.#stages = stages;
    this.#packetsPerLap = packetsPerLap;
    this.#mostGroups = device.limits.maxComputeWorkgroupsPerDimension;
    this.shape = shape;
    this.#parameters = device.createBuffer({ label: 'parameters', size: PARAMETER_BYTES, usage: UNIFORM_COPY_DST });
    device.queue.writeBuffer(this.#parameters, 0, new Uint32Array(parameters));
    this.report = device.createBuffer({ label: 'report', size: REPORT_BYTES, usage: STORAGE_COPIES });
  }

  /** Throws ModelTError when a kernel does not compile; a user kernel's error names the user's own line. */
  static async compile(
    open: OpenDevice,
    wanted: WantedKernels,
    parameters: Uint32Array,
    packetsPerLap: number,
    shape: DispatchShape,
  ): Promise<Pipelines> {
    const { device } = open;
    const options = { checked: wanted.checked };
    const stages = {
      ip4: wanted.ip4 ? await compileStage(device, patchIp4(options), shape) : null,
      ip6: wanted.ip6 ? await compileStage(device, patchIp6(options), shape) : null,
      user: wanted.user ? await compileStage(device, wanted.user, shape) : null,
    };
    return guarded(device, 'kernel parameters', () => new Pipelines(device, stages, parameters, packetsPerLap, shape));
  }

  /** Whether there is anything to run on a tile at all. */
  get idle(): boolean {
    return Object.values(this.#stages).every((stage) => stage === null);
  }

  bind(tile: DeviceTile): TileBindings {
    const bind = (stage: Stage | null): GPUBindGroup | null =>
      stage &&
      this.#device.createBindGroup({
        label: stage.kernel.label,
        layout: stage.layout,
        entries: stage.kernel.bindings.map(({ name, number }) => ({ binding: number, resource: this.#resource(name, tile) })),
      });
    return { ip4: bind(this.#stages.ip4), ip6: bind(this.#stages.ip6), user: bind(this.#stages.user) };
  }

  #resource(name: BindingName, tile: DeviceTile): GPUBufferBinding {
    if (name === 'image') return { buffer: tile.image };
    if (name === 'parameters') return { buffer: this.#parameters };
    if (name === 'report') return { buffer: this.report };
    const offset = tile.layout.sections[name];
    const ends = Object.values(tile.layout.sections).filter((other) => other > offset);
    return { buffer: tile.tables, offset, size: Math.min(...ends, tile.layout.tablesBytes) - offset };
  }

  /** All dispatches that a segment of a batch needs. */
  encode(pass: GPUComputePassEncoder, bound: TileBindings, segment: NativeSegment): void {
    const { ip4, ip6, user } = this.#stages;
    if (ip4 && bound.ip4 && segment.rows4 > 0) {
      this.#start(pass, ip4, bound.ip4);
      const { row4: begin, rows4: count, base4: base, lap } = segment;
      this.#dispatch(pass, ip4.shape, { begin, count, base, baseHigh: 0, lap, countsOn: false });
    }
    if (ip6 && bound.ip6 && segment.rows6 > 0) {
      this.#start(pass, ip6, bound.ip6);
      const { row6: begin, rows6: count, base6Low: base, base6High: baseHigh, lap } = segment;
      this.#dispatch(pass, ip6.shape, { begin, count, base, baseHigh, lap, countsOn: false });
    }
    if (user && bound.user) {
      /* A user kernel is told where in which lap the first packet stands, and counts on from there. */
      this.#start(pass, user, bound.user);
      const { packet: begin, packets: count, indexInLap: base, lap } = segment;
      this.#dispatch(pass, user.shape, { begin, count, base, baseHigh: 0, lap, countsOn: true });
    }
  }

  #start(pass: GPUComputePassEncoder, stage: Stage, bindings: GPUBindGroup): void {
    pass.setPipeline(stage.pipeline);
    pass.setBindGroup(0, bindings);
  }

  /** A dispatch has at most so many workgroups (65535 on most devices): more work is more than one. */
  #dispatch(pass: GPUComputePassEncoder, { workgroupSize, packetsPerInvocation }: DispatchShape, work: Work): void {
    const most = this.#mostGroups * workgroupSize * packetsPerInvocation;
    for (let done = 0; done < work.count; done += most) {
      const count = Math.min(most, work.count - done);
      const groups = Math.ceil(count / (workgroupSize * packetsPerInvocation));
      const begin = work.begin + done;
      const base = work.countsOn ? work.base + done : work.base;
      const lap = BigInt(work.lap);
      const words = [begin, begin + count, groups * workgroupSize, base, work.baseHigh, Number(lap % WORD), Number(lap / WORD)];
      this.#immediates.set([...words, this.#packetsPerLap]);
      pass.setImmediates(0, this.#immediates);
      pass.dispatchWorkgroups(groups);
    }
  }
}

/** Rows, or packets, of one stage and one segment. */
interface Work {
  readonly begin: number;
  readonly count: number;
  readonly base: number;
  readonly baseHigh: number;
  readonly lap: number;
  /** The base is that of the first packet, not of all rows. */
  readonly countsOn: boolean;
}

/** Throws ModelTError when it does not compile. */
export async function compileStage<Name extends string>(
  device: GPUDevice,
  kernel: Kernel<Name>,
  wanted: DispatchShape,
): Promise<Stage<Name>> {
  const { label } = kernel;
  const shape = { ...wanted, packetsPerInvocation: kernel.packetsPerInvocation ?? wanted.packetsPerInvocation };
  const module = await compileShader(device, kernel);
  const layouts = await guarded(device, `Laying out ${label}`, () => {
    const layout = device.createBindGroupLayout({
      label,
      entries: kernel.bindings.map(({ number, type }) => ({ binding: number, visibility: COMPUTE_STAGE, buffer: { type } })),
    });
    return { layout, whole: device.createPipelineLayout({ label, bindGroupLayouts: [layout], immediateSize: IMMEDIATE_BYTES }) };
  });
  const constants = {
    [OVERRIDES.workgroupSize]: shape.workgroupSize,
    [OVERRIDES.packetsPerInvocation]: shape.packetsPerInvocation,
  };
  try {
    const compute = { module, entryPoint: ENTRY_POINT, constants };
    const pipeline = await device.createComputePipelineAsync({ label, layout: layouts.whole, compute });
    return { kernel, shape, layout: layouts.layout, pipeline };
  } catch (error) {
    throw deviceError(error, `Compiling ${label}`);
  }
}

/** A user kernel that does not compile is told so in the user's own lines. */
async function compileShader(
  device: GPUDevice,
  kernel: Kernel<string> & Partial<Pick<UserKernel, 'compileError'>>,
): Promise<GPUShaderModule> {
  const made: GPUShaderModule[] = [];
  try {
    return await guarded(device, `Compiling ${kernel.label}`, () => {
      const module = device.createShaderModule({ label: kernel.label, code: kernel.text });
      made.push(module);
      return module;
    });
  } catch (error) {
    const [module] = made;
    const problem = module && kernel.compileError?.((await module.getCompilationInfo()).messages);
    throw problem || error;
  }
}
