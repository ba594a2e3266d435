import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CellResult, ratios, spread, summarize, table } from '../../../harness/bench/comparison.js';
import { CAPTURES, CELLS } from '../../../harness/bench/contender.js';
import { hugetlbfsMounted, leaseHugePages } from '../../../harness/bench/huge-pages.js';
import { createOurselves, parseOutcome } from '../../../harness/bench/ourselves.js';
import { peerBars } from '../../../harness/bench/peer-bars.js';
import { createTestpmd, parseThroughput } from '../../../harness/bench/testpmd.js';

describe('samples as medians and ratios', () => {
  it('takes the middle, or the mean of the two in the middle', () => {
    expect(spread([5, 1, 3])).toEqual({ median: 3, minimum: 1, maximum: 5 });
    expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, minimum: 1, maximum: 4 });
  });

  it('divides within a round, so that a slow round for both does not count', () => {
    expect(ratios([200, 20, 100], [100, 10, 50])).toEqual({ median: 2, minimum: 2, maximum: 2 });
  });

  const samples = (...rates: number[]) =>
    rates.map((packetsPerSecond) => ({ packetsPerSecond, bitsPerSecond: packetsPerSecond * 480 }));
  const result: CellResult = {
    cell: 'replay 60 B',
    capture: 'p60',
    contenders: [
      { name: 'Model-T', command: ['a'], samples: samples(400e6, 500e6, 450e6) },
      { name: 'DPDK testpmd', command: ['b'], samples: samples(100e6, 100e6, 90e6) },
    ],
    copyBytesPerSecond: [60e9, 60e9, 60e9],
  };

  it('compares the first contender with each other one, and with a copy of the same bytes', () => {
    const { timesPeer, partOfCopy } = summarize(result);
    expect(timesPeer).toEqual([{ name: 'DPDK testpmd', median: 5, minimum: 4, maximum: 5 }]);
    expect(partOfCopy).toEqual({ median: (450e6 * 60) / 60e9, minimum: (400e6 * 60) / 60e9, maximum: (500e6 * 60) / 60e9 });
  });

  it('prints one row for each contender and one for the copy, columns aligned', () => {
    const lines = table([result]);
    expect(lines).toHaveLength(4);
    expect(lines[1]).toContain('450.0 Mpps');
    expect(lines[2]).toContain('5.00× (4.00–5.00)');
    expect(lines[3]).toContain('45 % (40–50)');
    expect(lines[1]?.indexOf('Model-T')).toBe(lines[2]?.indexOf('DPDK'));
  });
});

describe('the bar of a cell', () => {
  const samples = (...rates: number[]) => rates.map((packetsPerSecond) => ({ packetsPerSecond, bitsPerSecond: 0 }));
  const contenders = [
    { name: 'Model-T', command: ['a'], samples: samples(80e6, 60e6, 90e6) },
    { name: 'DPDK testpmd', command: ['b'], samples: samples(10e6, 10e6, 10e6) },
  ];
  const result = { cell: 'placed', capture: 'p60', contenders, copyBytesPerSecond: [] };

  it('is held with all cores, and with its share for each of them', () => {
    expect(peerBars([{ ...result, bar: { timesPeer: 7, cores: 2 } }])).toEqual([
      {
        what: 'placed, 2 cores, against DPDK testpmd on one',
        unit: 'x',
        bound: 7,
        atMost: false,
        value: { median: 8, minimum: 6, maximum: 9 },
        isMet: true,
      },
      {
        what: 'placed, for each core, against DPDK testpmd on one',
        unit: 'x',
        bound: 3.5,
        atMost: false,
        value: { median: 4, minimum: 3, maximum: 4.5 },
        isMet: true,
      },
    ]);
  });

  it('is none where none was set, or nobody was there to compare with', () => {
    expect(peerBars([result])).toEqual([]);
    expect(peerBars([{ ...result, contenders: contenders.slice(0, 1), bar: { timesPeer: 7, cores: 2 } }])).toEqual([]);
  });

  it('a cell that leaves placement to us asks for auto on both cores, and for testpmd with one forwarding core', () => {
    const cell = CELLS.find(({ job }) => job === 'placed');
    if (!cell) throw new Error('no such cell');
    expect(createOurselves('/package').command(cell, 'x.pcap')?.join(' ')).toContain('--cores 0,1 --placement auto');
    expect(createTestpmd().command(cell, 'x.pcap')?.join(' ')).toMatch(/--nb-cores=1 .*--forward-mode=csum/);
    expect(cell.bar).toEqual({ timesPeer: 7, cores: 2 });
  });
});

describe('what testpmd prints', () => {
  const shown = (pps: number) =>
    `  Throughput (since last show)\n  Rx-pps:     ${pps}          Rx-bps:  ${pps * 480}\n  Tx-pps:            0          Tx-bps:            0\n`;

  it('is read from the last request', () => {
    expect(parseThroughput(shown(1) + shown(53957976))).toEqual({ packetsPerSecond: 53957976, bitsPerSecond: 53957976 * 480 });
  });

  it('is no sample when nothing was received or nothing was said', () => {
    expect(parseThroughput(shown(1) + shown(0))).toBeNull();
    expect(parseThroughput('Not all ports were started\n')).toBeNull();
  });
});

describe('what our own run says', () => {
  const outcome = (conserved: boolean, ok: boolean) =>
    JSON.stringify({ conserved, verified: { ok }, totals: { packetsPerSecond: 10, bitsPerSecond: 4800 } });

  it('is a sample only when conserved and verified', () => {
    expect(parseOutcome(outcome(true, true))).toEqual({ packetsPerSecond: 10, bitsPerSecond: 4800 });
    expect(() => parseOutcome(outcome(false, true))).toThrow('not conserved');
    expect(() => parseOutcome(outcome(true, false))).toThrow('reference');
  });
});

describe('the cells', () => {
  it('name captures that are generated, and both contenders have a command for each', () => {
    const names = CAPTURES.map(({ name }) => name);
    for (const cell of CELLS) {
      expect(names).toContain(cell.capture);
      for (const contender of [createOurselves('/package'), createTestpmd()]) {
        expect(contender.command(cell, '/tmp/x.pcap')?.join(' ')).toContain('/tmp/x.pcap');
      }
    }
  });
});

describe('huge pages', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'model-t-pages-'));
    mkdirSync(join(root, 'proc/sys/vm'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const reserved = () => Number(readFileSync(join(root, 'proc/sys/vm/nr_hugepages'), 'utf8'));
  const pretend = (total: number, free: number, sizeKb = 2048): void => {
    writeFileSync(
      join(root, 'proc/meminfo'),
      `HugePages_Total: ${total}\nHugePages_Free:  ${free}\nHugepagesize:    ${sizeKb} kB\n`,
    );
    writeFileSync(join(root, 'proc/sys/vm/nr_hugepages'), `${total}\n`);
  };

  it('are left alone when enough are free', () => {
    pretend(512, 500);
    const lease = leaseHugePages(448, root);
    expect(lease.problem).toBeNull();
    lease.release();
    expect(reserved()).toBe(512);
  });

  it('are given back when the kernel has too few, and the lease says so', () => {
    pretend(10, 4);
    expect(leaseHugePages(448, root).problem).toContain('4 of 448');
    expect(reserved()).toBe(10);
  });

  it('of another size are refused', () => {
    pretend(4, 4, 1048576);
    expect(leaseHugePages(448, root).problem).toContain('1048576');
  });

  it('are found mounted only as hugetlbfs', () => {
    writeFileSync(join(root, 'proc/mounts'), 'tmpfs /dev/shm tmpfs rw 0 0\n');
    expect(hugetlbfsMounted(root)).toBe(false);
    writeFileSync(join(root, 'proc/mounts'), 'hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n');
    expect(hugetlbfsMounted(root)).toBe(true);
  });
});
