/**
 * DPDK's own measurement of its ring, `ring_perf_autotest` of dpdk-test, as the peer of `model-t bench hop`. It runs all its parts
 * in one go (about 10 s), so that one run is one sample of each figure.
 *
 * What it prints for two cores is the sum of what both sides spend on an element, each busy all the time: half of it is the time
 * from one element to the next, which is what our consumer measures.
 */
import { spawnSync } from 'node:child_process';
import { failed, startChild } from './child.js';

const PROGRAM = 'dpdk-test';
const TEST = 'ring_perf_autotest';
const PROMPT = 'RTE>>';
/** A ring of 4096 elements needs little; huge pages are not worth taking from the machine for it. */
const MEMORY_MIB = 256;
const START_LIMIT_MS = 20_000;
const LIMIT_MS = 180_000;

export interface PeerFigure {
  /** `legacy`: pointers, 8 bytes each; `elem 16B`: as large as our descriptors. */
  readonly api: string;
  /** As DPDK says it: two physical cores, two hyperthreads, two NUMA nodes. */
  readonly between: string;
  readonly burst: number;
  /** Time-stamp cycles per element, one producer and one consumer, half of what is printed. */
  readonly cycles: number;
}

export interface HopPeer {
  /** One sentence on why it cannot run here and what to do about it; null when it can. */
  unavailable(): string | null;
  command(cores: readonly [number, number]): readonly string[];
  measure(cores: readonly [number, number]): Promise<readonly PeerFigure[]>;
}

export function createDpdkRing(): HopPeer {
  return { unavailable, command, measure };
}

function unavailable(): string | null {
  const { error } = spawnSync(PROGRAM, ['--help'], { stdio: 'ignore', timeout: START_LIMIT_MS });
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' ? `${PROGRAM} is not installed; on Debian: apt-get install dpdk` : null;
}

function command([first, second]: readonly [number, number]): readonly string[] {
  const memory = ['--no-pci', '--no-huge', '-m', `${MEMORY_MIB}`, '--file-prefix', `model-t-${process.pid}`];
  return [PROGRAM, '-l', `${first},${second}`, ...memory];
}

async function measure(cores: readonly [number, number]): Promise<readonly PeerFigure[]> {
  const child = startChild(command(cores), LIMIT_MS);
  await child.saying(PROMPT, START_LIMIT_MS);
  child.process.stdin?.write(`${TEST}\nquit\n`);
  const code = await child.ended;
  if (code !== 0) throw failed(PROGRAM, code === null ? 'it did not end' : `it ended with ${code}`);
  const figures = parseRingPerf(child.output());
  if (figures.length === 0) throw failed(PROGRAM, `${TEST} printed no figure for two cores`);
  return figures;
}

/** Of the sections on pairs of cores, one producer and one consumer; in the order printed. */
export function parseRingPerf(output: string): PeerFigure[] {
  const figures: PeerFigure[] = [];
  let between: string | null = null;
  for (const line of output.split('\n')) {
    const section = /^### Testing (.*) ###/.exec(line);
    if (section) between = /^using (two (?:physical cores|hyperthreads|NUMA nodes))$/.exec(section[1] ?? '')?.[1] ?? null;
    const figure = /^(legacy|elem) APIs:(?: element size (\S+):)? SP\/SC: bulk \(size: (\d+)\): ([\d.]+)\s*$/.exec(line);
    if (!figure || between === null) continue;
    const [, kind = '', size, burst, sum] = figure;
    figures.push({ api: size === undefined ? kind : `${kind} ${size}`, between, burst: Number(burst), cycles: Number(sum) / 2 });
  }
  return figures;
}
