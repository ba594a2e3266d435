/**
 * What this machine offers: CPUs this process may use, their caches, instruction sets, memory and huge pages.
 *
 * Reads /proc and /sys below a root folder, so that tests can give it a made-up tree; a file that is missing or odd makes a
 * value unknown (null, 0 or empty), never an error. No effects. Called by the CLI and by planners; re-exported by the door.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';

export type InstructionSet = 'scalar' | 'avx2' | 'avx512';

export interface Cache {
  readonly level: number;
  readonly type: 'data' | 'unified';
  readonly bytes: number;
  readonly lineBytes: number;
  readonly ways: number;
  readonly sets: number;
  readonly sharedBy: readonly number[];
}

/** Who shares the caches of one level. */
export interface CacheGroups {
  readonly level: number;
  /** Of the CPUs this process may use; each in one group, as far as the kernel says. */
  readonly groups: readonly (readonly number[])[];
}

export interface MemoryNode {
  readonly node: number;
  readonly cpus: readonly number[];
}

export interface HugePages {
  /** Size of the default huge page; 0 = the kernel has none. */
  readonly bytes: number;
  readonly total: number;
  readonly free: number;
  /** Whether anonymous memory gets huge pages. */
  readonly transparent: 'always' | 'madvise' | 'never';
  /** The same for shared memory (/dev/shm): always, within_size, advise, never, deny or force. */
  readonly shared: string;
}

export interface Machine {
  readonly hostname: string;
  readonly model: string;
  readonly architecture: string;
  readonly kernel: string;
  /** `scalar` first, best last. */
  readonly isas: readonly InstructionSet[];
  /** CPUs this process may run on, by affinity and cgroup. */
  readonly cpus: readonly number[];
  /** CPUs that run, whoever may use them; empty = unknown. */
  readonly onlineCpus: readonly number[];
  /** Groups of `cpus` that are hardware threads of one core. */
  readonly cores: readonly (readonly number[])[];
  /** Groups of `cpus` with the same caches; more than one on hybrid machines. */
  readonly coreKinds: readonly (readonly number[])[];
  /** CPUs' worth of time the cgroup grants; null = no limit. */
  readonly cpuQuota: number | null;
  /** Data and unified caches of `cpus[0]`, nearest first. */
  readonly caches: readonly Cache[];
  /** Data and unified caches, level by level. */
  readonly cacheGroups: readonly CacheGroups[];
  /** NUMA nodes that have CPUs of ours; none = unknown. */
  readonly nodes: readonly MemoryNode[];
  /** Rate of the time-stamp counter; null = unknown. */
  readonly timeStampHz: number | null;
  readonly memoryBytes: number;
  /** What can be had without swapping, within the cgroup's limit. */
  readonly availableBytes: number;
  readonly hugePages: HugePages;
}

/** Flags of /proc/cpuinfo that a body compiled for the set uses. */
const FLAGS_NEEDED: readonly (readonly [InstructionSet, readonly string[]])[] = [
  ['avx2', ['avx2', 'bmi2']],
  ['avx512', ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512cd']],
];

export function describeMachine(root = '/'): Machine {
  const cpuInfo = read(root, 'proc/cpuinfo');
  const memory = memoryInfo(root);
  const onlineCpus = parseCpuList(read(root, 'sys/devices/system/cpu/online'));
  const cpus = allowedCpus(root, onlineCpus);
  const cachesOf = new Map(cpus.map((cpu) => [cpu, cachesOfCpu(root, cpu)]));
  return {
    hostname: read(root, 'proc/sys/kernel/hostname').trim() || 'unknown',
    model: cpuInfo.match(/^model name\s*:\s*(.+)$/m)?.[1]?.trim() ?? 'unknown',
    architecture: arch(),
    kernel: read(root, 'proc/sys/kernel/osrelease').trim() || 'unknown',
    isas: instructionSets(cpuInfo),
    cpus,
    onlineCpus,
    cores: groupBy(
      cpus,
      (cpu) => read(root, `sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`).trim() || `${cpu}`,
    ),
    coreKinds: groupBy(cpus, (cpu) => cacheShape(cachesOf.get(cpu) ?? [])),
    cpuQuota: cpuQuota(root),
    caches: cachesOf.get(cpus[0] ?? 0) ?? [],
    cacheGroups: cacheGroups(cachesOf),
    nodes: memoryNodes(root, cpus),
    timeStampHz: timeStampHz(cpuInfo),
    memoryBytes: memory.total,
    availableBytes: Math.min(memory.available, memoryLimitLeft(root)),
    hugePages: {
      bytes: memory.hugePageBytes,
      total: memory.hugeTotal,
      free: memory.hugeFree,
      transparent: transparentMode(root),
      shared: chosenWord(read(root, 'sys/kernel/mm/transparent_hugepage/shmem_enabled')) ?? 'never',
    },
  };
}

/** CPUs of a kernel list such as `0-3,8`. Anything that is not one gives an empty list. */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const part of text.trim().split(',')) {
    const range = part.match(/^(\d+)(?:-(\d+))?$/);
    if (!range) return [];
    const first = Number(range[1]);
    for (let cpu = first; cpu <= Number(range[2] ?? first); cpu++) cpus.push(cpu);
  }
  return cpus;
}

function read(root: string, path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return '';
  }
}

function instructionSets(cpuInfo: string): InstructionSet[] {
  const flags = new Set(
    cpuInfo
      .match(/^flags\s*:(.*)$/m)?.[1]
      ?.trim()
      .split(/\s+/) ?? [],
  );
  const vector = FLAGS_NEEDED.filter(([, needed]) => needed.every((flag) => flags.has(flag))).map(([isa]) => isa);
  return ['scalar', ...vector];
}

/** By affinity and cpuset (the kernel shows both as one list), without those that are switched off. */
function allowedCpus(root: string, online: readonly number[]): number[] {
  const allowed = parseCpuList(read(root, 'proc/self/status').match(/^Cpus_allowed_list:\s*(\S+)/m)?.[1] ?? '');
  const running = allowed.filter((cpu) => online.length === 0 || online.includes(cpu));
  if (running.length > 0) return running;
  return online.length > 0 ? [...online] : [0];
}

function cacheGroups(cachesOf: ReadonlyMap<number, readonly Cache[]>): CacheGroups[] {
  const levels = new Set([...cachesOf.values()].flatMap((caches) => caches.map(({ level }) => level)));
  return [...levels]
    .sort((a, b) => a - b)
    .map((level) => {
      const sharedBy = (cpu: number): readonly number[] =>
        cachesOf.get(cpu)?.find((cache) => cache.level === level)?.sharedBy ?? [];
      const having = [...cachesOf.keys()].filter((cpu) => sharedBy(cpu).length > 0);
      return { level, groups: groupBy(having, (cpu) => sharedBy(cpu).join(',')) };
    });
}

function memoryNodes(root: string, cpus: readonly number[]): MemoryNode[] {
  return list(root, 'sys/devices/system/node')
    .flatMap((name) => name.match(/^node(\d+)$/)?.[1] ?? [])
    .map((number) => {
      const all = parseCpuList(read(root, `sys/devices/system/node/node${number}/cpulist`));
      return { node: Number(number), cpus: cpus.filter((cpu) => all.includes(cpu)) };
    })
    .filter((node) => node.cpus.length > 0)
    .sort((a, b) => a.node - b.node);
}

/** Linux computes bogomips from the counter's rate on x86: twice the megahertz. */
function timeStampHz(cpuInfo: string): number | null {
  if (!/^flags\s*:.*\bconstant_tsc\b/m.test(cpuInfo)) return null;
  const bogomips = Number(cpuInfo.match(/^bogomips\s*:\s*([\d.]+)/m)?.[1]);
  return bogomips > 0 ? (bogomips / 2) * 1e6 : null;
}

function cachesOfCpu(root: string, cpu: number): Cache[] {
  const folder = `sys/devices/system/cpu/cpu${cpu}/cache`;
  return list(root, folder)
    .filter((name) => /^index\d+$/.test(name))
    .map((name) => cacheAt(root, `${folder}/${name}`))
    .filter((cache) => cache !== null)
    .sort((a, b) => a.level - b.level);
}

function cacheAt(root: string, folder: string): Cache | null {
  const value = (name: string): string => read(root, `${folder}/${name}`).trim();
  const type = value('type').toLowerCase();
  if (type !== 'data' && type !== 'unified') return null;
  return {
    level: Number(value('level')),
    type,
    bytes: kernelSize(value('size')),
    lineBytes: Number(value('coherency_line_size')),
    ways: Number(value('ways_of_associativity')),
    sets: Number(value('number_of_sets')),
    sharedBy: parseCpuList(value('shared_cpu_list')),
  };
}

/** Sizes alone tell kinds of cores apart; who shares a cache differs between equal cores. */
function cacheShape(caches: readonly Cache[]): string {
  return caches.map((cache) => `${cache.level}${cache.type}:${cache.bytes}`).join(' ');
}

/** `48K`, `2048K`, `30M`. */
function kernelSize(text: string): number {
  const match = text.match(/^(\d+)([KMG]?)/);
  if (!match) return 0;
  return Number(match[1]) * ({ K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match[2] ?? ''] ?? 1);
}

/** The smallest quota on the way from our cgroup to the root, whichever version of cgroups is mounted. */
function cpuQuota(root: string): number | null {
  const quotas = [
    ...cgroupFiles(root, '', 'cpu.max').map((text) => ratio(...split(text))),
    ...cgroupFolders(root, 'cpu').map((folder) =>
      ratio(read(root, `${folder}/cpu.cfs_quota_us`), read(root, `${folder}/cpu.cfs_period_us`)),
    ),
  ].filter((quota) => quota !== null);
  return quotas.length > 0 ? Math.min(...quotas) : null;
}

/** Bytes left below the smallest memory limit; infinite when there is none. */
function memoryLimitLeft(root: string): number {
  const folders = [
    ...cgroupFolders(root, '').map((folder) => [`${folder}/memory.max`, `${folder}/memory.current`] as const),
    ...cgroupFolders(root, 'memory').map(
      (folder) => [`${folder}/memory.limit_in_bytes`, `${folder}/memory.usage_in_bytes`] as const,
    ),
  ];
  const left = folders.map(([limit, used]) => {
    const bytes = Number.parseInt(read(root, limit), 10);
    return Number.isNaN(bytes) ? Number.POSITIVE_INFINITY : Math.max(0, bytes - Number.parseInt(read(root, used) || '0', 10));
  });
  return Math.min(Number.POSITIVE_INFINITY, ...left);
}

function cgroupFiles(root: string, controller: string, name: string): string[] {
  return cgroupFolders(root, controller)
    .map((folder) => read(root, `${folder}/${name}`))
    .filter((text) => text !== '');
}

/**
 * Folders of our cgroup and its parents: of version 2 (`controller` empty, line `0::/path`) or of one version-1 controller
 * (line `4:cpu,cpuacct:/path`). Inside a container the path may not exist; its parents, up to the mount, still do.
 */
function cgroupFolders(root: string, controller: string): string[] {
  const folders: string[] = [];
  for (const line of read(root, 'proc/self/cgroup').split('\n')) {
    const [, controllers, path] = line.match(/^\d+:([^:]*):(\/.*)$/) ?? [];
    if (controllers === undefined || path === undefined || !controllers.split(',').includes(controller)) continue;
    for (const mount of controller === '' ? ['', 'unified'] : new Set([controllers, controller])) {
      for (let at = path; ; at = dirname(at)) {
        folders.push(join('sys/fs/cgroup', mount, at));
        if (at === '/') break;
      }
    }
  }
  return folders;
}

function split(text: string): [string, string] {
  const [quota = '', period = ''] = text.trim().split(/\s+/);
  return [quota, period];
}

/** Null for `max`, -1 and files that are not there. */
function ratio(quota: string, period: string): number | null {
  const value = Number.parseInt(quota, 10) / Number.parseInt(period, 10);
  return Number.isFinite(value) && value > 0 ? value : null;
}

function memoryInfo(root: string): Record<'total' | 'available' | 'hugePageBytes' | 'hugeTotal' | 'hugeFree', number> {
  const text = read(root, 'proc/meminfo');
  const value = (name: string): number => Number(text.match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))?.[1] ?? 0);
  return {
    total: value('MemTotal') * 1024,
    available: value('MemAvailable') * 1024,
    hugePageBytes: value('Hugepagesize') * 1024,
    hugeTotal: value('HugePages_Total'),
    hugeFree: value('HugePages_Free'),
  };
}

function transparentMode(root: string): HugePages['transparent'] {
  const word = chosenWord(read(root, 'sys/kernel/mm/transparent_hugepage/enabled'));
  return word === 'always' || word === 'madvise' ? word : 'never';
}

/** `always [madvise] never` says madvise. */
function chosenWord(text: string): string | null {
  return text.match(/\[(\w+)\]/)?.[1] ?? null;
}

function groupBy(cpus: readonly number[], key: (cpu: number) => string): number[][] {
  const groups = new Map<string, number[]>();
  for (const cpu of cpus) groups.set(key(cpu), [...(groups.get(key(cpu)) ?? []), cpu]);
  return [...groups.values()];
}

function list(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder));
  } catch {
    return [];
  }
}
