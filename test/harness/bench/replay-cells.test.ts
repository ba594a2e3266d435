/** What `bench replay` measures and in which order, and what its flags mean. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  captureOf,
  chosenAdapters,
  geometries,
  type ReplayCell,
  replayCells,
  type Sweep,
  shuffled,
} from '../../../harness/bench/replay-cells.js';
import { addReplayBenchFlags, type ReplayBenchFlags, replayBenchOptions } from '../../../harness/bench/replay-flags.js';
import { copyWords, readBackWords, replayWords } from '../../../harness/bench/replay-sample.js';
import { randomSource } from '../../../harness/generate.js';
import type { AdapterDescription } from '../../../replay/index.js';
import { GPU } from '../fake.js';

const SOFT = GPU.adapters[0] as AdapterDescription;
const HARD: AdapterDescription = { ...SOFT, name: 'Made-up GPU 9000', kind: 'discrete' };
const WEAK: AdapterDescription = { ...SOFT, name: 'Made-up Graphics', kind: 'integrated' };
const MIB = 2 ** 20;
const SWEEP: Sweep = { sizes: [60, 'imix'], batches: null, buffers: null, isQuick: false };

describe('adapters', () => {
  const names = (choice: string | null, found: readonly AdapterDescription[] = [SOFT, HARD, WEAK]) =>
    chosenAdapters(found, choice).map(({ name }) => name);

  it('are all that there are, hardware first, each once', () => {
    expect(names(null)).toEqual([HARD.name, WEAK.name, SOFT.name]);
    expect(names(null, [SOFT, HARD, HARD])).toEqual([HARD.name, SOFT.name]);
  });

  it.each([
    ['hardware', [HARD.name, WEAK.name]],
    ['software', [SOFT.name]],
    ['auto', [HARD.name]],
    ['9000', [HARD.name]],
    ['made-up graphics', [WEAK.name]],
    ['MADE-UP', [HARD.name, WEAK.name, SOFT.name]],
  ])('are those that %s names', (choice, expected) => {
    expect(names(choice)).toEqual(expected);
  });

  it('that are not there are refused with those that are; with none at all there is nothing to choose from', () => {
    expect(() => names('8000')).toThrow('--gpu "8000" names no adapter here');
    expect(() => names('hardware', [SOFT])).toThrow('names no adapter');
    expect(names('hardware', [])).toEqual([]);
  });
});

describe('cells', () => {
  it('are per size the native engine, then each adapter with each geometry', () => {
    const cells = replayCells([HARD, SOFT], { ...SWEEP, batches: [MIB, 4 * MIB], buffers: [1, 3] });
    expect(cells).toHaveLength(2 * (1 + 2 * 4));
    expect(cells.slice(0, 3).map(({ name }) => name)).toEqual([
      '60 B, native',
      '60 B, webgpu on Made-up GPU 9000, 1 MiB × 1',
      '60 B, webgpu on Made-up GPU 9000, 1 MiB × 3',
    ]);
    expect(new Set(cells.map(({ name }) => name)).size).toBe(cells.length);
    expect(cells.at(-1)).toMatchObject({ size: 'imix', adapter: { name: SOFT.name }, geometry: { batchBytes: 4 * MIB } });
  });

  it('take geometries that suit the adapter, one of them when quick, and those asked for above all', () => {
    expect(geometries(SOFT, SWEEP)).toHaveLength(6);
    expect(geometries(SOFT, { ...SWEEP, isQuick: true })).toEqual([{ batchBytes: 4 * MIB, buffers: 3 }]);
    expect(geometries(HARD, { ...SWEEP, isQuick: true })).toEqual([{ batchBytes: 16 * MIB, buffers: 4 }]);
    expect(geometries(HARD, { ...SWEEP, isQuick: true, batches: [MIB] })).toEqual([{ batchBytes: MIB, buffers: 4 }]);
  });

  it('have captures of captured sizes with UDP checksums', () => {
    expect(captureOf(512).flags.join(' ')).toContain('--sizes 512:1 --protocols udp:1');
    expect(captureOf('imix').flags.join(' ')).toContain('--sizes 60:7,590:4,1514:1');
    expect(captureOf(60).flags).not.toContain('--udp-checksum');
  });

  it('come in an order that the seed decides and that changes from round to round', () => {
    const values = Array.from({ length: 20 }, (_, index) => index);
    const rounds = (seed: number): number[][] => {
      const random = randomSource(seed);
      return [shuffled(values, random), shuffled(values, random)];
    };
    expect(rounds(7)).toEqual(rounds(7));
    expect(rounds(7)).not.toEqual(rounds(8));
    expect(rounds(7)[0]).not.toEqual(rounds(7)[1]);
    expect(rounds(7)[0]?.toSorted((a, b) => a - b)).toEqual(values);
  });
});

describe('commands', () => {
  const settings = { seconds: 1, target: 'null', isChecked: false } as const;
  const [native, webgpu] = replayCells([SOFT], { ...SWEEP, isQuick: true }) as [ReplayCell, ReplayCell];

  it('are what a user would type', () => {
    const common = '--to null --rewrite src=10.0.0.0/8 --unique packet --duration 1s --quiet --json -';
    expect(replayWords(native, 'a.pcap', settings).join(' ')).toBe(`replay a.pcap --engine native ${common}`);
    const words = replayWords(webgpu, 'a.pcap', settings);
    expect(words.slice(0, 6)).toEqual(['replay', 'a.pcap', '--engine', 'webgpu', '--gpu', SOFT.name]);
    expect(words.slice(6).join(' ')).toBe(`--batch 4194304 --buffers 3 ${common}`);
  });

  it('ask for checked kernels and for another reader', () => {
    const words = replayWords(webgpu, 'a.pcap', { ...settings, target: 'stack', isChecked: true }).join(' ');
    expect(words).toContain('--checked --to stack');
    expect(replayWords(native, 'a.pcap', { ...settings, isChecked: true })).not.toContain('--checked');
  });

  it('measure the limits with the same geometry', () => {
    const geometry = { batchBytes: MIB, buffers: 2 };
    expect(readBackWords('Soft', geometry, 1).join(' ')).toBe(
      'bench read-back --gpu Soft --batch 1048576 --buffers 2 --seconds 0.5',
    );
    expect(copyWords('a.pcap', geometry, 1).join(' ')).toBe('bench memory-copy a.pcap --batch 1048576 --buffers 2 --seconds 0.5');
    expect(copyWords('a.pcap', null, 1).join(' ')).toBe('bench memory-copy a.pcap --seconds 0.5');
  });
});

describe('flags', () => {
  const options = (...words: string[]) => {
    const command = addReplayBenchFlags(new Command())
      .exitOverride()
      .configureOutput({ writeErr: () => {} });
    return replayBenchOptions(command.parse(words, { from: 'user' }).opts<ReplayBenchFlags>(), 42);
  };

  it('have defaults', () => {
    expect(options()).toEqual({
      isQuick: false,
      rounds: 5,
      seconds: 1,
      sizes: [60, 512, 1514, 'imix'],
      batches: null,
      buffers: null,
      gpu: null,
      target: 'null',
      isChecked: false,
      seed: 42,
      json: null,
    });
    expect(options('--quick')).toMatchObject({ isQuick: true, rounds: 2, seconds: 0.5 });
  });

  it('are read', () => {
    const words = '--quick --rounds 3 --seconds 250ms --sizes imix,64 --batch 1MiB,64k --buffers 1,2 --gpu Soft --target stack';
    expect(options(...words.split(' '), '--checked', '--seed', '7', '--json', '-')).toEqual({
      isQuick: true,
      rounds: 3,
      seconds: 0.25,
      sizes: ['imix', 64],
      batches: [MIB, 65536],
      buffers: [1, 2],
      gpu: 'Soft',
      target: 'stack',
      isChecked: true,
      seed: 7,
      json: '-',
    });
  });

  it.each([
    ['--rounds', '0'],
    ['--seconds', '0'],
    ['--seconds', '1h'],
    ['--sizes', '59'],
    ['--sizes', '60,60'],
    ['--sizes', ''],
    ['--batch', 'big'],
    ['--batch', '1MiB,1024k'],
    ['--buffers', '1,,2'],
    ['--seed', '-1'],
    ['--target', 'moon'],
  ])('%s %s is refused by name', (flag, value) => {
    expect(() => options(flag, value)).toThrow(flag);
  });
});
