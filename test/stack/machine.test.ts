/** The machine's description, read from made-up /proc and /sys trees. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { describeMachine, parseCpuList } from '../../stack/machine.js';

const trees: string[] = [];
afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true });
});

function tree(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'model-t-machine-'));
  trees.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function cache(cpu: number, index: number, level: number, type: string, size: string, shared: string): Record<string, string> {
  const folder = `sys/devices/system/cpu/cpu${cpu}/cache/index${index}`;
  return {
    [`${folder}/level`]: `${level}\n`,
    [`${folder}/type`]: `${type}\n`,
    [`${folder}/size`]: `${size}\n`,
    [`${folder}/coherency_line_size`]: '64\n',
    [`${folder}/ways_of_associativity`]: '12\n',
    [`${folder}/number_of_sets`]: '64\n',
    [`${folder}/shared_cpu_list`]: `${shared}\n`,
  };
}

const status = (cpus: string): Record<string, string> => ({
  'proc/self/status': `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${cpus}\n`,
});
const cpuInfo = (flags: string): Record<string, string> => ({
  'proc/cpuinfo': `processor\t: 0\nmodel name\t: Made-up CPU 9000\nflags\t\t: fpu sse2 ${flags}\n\nprocessor\t: 1\n`,
});

describe('instruction sets', () => {
  it.each([
    ['', ['scalar']],
    ['avx2', ['scalar']],
    ['avx2 bmi2', ['scalar', 'avx2']],
    ['avx2 bmi2 avx512f avx512bw avx512dq avx512vl', ['scalar', 'avx2']],
    ['avx2 bmi2 avx512f avx512bw avx512dq avx512vl avx512cd', ['scalar', 'avx2', 'avx512']],
  ])('flags "%s" offer %j', (flags, isas) => {
    expect(describeMachine(tree(cpuInfo(flags))).isas).toEqual(isas);
  });
});

describe('CPUs and caches', () => {
  const performance = (cpu: number): Record<string, string> => ({
    ...cache(cpu, 0, 1, 'Data', '48K', `${cpu}`),
    ...cache(cpu, 1, 1, 'Instruction', '32K', `${cpu}`),
    ...cache(cpu, 2, 2, 'Unified', '2048K', `${cpu}`),
    ...cache(cpu, 3, 3, 'Unified', '30M', '0-3'),
  });
  const efficiency = (cpu: number): Record<string, string> => ({
    ...cache(cpu, 0, 1, 'Data', '32K', `${cpu}`),
    ...cache(cpu, 2, 2, 'Unified', '4096K', '2-3'),
    ...cache(cpu, 3, 3, 'Unified', '30M', '0-3'),
  });
  const hybrid = { ...performance(0), ...performance(1), ...efficiency(2), ...efficiency(3) };

  it('sees both kinds of cores of a hybrid machine and describes the first allowed CPU', () => {
    const machine = describeMachine(tree({ ...status('0-3'), ...hybrid }));
    expect(machine.coreKinds).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(machine.caches.map(({ level, type, bytes }) => [level, type, bytes])).toEqual([
      [1, 'data', 48 * 1024],
      [2, 'unified', 2 * 1024 * 1024],
      [3, 'unified', 30 * 1024 * 1024],
    ]);
    expect(machine.caches[0]).toMatchObject({ lineBytes: 64, ways: 12, sets: 64, sharedBy: [0] });
  });

  it('describes the other kind when the affinity allows only that', () => {
    const machine = describeMachine(tree({ ...status('2-3'), ...hybrid }));
    expect(machine.cpus).toEqual([2, 3]);
    expect(machine.coreKinds).toEqual([[2, 3]]);
    expect(machine.caches[0]?.bytes).toBe(32 * 1024);
    expect(machine.caches[1]?.sharedBy).toEqual([2, 3]);
  });

  it('groups hardware threads of one core', () => {
    const siblings = (cpu: number, text: string): Record<string, string> => ({
      [`sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`]: `${text}\n`,
    });
    const root = tree({
      ...status('0-3'),
      ...siblings(0, '0,2'),
      ...siblings(1, '1,3'),
      ...siblings(2, '0,2'),
      ...siblings(3, '1,3'),
    });
    expect(describeMachine(root).cores).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });

  it('reads kernel lists', () => {
    expect(parseCpuList('0-2,8,10-11\n')).toEqual([0, 1, 2, 8, 10, 11]);
    expect(parseCpuList('')).toEqual([]);
    expect(parseCpuList('0-x')).toEqual([]);
  });
});

describe('the topology', () => {
  const cpu = (number: number, l2: string): Record<string, string> => ({
    ...cache(number, 0, 1, 'Data', '32K', `${number}`),
    ...cache(number, 2, 2, 'Unified', '1024K', l2),
    ...cache(number, 3, 3, 'Unified', '32M', '0-5'),
  });
  const six = { ...cpu(0, '0-1'), ...cpu(1, '0-1'), ...cpu(2, '2-3'), ...cpu(3, '2-3'), ...cpu(4, '4-5'), ...cpu(5, '4-5') };
  const nodes = {
    'sys/devices/system/node/node1/cpulist': '3-5\n',
    'sys/devices/system/node/node0/cpulist': '0-2\n',
    'sys/devices/system/node/node2/cpulist': '\n',
    'sys/devices/system/node/possible': '0-2\n',
  };

  it('groups CPUs of ours by the caches they share, and by node', () => {
    const machine = describeMachine(tree({ ...status('1-4'), ...six, ...nodes }));
    expect(machine.cacheGroups).toEqual([
      { level: 1, groups: [[1], [2], [3], [4]] },
      { level: 2, groups: [[1], [2, 3], [4]] },
      { level: 3, groups: [[1, 2, 3, 4]] },
    ]);
    expect(machine.nodes).toEqual([
      { node: 0, cpus: [1, 2] },
      { node: 1, cpus: [3, 4] },
    ]);
  });

  it('leaves out CPUs that the cpuset allows and that are switched off', () => {
    const machine = describeMachine(tree({ ...status('0-5'), ...six, 'sys/devices/system/cpu/online': '0-2,4\n' }));
    expect(machine.cpus).toEqual([0, 1, 2, 4]);
    expect(machine.onlineCpus).toEqual([0, 1, 2, 4]);
  });

  it('takes the rate of the time-stamp counter from the kernel, where it is constant', () => {
    const counter = (flags: string): number | null =>
      describeMachine(tree({ 'proc/cpuinfo': `flags\t\t: fpu ${flags}\nbogomips\t: 4890.84\n` })).timeStampHz;
    expect(counter('constant_tsc')).toBeCloseTo(2.44542e9);
    expect(counter('tsc')).toBeNull();
  });

  it('is unknown where the kernel says nothing', () => {
    expect(describeMachine(tree({}))).toMatchObject({ cacheGroups: [], nodes: [], onlineCpus: [], timeStampHz: null });
  });
});

describe('cgroup limits', () => {
  it('takes the smallest version-2 quota on the way to the root', () => {
    const root = tree({
      'proc/self/cgroup': '0::/a/b\n',
      'sys/fs/cgroup/a/b/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/a/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/cpu.max': '800000 100000\n',
    });
    expect(describeMachine(root).cpuQuota).toBe(1.5);
  });

  it('finds the version-2 quota of a container whose path is not visible inside', () => {
    const root = tree({ 'proc/self/cgroup': '0::/docker/0123\n', 'sys/fs/cgroup/cpu.max': '50000 100000\n' });
    expect(describeMachine(root).cpuQuota).toBe(0.5);
  });

  it('reads version-1 quotas, where -1 is none', () => {
    const files = {
      'proc/self/cgroup': '5:memory:/job\n4:cpu,cpuacct:/job\n',
      'sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us': '100000\n',
    };
    const limited = { ...files, 'sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us': '250000\n' };
    const free = { ...files, 'sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us': '-1\n' };
    expect(describeMachine(tree(limited)).cpuQuota).toBe(2.5);
    expect(describeMachine(tree(free)).cpuQuota).toBeNull();
  });

  it('bounds the available memory by what the cgroup leaves', () => {
    const root = tree({
      'proc/meminfo': 'MemTotal: 8000 kB\nMemAvailable: 6000 kB\n',
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': '3000000\n',
      'sys/fs/cgroup/memory.current': '1000000\n',
    });
    expect(describeMachine(root)).toMatchObject({ memoryBytes: 8000 * 1024, availableBytes: 2_000_000 });
  });
});

describe('huge pages', () => {
  it('reports what the kernel offers', () => {
    const root = tree({
      'proc/meminfo': 'HugePages_Total:     512\nHugePages_Free:      100\nHugepagesize:       2048 kB\n',
      'sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never\n',
      'sys/kernel/mm/transparent_hugepage/shmem_enabled': 'always within_size [advise] never deny force\n',
    });
    expect(describeMachine(root).hugePages).toEqual({
      bytes: 2 << 20,
      total: 512,
      free: 100,
      transparent: 'madvise',
      shared: 'advise',
    });
  });

  it('knows none where the kernel has none, and an empty tree is a machine of one unknown CPU', () => {
    const machine = describeMachine(tree({}));
    expect(machine.hugePages).toEqual({ bytes: 0, total: 0, free: 0, transparent: 'never', shared: 'never' });
    expect(machine).toMatchObject({
      hostname: 'unknown',
      model: 'unknown',
      isas: ['scalar'],
      cpus: [0],
      cpuQuota: null,
      caches: [],
    });
  });
});

it('describes the machine the test runs on', () => {
  const machine = describeMachine();
  expect(machine.cpus.length).toBeGreaterThan(0);
  expect(machine.memoryBytes).toBeGreaterThan(machine.availableBytes);
  expect(machine.kernel).toMatch(/^\d+\./);
});
