/** `bench hop`: what dpdk-test prints, tables and bars, and the command with made-up hops and a made-up peer. */
import { describe, expect, it } from 'vitest';
import { barLines, barOf } from '../../../harness/bench/bars.js';
import { benchHop, type HopFlags } from '../../../harness/bench/hop.js';
import { createDpdkRing, type HopPeer, parseRingPerf } from '../../../harness/bench/hop-peer.js';
import { BURSTS, type HopCell, hopBars, hopTable, peerFigures } from '../../../harness/bench/hop-table.js';
import type { Context } from '../../../harness/context.js';
import { native } from '../../../stack/index.js';
import { MACHINE } from '../fake.js';

/** As DPDK 22.11 prints it, cut short. */
const PRINTED = `EAL: Detected CPU lcores: 2
RTE>>ring_perf_autotest

### Testing single element enq/deq ###
legacy APIs: SP/SC: single: 28.78

### Testing bulk enq/deq ###
legacy APIs: SP/SC: bulk (size: 8): 33.82
legacy APIs: MP/MC: bulk (size: 32): 88.39

### Testing empty bulk deq ###
legacy APIs: SP/SC: bulk (size: 8): 8.86

### Testing using two physical cores ###
legacy APIs: SP/SC: bulk (size: 8): 27.19
legacy APIs: MP/MC: bulk (size: 8): 45.55
legacy APIs: SP/SC: bulk (size: 32): 10.37
legacy APIs: MP/MC: bulk (size: 32): 13.73

### Testing using all worker nodes ###

Bulk enq/dequeue count on size 8
Core [0] count = 508777
Total count (size: 8): 970121
legacy APIs: SP/SC: bulk (size: 8): 1.00

### Testing using two hyperthreads ###
elem APIs: element size 16B: SP/SC: bulk (size: 8): 147.13
elem APIs: element size 16B: MP/MC: bulk (size: 8): 176.37
elem APIs: element size 16B: SP/SC: bulk (size: 256): 42.5
Test OK
RTE>>quit
`;

describe('what dpdk-test prints', () => {
  it('is read where two cores meet, one producer and one consumer, half of each sum', () => {
    expect(parseRingPerf(PRINTED)).toEqual([
      { api: 'legacy', between: 'two physical cores', burst: 8, cycles: 27.19 / 2 },
      { api: 'legacy', between: 'two physical cores', burst: 32, cycles: 10.37 / 2 },
      { api: 'elem 16B', between: 'two hyperthreads', burst: 8, cycles: 147.13 / 2 },
      { api: 'elem 16B', between: 'two hyperthreads', burst: 256, cycles: 21.25 },
    ]);
  });

  it('is nothing when the test failed or did not run', () => {
    expect(parseRingPerf('RTE>>ring_perf_autotest\nTest Failed\nRTE>>quit\n')).toEqual([]);
    expect(parseRingPerf('')).toEqual([]);
  });

  it('comes from the cores that were asked for, without huge pages', () => {
    const command = createDpdkRing().command([2, 3]).join(' ');
    expect(command).toContain('-l 2,3');
    expect(command).toContain('--no-huge');
  });
});

const sampled = (cycles: number) => ({ cycles, fastest: cycles - 1, slowest: cycles + 1, windows: 10, packets: 1e6 });
const cell = (ring: HopCell['ring'], burst: number, ...cycles: number[]): HopCell => ({
  ring,
  burst,
  samples: cycles.map(sampled),
});

describe('samples of hops', () => {
  it('peers: a figure that a round lacks is left out, the others hold every round', () => {
    const [legacy, , elem] = parseRingPerf(PRINTED);
    if (!legacy || !elem) throw new Error('no figures');
    const figures = peerFigures([[legacy, elem], [{ ...legacy, cycles: 5 }]]);
    expect(figures).toEqual([{ api: 'legacy', between: 'two physical cores', burst: 8, cycles: [27.19 / 2, 5] }]);
    expect(peerFigures([])).toEqual([]);
  });

  it('table: a row for each burst of anybody, a column for each ring, gaps where nobody measured', () => {
    const lines = hopTable({ cells: [cell('descriptors', 32, 5, 9, 7), cell('stages', 32, 3)], peer: [parseRingPerf(PRINTED)] });
    expect(lines).toHaveLength(4);
    expect(lines[0]).toContain('DPDK legacy, two physical cores');
    expect(lines[2]).toMatch(/^32 .*7\.00 \(5\.00–9\.00\) .*3\.00 .*5\.1[89] .*-$/);
    expect(lines[3]).toMatch(/^256 +- +- +- +21\.25/);
  });

  it('bars: at bursts of 256 and 32, for each ring, by the median', () => {
    const cells = [
      cell('descriptors', 256, 5, 7, 5.5),
      cell('descriptors', 32, 15),
      cell('stages', 256, 6),
      cell('stages', 8, 90),
    ];
    expect(hopBars(cells).map(({ what, bound, isMet }) => [what, bound, isMet])).toEqual([
      ['descriptors, bursts of 256, cycles per packet', 6, true],
      ['descriptors, bursts of 32, cycles per packet', 14, false],
      ['stages, bursts of 256, cycles per packet', 6, true],
    ]);
  });

  it('bars say which way they go, and no value meets none', () => {
    expect(barLines([barOf('this', 'x', 2, [3, 1, 2]), barOf('that', '', 2, [3], true), barOf('it', 'x', 1, [])])).toEqual([
      'met    this: 2.00 x (1.00–3.00); bar: at least 2',
      'MISSED that: 3.00 (3.00–3.00); bar: at most 2',
      'MISSED it: NaN x (NaN–NaN); bar: at least 1',
    ]);
  });
});

const FLAGS: HopFlags = { rounds: '2', seconds: '0.2', peer: true, seed: '1' };

async function bench(flags: Partial<HopFlags> = {}, problem: string | null = null, hop?: () => Promise<never>) {
  const asked: string[] = [];
  const out: string[] = [];
  const err: string[] = [];
  const peer: HopPeer = {
    ...createDpdkRing(),
    unavailable: () => problem,
    measure: async () => {
      asked.push('DPDK');
      return parseRingPerf(PRINTED);
    },
  };
  const measureHop: Context['native']['measureHop'] = async ({ ring, burst, producerCpu, consumerCpu }) => {
    asked.push(`${ring} ${burst} ${producerCpu} ${consumerCpu}`);
    return hop ? await hop() : sampled(ring === 'stages' ? 4 : 5);
  };
  const context = {
    native: { measureHop },
    describeMachine: () => MACHINE,
    print: (line: string) => out.push(line),
    note: (line: string) => err.push(line),
    status: null,
    onInterrupt: () => () => {},
  } as unknown as Context;
  const end = await benchHop({ ...FLAGS, ...flags }, context, peer).catch(
    (error) => error as { exitCode: number; message: string },
  );
  return { end, asked, out, err };
}

describe('the command', () => {
  it('measures every ring and burst once a round, the peer behind them, in an order of the seed', async () => {
    const { end, asked } = await bench({ cores: '1,0' });
    expect(end).toBe(0);
    expect(asked.filter((what) => what === 'DPDK')).toHaveLength(2);
    expect(asked[10]).toBe('DPDK');
    expect(new Set(asked.slice(0, 10)).size).toBe(2 * BURSTS.length);
    expect(asked[0]).toMatch(/ 1 0$/);
    expect(asked.slice(11, 21)).not.toEqual(asked.slice(0, 10));
    expect((await bench({ cores: '1,0' })).asked).toEqual(asked);
  });

  it('says what is left out, and goes on', async () => {
    const { end, asked, err, out } = await bench({}, 'dpdk-test is not installed');
    expect(end).toBe(0);
    expect(asked).not.toContain('DPDK');
    expect(err.join('\n')).toContain("DPDK's ring is left out: dpdk-test is not installed");
    expect(out.join('\n')).toContain('met    descriptors, bursts of 256');
    expect((await bench({ peer: false })).asked).not.toContain('DPDK');
  });

  it('keeps every sample in the result', async () => {
    const { out } = await bench({ json: '-' });
    const result = JSON.parse(out.join('\n'));
    expect(result).toMatchObject({ schema: 'model-t/bench-hop', settings: { cores: [0, 1], rounds: 2, seed: 1 } });
    expect(result.cells).toHaveLength(10);
    expect(result.cells[0].samples).toHaveLength(2);
    expect(result.peer.figures[0].cycles).toHaveLength(2);
  });

  it.each([
    [{ cores: '0' }, 2],
    [{ cores: '0,7' }, 2],
    [{ rounds: '0' }, 2],
    [{ seconds: '61' }, 2],
  ] as const)('refuses %o', async (flags, exitCode) => {
    expect((await bench(flags)).end).toMatchObject({ exitCode });
  });

  it('a hop that fails is named with its reason', async () => {
    const { end } = await bench({}, null, () => Promise.reject(new Error('a burst did not arrive')));
    expect(end).toMatchObject({ exitCode: 3, message: expect.stringMatching(/bursts of \d+: a burst did not arrive/) });
  });
});

describe('the native hop', () => {
  const config = { burst: 32, producerCpu: -1, consumerCpu: -1, seconds: 0.5 };
  it.each(['descriptors', 'stages'] as const)('%s: packets arrive, whole and in order', async (ring) => {
    const { cycles, fastest, slowest, windows, packets } = await native.measureHop({ ...config, ring });
    expect(windows).toBeGreaterThan(0);
    expect(packets).toBeGreaterThan(65536);
    expect(fastest).toBeGreaterThan(0);
    expect(cycles).toBeGreaterThanOrEqual(fastest);
    expect(slowest).toBeGreaterThanOrEqual(cycles);
  });

  it('refuses bursts and times that are none', () => {
    expect(() => native.measureHop({ ...config, ring: 'stages', burst: 257 })).toThrow('1 to 256');
    expect(() => native.measureHop({ ...config, ring: 'stages', seconds: 0 })).toThrow('60 seconds');
    expect(() => native.measureHop({ ...config, ring: 'other' as 'stages' })).toThrow("'other'");
  });
});
