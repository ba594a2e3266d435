/** `model-t doctor`: what it says about machines, and about rings left behind. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { advise } from '../../harness/commands/doctor.js';
import { listRings } from '../../harness/rings.js';
import { fieldOffsets, type Machine, ModelTError, RING_HEADER, RING_MAGIC } from '../../stack/index.js';
import { GPU, invoke, MACHINE } from './fake.js';

const folder = mkdtempSync(join(tmpdir(), 'model-t-doctor-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ROOM = { path: '/dev/shm', bytes: 2 ** 30, freeBytes: 2 ** 29 };

describe('doctor', () => {
  it('exits 0 and names machine, choice and reason', async () => {
    const { out, exitCode } = await invoke(['doctor']);
    expect(exitCode).toBe(0);
    const text = out.join('\n');
    expect(text).toMatch(/machine: +made-up: Made-up CPU, x64, Linux 6\.1\.0/);
    expect(text).toMatch(/addon: +loaded, runs scalar, avx2 here/);
    expect(text).toMatch(/instruction set: +avx2: the widest body this CPU runs \(it has scalar, avx2\)/);
    expect(text).toMatch(/caches: +L1d 48 KiB \(12-way, shared by 1\)/);
    expect(text).toMatch(/memory copy: +12\.0 GB\/s over 64 MiB/);
  });

  it('exits 3 with reason and remedy when the addon cannot be loaded', async () => {
    const addonProblem = new ModelTError('ADDON', 'The addon is not built', 3, 'Run npm run build');
    const { out, exitCode } = await invoke(['doctor'], { addonProblem });
    expect(exitCode).toBe(3);
    expect(out.join('\n')).toMatch(/addon: +not loaded: The addon is not built\. Run npm run build/);
    const json = JSON.parse((await invoke(['doctor', '--json'], { addonProblem })).out.join('\n')) as object;
    expect(json).toMatchObject({ addon: { loaded: false, isas: [] }, copy: null });
  });

  it('--json holds the whole diagnosis', async () => {
    const { out } = await invoke(['doctor', '--json'], { environment: { MODEL_T_ISA: 'scalar' } });
    expect(JSON.parse(out.join('\n'))).toMatchObject({
      schema: 'model-t/doctor',
      machine: MACHINE,
      isa: { chosen: 'scalar', why: 'MODEL_T_ISA=scalar' },
      copy: { bytesPerSecond: 12e9 },
    });
  });
});

describe('the GPU', () => {
  it('is named with its limits, what takes it, and how fast it is read', async () => {
    const text = (await invoke(['doctor'])).out.join('\n');
    expect(text).toMatch(/engine: +auto is native: this machine has no GPU/);
    expect(text).toMatch(/GPU: +Made-up Device \(Soft\) \(software; Soft driver 5; buffers to 1 GiB, bindings to 512 MiB\)/);
    expect(text).toMatch(/webgpu engine: +takes Made-up Device \(Soft\): there is no other/);
    expect(text).toMatch(/GPU read-back: +5\.0 GB\/s in 3 buffers of 4 MiB, no kernel/);
    expect(text).toMatch(/software GPU: +of @sparticuz\/chromium 1\.2\.3/);
  });

  it('that is missing is one line, and no failure', async () => {
    const gpu = {
      ...GPU,
      adapters: [],
      chosen: null,
      readBack: null,
      softwarePackage: null,
      problem: 'No such\nlibrary. Get one',
    };
    const { out, exitCode } = await invoke(['doctor'], { gpu });
    expect(exitCode).toBe(0);
    expect(out.filter((line) => /gpu/i.test(line) && !line.startsWith('engine:'))).toEqual([
      expect.stringMatching(/^GPU: +none: No such; library\. Get one$/),
    ]);
  });

  it('that cannot be measured is said beside its adapters', async () => {
    const { out } = await invoke(['doctor'], { gpu: { ...GPU, chosen: null, readBack: null, problem: 'It burns' } });
    expect(out.join('\n')).toMatch(/GPU: +unusable: It burns/);
  });

  it('is in --json, since 1.1', async () => {
    const { out } = await invoke(['doctor', '--json']);
    expect(JSON.parse(out.join('\n'))).toMatchObject({ schemaVersion: '1.2', gpu: GPU });
  });
});

describe('the topology', () => {
  const linesOf = async (machine: Machine): Promise<string> => (await invoke(['doctor'], { machine })).out.join('\n');

  it('is told in two lines: threads, nodes, quota; and who shares which cache', async () => {
    const text = await linesOf({
      ...MACHINE,
      cpus: [0, 1, 2, 3, 8],
      onlineCpus: [0, 1, 2, 3, 4, 5, 6, 7, 8],
      cores: [[0, 2], [1, 3], [8]],
      nodes: [
        { node: 0, cpus: [0, 1, 2, 3] },
        { node: 1, cpus: [8] },
      ],
      cacheGroups: [
        { level: 1, groups: [[0], [1], [2], [3], [8]] },
        { level: 2, groups: [[0, 2], [1, 3], [8]] },
        { level: 3, groups: [[0, 1, 2, 3, 8]] },
      ],
    });
    expect(text).toMatch(/^CPUs: +0-3,8 of 9 online on 3 cores \(0,2 \| 1,3 \| 8\); nodes: 0 has 0-3, 1 has 8; quota: none$/m);
    expect(text).toMatch(/^shared: +L1 by none, L2 by 0,2 \| 1,3 \| 8, L3 by all$/m);
    expect(text).toMatch(/^advice: 2 memory nodes/m);
  });

  it('is short where there is little', async () => {
    expect(await linesOf(MACHINE)).toMatch(/^CPUs: +0-1 on 2 cores; quota: none\n.*\nshared: +L1 by none$/m);
  });
});

describe('the instruction set', () => {
  const isaOf = async (MODEL_T_ISA: string): Promise<unknown> => {
    const { out, exitCode } = await invoke(['doctor', '--json'], { environment: { MODEL_T_ISA } });
    expect(exitCode).toBe(0);
    return (JSON.parse(out.join('\n')) as { isa: unknown }).isa;
  };

  it('is what the planner would choose, and why', async () => {
    expect(await isaOf('')).toMatchObject({ chosen: 'avx2' });
    expect(await isaOf('scalar')).toEqual({ chosen: 'scalar', why: 'MODEL_T_ISA=scalar' });
    expect(await isaOf('neon')).toEqual({ chosen: null, why: 'a replay would be refused: MODEL_T_ISA does not know "neon"' });
  });
});

describe('advice', () => {
  it('is silent about a good machine', () => {
    expect(advise(MACHINE, [], ROOM)).toEqual([]);
  });

  it.each([
    ['one CPU', { ...MACHINE, cpus: [0] }, ROOM, /One CPU/],
    ['one core', { ...MACHINE, cores: [[0, 1]] }, ROOM, /threads of one core/],
    ['a quota', { ...MACHINE, cpuQuota: 1.5 }, ROOM, /1\.5 CPUs' worth of time to 2 CPUs/],
    ['a hybrid CPU', { ...MACHINE, coreKinds: [[0], [1]] }, ROOM, /Hybrid CPU: 0 and 1 differ/],
    ['no huge pages', { ...MACHINE, hugePages: { ...MACHINE.hugePages, transparent: 'never' as const } }, ROOM, /nr_hugepages/],
    ['Docker', MACHINE, { ...ROOM, freeBytes: 2 ** 20 }, /1 MiB left/],
    ['no shared memory', MACHINE, null, /missing/],
  ])('speaks about %s', (_name, machine, room, pattern) => {
    expect(advise(machine, [], room)).toEqual([expect.stringMatching(pattern)]);
  });
});

describe('rings left in shared memory', () => {
  const startTicks = BigInt(
    readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')[19] ?? 0,
  );
  const header = (pid: number, start: bigint): Buffer => {
    const bytes = Buffer.alloc(4096);
    const at = fieldOffsets(RING_HEADER);
    bytes.writeBigUInt64LE(RING_MAGIC, at.magic);
    bytes.writeInt32LE(pid, at.producer_pid);
    bytes.writeBigUInt64LE(start, at.producer_pid_start);
    return bytes;
  };

  it('are live, stale (also when the pid was given to another process), or not ours', () => {
    writeFileSync(join(folder, 'model-t.live'), header(process.pid, startTicks));
    writeFileSync(join(folder, 'model-t.dead'), header(2 ** 30, 1n));
    writeFileSync(join(folder, 'model-t.reused'), header(process.pid, startTicks + 1n));
    writeFileSync(join(folder, 'model-t.short'), 'x');
    writeFileSync(join(folder, 'other'), header(process.pid, startTicks));
    symlinkSync(join(folder, 'model-t.live'), join(folder, 'model-t.link'));
    const rings = listRings(folder);
    expect(rings.map((ring) => [ring.path.slice(folder.length + 1), ring.state])).toEqual([
      ['model-t.dead', 'stale'],
      ['model-t.link', 'foreign'],
      ['model-t.live', 'live'],
      ['model-t.reused', 'stale'],
      ['model-t.short', 'foreign'],
    ]);
    expect(advise(MACHINE, rings, ROOM)).toEqual([
      `Stale ring: rm ${folder}/model-t.dead`,
      `Stale ring: rm ${folder}/model-t.reused`,
    ]);
  });

  it('are none where there is no such folder', () => {
    expect(listRings('/nonexistent')).toEqual([]);
  });
});
