/** `bench stack`: its points follow the caches, and its bars are judged round by round from interleaved samples. */
import { describe, expect, it } from 'vitest';
import type { QueueSample } from '../../../harness/bench/queue-sample.js';
import { type MeasuredStackCell, stackBars } from '../../../harness/bench/stack-bars.js';
import { cellWords, stackCells } from '../../../harness/bench/stack-cells.js';
import { searchBars } from '../../../harness/bench/stack-searches.js';
import { parsePipeline } from '../../../stack/index.js';

const cache = (level: number, bytes: number) =>
  ({ level, type: 'unified', bytes, lineBytes: 64, ways: 8, sets: 8, sharedBy: [0] }) as const;
const CACHES = [cache(2, 1 << 20), cache(3, 1 << 24)];
const cells = stackCells(CACHES, 2);

describe('points', () => {
  it('fit the level that they are named after', () => {
    for (const { level, packets, frames, stride } of cells) {
      const slot = stride || (frames === 60 ? 64 : frames === 'imix' ? 350 : 1600);
      if (level === 'L2') expect(packets * (slot + 8)).toBeLessThanOrEqual(1 << 20);
      if (level === 'L3') expect(packets * slot).toBeGreaterThan(1 << 20);
      if (level === 'memory') expect(packets * slot).toBeGreaterThan(1 << 24);
    }
  });

  it('have pipelines that parse, names of their own, and words of the command line', () => {
    for (const { pipeline } of cells) expect(parsePipeline(pipeline).steps.length).toBeGreaterThan(0);
    expect(new Set(cells.map(({ name }) => name)).size).toBe(cells.length);
    const one = cells.find(({ readsOnly }) => readsOnly);
    expect(one && cellWords(one, [4, 5], 0.5)).toEqual(
      expect.arrayContaining(['bench', 'queue', '--cores', '4,5', '--read', '--json', '-']),
    );
  });

  it('use one core where there is one', () => {
    expect(stackCells(CACHES, 1).every(({ cores }) => cores === 1)).toBe(true);
  });
});

const sample = (cell: MeasuredStackCell, change: Partial<QueueSample>): QueueSample => ({
  ...cell,
  cores: [0],
  seconds: 1,
  queueBytes: 64 * cell.packets,
  packetsPerSecond: 400e6,
  bitsPerSecond: 0.5e12,
  wireBitsPerSecond: 0.8e12,
  cyclesPerPacket: 4,
  coreCyclesPerPacket: 5,
  digest: '',
  operations: cell.pipeline.split('|').map((name) => ({ name, variant: 'avx2', pass: -1, cyclesPerPacket: 2, verdicts: {} })),
  ...change,
});

function measured(change: (name: string, round: number) => Partial<QueueSample>): MeasuredStackCell[] {
  return cells.map((cell) => {
    const bare = { ...cell, samples: [] };
    return { ...bare, samples: [0, 1, 2].map((round) => sample(bare, change(cell.name, round))) };
  });
}

describe('bars', () => {
  const barOf = (bars: ReturnType<typeof stackBars>, what: string) => bars.find((bar) => bar.what.startsWith(what));

  it('are medians of each round against its own neighbours', () => {
    const bars = stackBars(
      measured((name, round) =>
        name === 'payload L3' ? { packetsPerSecond: [90, 1000, 80][round] ?? 0 } : { packetsPerSecond: 100 },
      ),
    );
    expect(barOf(bars, 'payload from L3')).toMatchObject({ value: { median: 0.9, minimum: 0.8, maximum: 10 }, isMet: true });
  });

  it('turn time-stamp cycles of one operation into those of the core', () => {
    expect(barOf(stackBars(measured(() => ({}))), 'eth, by itself')?.value.median).toBeCloseTo(2.5);
    expect(barOf(stackBars(measured(() => ({}))), 'ip4 and header checksum')?.value.median).toBeCloseTo(5);
  });

  it('are missed above what is at most, and below what is at least', () => {
    const bars = stackBars(measured((name) => (name === '33 nulls' ? { coreCyclesPerPacket: 15 } : {})));
    expect(barOf(bars, 'framework')).toMatchObject({ isMet: false, atMost: true });
    expect(barOf(bars, 'headers, 1514 B')).toMatchObject({ isMet: false, atMost: false });
    expect(barOf(bars, 'headers, 60 B, two cores')).toMatchObject({ isMet: true });
  });

  it('leave out filters where there is no libpcap', () => {
    const filters = Array.from({ length: 5 }, (_, index) => ({ expression: `${index}`, libpcap: 0, interpreter: 1, native: 1 }));
    const patterns = [{ patterns: 1, variant: 'avx2', bytesPerSecond: 2e10, occurrences: 1 }];
    const bars = searchBars([{ filters, patterns }], 'avx2');
    expect(bars.map(({ what }) => what.split(',')[0])).toEqual(['match', 'match', 'match', 'match']);
    expect(bars[0]).toMatchObject({ isMet: true, value: { median: 20 } });
  });
});
