/** `model-t doctor`: what this machine offers, what a replay would use, and why. Exit code 3 when the addon cannot be loaded. */
import { statfsSync } from 'node:fs';
import type { Command } from 'commander';
import type { AdapterDescription, GpuSurvey } from '../../replay/index.js';
import { type Machine, ModelTError } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { aligned, binary, counted, decimal, oneLine } from '../format.js';
import { replayRequest } from '../replay-options.js';
import { listRings, type RingFile } from '../rings.js';

/** Past every private cache (2 MiB on today's servers), so that the rate is that of L3 or memory, as with a trace this large. */
const COPY_BYTES = 64 * 2 ** 20;
const COPY_SECONDS = 0.3;
const READ_BACK_SECONDS = 0.3;
/** Docker gives 64 MiB unless told otherwise; a few rings of the larger sizes fill that. */
const SMALL_SHARED_MEMORY = 128 * 2 ** 20;
/** Additive changes raise the second number, others the first. */
const SCHEMA_VERSION = '1.2';

export interface Diagnosis {
  readonly schema: 'model-t/doctor';
  readonly schemaVersion: string;
  readonly machine: Machine;
  readonly addon: { readonly loaded: boolean; readonly problem: string | null; readonly isas: readonly string[] };
  readonly isa: { readonly chosen: string | null; readonly why: string };
  readonly copy: { readonly bytes: number; readonly bytesPerSecond: number } | null;
  /** Since 1.1. */
  readonly gpu: GpuSurvey;
  readonly sharedMemory: { readonly path: string; readonly bytes: number; readonly freeBytes: number } | null;
  readonly rings: readonly RingFile[];
  readonly advice: readonly string[];
}

export function registerDoctor(program: Command, context: Context, finish: Finish): void {
  program
    .command('doctor')
    .description('what this machine offers, what will be used, and why')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const diagnosis = await diagnose(context);
      if (flags.json) context.print(JSON.stringify(diagnosis, null, 2));
      else for (const line of diagnosisLines(diagnosis)) context.print(line);
      finish(diagnosis.addon.loaded ? 0 : 3);
    });
}

async function diagnose(context: Context): Promise<Diagnosis> {
  const machine = context.describeMachine();
  const addon = probeAddon(context);
  const isa = chooseIsa(context, machine);
  const copy = addon.loaded ? { bytes: COPY_BYTES, bytesPerSecond: context.native.measureCopy(COPY_BYTES, COPY_SECONDS) } : null;
  const gpu = await context.replay.surveyGpu(READ_BACK_SECONDS);
  const sharedMemory = sharedMemoryRoom('/dev/shm');
  const rings = listRings();
  return {
    schema: 'model-t/doctor',
    schemaVersion: SCHEMA_VERSION,
    machine,
    addon,
    isa,
    copy,
    gpu,
    sharedMemory,
    rings,
    advice: advise(machine, rings, sharedMemory),
  };
}

function probeAddon(context: Context): Diagnosis['addon'] {
  try {
    return { loaded: true, problem: null, isas: context.native.cpuIsas() };
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    return { loaded: false, problem: error.remedy ? `${error.message}. ${error.remedy}` : error.message, isas: [] };
  }
}

/** What the planner would choose: the same call that a replay makes, so that doctor and replay cannot disagree. */
function chooseIsa(context: Context, machine: Machine): Diagnosis['isa'] {
  const variable = context.environment.MODEL_T_ISA;
  try {
    const request = replayRequest(['-'], { engine: 'auto', rewrite: [] }, context.environment);
    const chosen = context.replay.planReplay(request, machine).isa;
    const why =
      request.isa === 'auto' ? `the widest body this CPU runs (it has ${machine.isas.join(', ')})` : `MODEL_T_ISA=${variable}`;
    return { chosen, why };
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    return { chosen: null, why: `a replay would be refused: ${error.message}` };
  }
}

function sharedMemoryRoom(path: string): Diagnosis['sharedMemory'] {
  try {
    const room = statfsSync(path);
    return { path, bytes: room.blocks * room.bsize, freeBytes: room.bavail * room.bsize };
  } catch {
    return null;
  }
}

export function advise(machine: Machine, rings: readonly RingFile[], sharedMemory: Diagnosis['sharedMemory']): string[] {
  const advice: string[] = [];
  const pages = machine.hugePages;
  if (machine.cpus.length < 2)
    advice.push('One CPU: producer and stack take turns on it, in one container, and rates say little');
  if (machine.cpuQuota !== null && machine.cpuQuota < machine.cpus.length) {
    advice.push(
      `The cgroup grants ${machine.cpuQuota} CPUs' worth of time to ${machine.cpus.length} CPUs: rates will be throttled`,
    );
  }
  if (machine.cpus.length > 1 && machine.cores.length === 1) {
    advice.push('All CPUs are threads of one core: producer and stack share its caches and its time');
  }
  if (machine.nodes.length > 1) {
    advice.push(`${machine.nodes.length} memory nodes: a path is fastest on one; choose with --cores`);
  }
  if (machine.coreKinds.length > 1) {
    advice.push(`Hybrid CPU: ${machine.coreKinds.map((kind) => kind.join(',')).join(' and ')} differ; choose with --cores`);
  }
  if (pages.free === 0 && pages.transparent === 'never') {
    advice.push('No huge pages: echo 512 > /proc/sys/vm/nr_hugepages as root helps');
  }
  if (sharedMemory === null) advice.push('/dev/shm is missing: named rings cannot be made');
  else if (sharedMemory.freeBytes < SMALL_SHARED_MEMORY) {
    advice.push(`/dev/shm has ${binary(sharedMemory.freeBytes)} left: use small rings, or --shm-size in Docker`);
  }
  for (const ring of rings) if (ring.state === 'stale') advice.push(`Stale ring: rm ${oneLine(ring.path)}`);
  return advice;
}

export function diagnosisLines(diagnosis: Diagnosis): string[] {
  const { machine, addon, isa, copy, sharedMemory, rings } = diagnosis;
  const pages = machine.hugePages;
  return [
    ...aligned([
      ['machine', `${machine.hostname}: ${machine.model}, ${machine.architecture}, Linux ${machine.kernel}`],
      ['addon', addon.loaded ? `loaded, runs ${addon.isas.join(', ')} here` : `not loaded: ${oneLine(addon.problem ?? '')}`],
      ['instruction set', `${isa.chosen ?? 'none'}: ${oneLine(isa.why)}`],
      ['engine', `auto is ${diagnosis.gpu.auto.engine}: ${diagnosis.gpu.auto.why}`],
      ...gpuRows(diagnosis.gpu),
      ['CPUs', cpuText(machine)],
      ['caches', cacheText(machine)],
      ['shared', sharedText(machine)],
      ['memory', `${binary(machine.memoryBytes)}, ${binary(machine.availableBytes)} available`],
      [
        'huge pages',
        `${pages.free} of ${pages.total} free, ${binary(pages.bytes)} each; transparent: ${pages.transparent}, shared memory: ${pages.shared}`,
      ],
      ['/dev/shm', sharedMemory ? `${binary(sharedMemory.freeBytes)} of ${binary(sharedMemory.bytes)} free` : 'missing'],
      ['rings', rings.length === 0 ? 'none' : rings.map(ringText).join('; ')],
      ['memory copy', copy ? `${decimal(copy.bytesPerSecond, 'B/s')} over ${binary(copy.bytes)}, one thread` : 'not measured'],
    ]),
    ...diagnosis.advice.map((line) => `advice: ${line}`),
  ];
}

/** Nothing at all is one line; else each adapter, which of them the engine takes, and how fast it is read. */
function gpuRows(gpu: GpuSurvey): [string, string][] {
  const rows: [string, string][] = gpu.adapters.map((adapter) => ['GPU', adapterText(adapter)]);
  if (gpu.chosen) rows.push(['webgpu engine', `takes ${oneLine(gpu.chosen.adapter)}: ${oneLine(gpu.chosen.why)}`]);
  if (gpu.readBack) {
    const { bytesPerSecond, buffers, batchBytes } = gpu.readBack;
    rows.push(['GPU read-back', `${decimal(bytesPerSecond, 'B/s')} in ${buffers} buffers of ${binary(batchBytes)}, no kernel`]);
  }
  if (gpu.problem !== null) rows.push(['GPU', `${gpu.adapters.length > 0 ? 'unusable' : 'none'}: ${oneLine(gpu.problem)}`]);
  const software = gpu.softwarePackage;
  if (gpu.adapters.length > 0) rows.push(['software GPU', software ? `of @sparticuz/chromium ${software}` : 'not installed']);
  return rows;
}

function adapterText({ name, kind, driver, limits }: AdapterDescription): string {
  const sizes = `buffers to ${binary(limits.maxBufferSize)}, bindings to ${binary(limits.maxStorageBufferBindingSize)}`;
  return `${oneLine(name)} (${kind}; ${oneLine(driver)}; ${sizes})`;
}

function cacheText(machine: Machine): string {
  const texts = machine.caches.map(
    (cache) =>
      `L${cache.level}${cache.type === 'data' ? 'd' : ''} ${binary(cache.bytes)} (${cache.ways}-way, shared by ${cache.sharedBy.length})`,
  );
  return texts.join(', ') || 'unknown';
}

function cpuText({ cpus, onlineCpus, cores, nodes, cpuQuota }: Machine): string {
  const of = onlineCpus.length > cpus.length ? ` of ${onlineCpus.length} online` : '';
  const threads = cores.length < cpus.length ? ` (${groupText(cores)})` : '';
  const on = nodes.length > 1 ? `; nodes: ${nodes.map((node) => `${node.node} has ${listText(node.cpus)}`).join(', ')}` : '';
  return `${listText(cpus)}${of} on ${counted(cores.length, 'core')}${threads}${on}; quota: ${cpuQuota ?? 'none'}`;
}

/** Who shares which cache: where a hop between two containers is cheap. */
function sharedText({ cacheGroups, cpus }: Machine): string {
  const texts = cacheGroups.map(({ level, groups }) => {
    if (groups.every((group) => group.length === 1)) return `L${level} by none`;
    return `L${level} by ${groups.length === 1 && groups[0]?.length === cpus.length ? 'all' : groupText(groups)}`;
  });
  return texts.join(', ') || 'unknown';
}

function groupText(groups: readonly (readonly number[])[]): string {
  return groups.map(listText).join(' | ');
}

/** As the kernel writes lists: `0-3,8`. */
function listText(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < cpus.length; at++) {
    const first = at;
    while (cpus[at + 1] === (cpus[at] ?? 0) + 1) at++;
    parts.push(first === at ? `${cpus[at]}` : `${cpus[first]}-${cpus[at]}`);
  }
  return parts.join(',');
}

function ringText(ring: RingFile): string {
  const owner = ring.producerPid === null ? '' : `, producer ${ring.producerPid}`;
  return `${oneLine(ring.path)} ${binary(ring.bytes)} ${ring.state}${owner}`;
}
