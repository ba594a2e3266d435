/** Runs one kernel once on a device, with the tables a test gives, and reads back what it left. For tests of kernels. */
import type { OpenDevice } from '../../../replay/webgpu/dawn.js';
import {
  type BindingName,
  ENTRY_POINT,
  IMMEDIATE_BYTES,
  type Kernel,
  OVERRIDES,
  PARAMETER_BYTES,
  REPORT_BYTES,
} from '../../../replay/webgpu/kernels.js';

export interface Shape {
  readonly workgroupSize: number;
  readonly packetsPerInvocation: number;
}

export interface Pass {
  readonly kernel: Kernel;
  readonly shape: Shape;
  /** By binding; what is missing is 256 bytes of zero. */
  readonly tables: Partial<Record<BindingName, Uint32Array>>;
  readonly begin: number;
  readonly end: number;
  /** Immediates 3 to 7. */
  readonly rest?: readonly number[];
}

export interface Outcome {
  readonly image: Uint32Array;
  readonly report: Uint32Array;
}

/** Throws what Dawn says about the module or the pipeline. */
export async function makePipeline({ device }: OpenDevice, kernel: Kernel, shape: Shape): Promise<GPUComputePipeline> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: kernel.text });
  const layout = device.createBindGroupLayout({
    entries: kernel.bindings.map(({ number, type }) => ({ binding: number, visibility: 4, buffer: { type } })),
  });
  const error = await device.popErrorScope();
  if (error) throw new Error(error.message);
  const constants = {
    [OVERRIDES.workgroupSize]: shape.workgroupSize,
    [OVERRIDES.packetsPerInvocation]: shape.packetsPerInvocation,
  };
  return await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout], immediateSize: IMMEDIATE_BYTES }),
    compute: { module, entryPoint: ENTRY_POINT, constants },
  });
}

export async function runKernel(open: OpenDevice, pass: Pass, known?: GPUComputePipeline): Promise<Outcome> {
  const { device } = open;
  const { kernel, shape, begin, end } = pass;
  const pipeline = known ?? (await makePipeline(open, kernel, shape));
  const buffers = new Map(
    kernel.bindings.map((binding) => [binding.name, tableBuffer(device, binding, pass.tables[binding.name])]),
  );
  const bindings = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: kernel.bindings.map(({ name, number }) => ({ binding: number, resource: { buffer: bufferOf(buffers, name) } })),
  });
  const groups = Math.ceil((end - begin) / (shape.workgroupSize * shape.packetsPerInvocation));
  const encoder = device.createCommandEncoder();
  const compute = encoder.beginComputePass();
  compute.setPipeline(pipeline);
  compute.setBindGroup(0, bindings);
  const immediates = new Uint32Array(IMMEDIATE_BYTES / 4);
  immediates.set([begin, end, groups * shape.workgroupSize, ...(pass.rest ?? [])]);
  compute.setImmediates(0, immediates);
  compute.dispatchWorkgroups(groups);
  compute.end();
  const image = copyOut(device, encoder, buffers.get('image'));
  const report = copyOut(device, encoder, buffers.get('report'));
  device.queue.submit([encoder.finish()]);
  const outcome = { image: await words(image), report: await words(report) };
  for (const buffer of buffers.values()) buffer.destroy();
  return outcome;
}

function tableBuffer(device: GPUDevice, { name, type }: Kernel['bindings'][number], table?: Uint32Array): GPUBuffer {
  const least = { parameters: PARAMETER_BYTES, report: REPORT_BYTES }[name as string] ?? 256;
  const usage =
    (type === 'uniform' ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE) | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({ size: Math.max(least, table?.byteLength ?? 0), usage });
  if (table) device.queue.writeBuffer(buffer, 0, new Uint32Array(table));
  return buffer;
}

function bufferOf(buffers: ReadonlyMap<BindingName, GPUBuffer>, name: BindingName): GPUBuffer {
  const buffer = buffers.get(name);
  if (!buffer) throw new Error(`no buffer for ${name}`);
  return buffer;
}

function copyOut(device: GPUDevice, encoder: GPUCommandEncoder, source?: GPUBuffer): GPUBuffer | undefined {
  if (!source) return undefined;
  const target = device.createBuffer({ size: source.size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  encoder.copyBufferToBuffer(source, 0, target, 0, source.size);
  return target;
}

async function words(buffer?: GPUBuffer): Promise<Uint32Array> {
  if (!buffer) return new Uint32Array();
  await buffer.mapAsync(GPUMapMode.READ);
  const copy = new Uint32Array(buffer.getMappedRange()).slice();
  buffer.destroy();
  return copy;
}
