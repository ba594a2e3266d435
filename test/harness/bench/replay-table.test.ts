/** Samples of `bench replay` as a table, and against the bars of a hardware GPU. */
import { describe, expect, it } from 'vitest';
import { barLines, barsOf, type MeasuredCell, replayTable } from '../../../harness/bench/replay-table.js';
import type { AdapterDescription } from '../../../replay/index.js';
import { GPU } from '../fake.js';

const MIB = 2 ** 20;
const SOFT = GPU.adapters[0] as AdapterDescription;
const HARD: AdapterDescription = { ...SOFT, name: 'Made-up GPU 9000', kind: 'discrete' };

describe('table and bars', () => {
  const cell = (adapter: AdapterDescription | null, size: number, buffers: number, pps: number, kernel: number | null) => {
    const geometry = { batchBytes: 4 * MIB, buffers };
    const measured: MeasuredCell = {
      name: `${size} B, ${adapter?.name ?? 'native'}, ${buffers}`,
      size,
      engine: adapter ? 'webgpu' : 'native',
      adapter: adapter && { name: adapter.name, kind: adapter.kind },
      geometry: adapter && geometry,
      capture: 'p',
      command: [],
      samples: [
        {
          round: 1,
          packetsPerSecond: pps,
          bitsPerSecond: pps * 8 * size,
          slotBytesPerSecond: pps * 576,
          copyBytesPerSecond: 40e6 * size,
          gpu: adapter && {
            ...geometry,
            readBackBytesPerSecond: 25e6 * 576,
            kernelShare: kernel,
            threadShare: 0.1,
            hostCopiedBytes: 0,
          },
        },
      ],
    };
    return measured;
  };

  it('prints a row per cell, columns aligned', () => {
    const lines = replayTable([cell(null, 512, 1, 30e6, null), cell(SOFT, 512, 3, 20e6, 0.25), cell(SOFT, 512, 1, 10e6, null)]);
    expect(lines[0]).toMatch(/^frames +engine +batch × K +median +min–max +L2 median +of read-back +of memcpy +kernels +JS$/);
    expect(lines[1]).toMatch(/^512 B +native +30\.0 Mpps +30\.0 Mpps–30\.0 Mpps +122\.9 Gbit\/s +75 % \(75–75\)$/);
    expect(lines[2]).toMatch(/^ +webgpu: .* 4 MiB × 3 +20\.0 Mpps .* 80 % \(80–80\) +50 % \(50–50\) +25 % +10 %$/);
    expect(lines[2]?.indexOf('webgpu')).toBe(lines[1]?.indexOf('native'));
  });

  it('holds the fastest geometry of each hardware adapter to the bars, for 512 bytes and up', () => {
    const cells = [
      cell(null, 512, 1, 30e6, null),
      cell(SOFT, 512, 3, 20e6, 0.5),
      cell(HARD, 60, 4, 24e6, 0.5),
      cell(HARD, 512, 1, 10e6, 0.01),
      cell(HARD, 512, 4, 24e6, 0.04),
      cell(HARD, 1514, 4, 20e6, null),
    ];
    expect(barsOf(cells).map(({ cell: name, what, isMet }) => [name, what, isMet])).toEqual([
      [`512 B, ${HARD.name}, 4`, 'part of read-back', true],
      [`512 B, ${HARD.name}, 4`, 'kernel share', true],
      [`1514 B, ${HARD.name}, 4`, 'part of read-back', false],
      [`1514 B, ${HARD.name}, 4`, 'kernel share', false],
    ]);
    expect(barLines(barsOf(cells))).toEqual([
      `bar: 512 B, ${HARD.name}, 4: at least 90 % of read-back: met with 96.0 %`,
      `bar: 512 B, ${HARD.name}, 4: kernels below 10 %: met with 4.0 %`,
      `bar: 1514 B, ${HARD.name}, 4: at least 90 % of read-back: MISSED with 80.0 %`,
      `bar: 1514 B, ${HARD.name}, 4: kernels below 10 %: unknown, the device has no timestamps`,
    ]);
    expect(barsOf(cells.slice(0, 3))).toEqual([]);
  });
});
