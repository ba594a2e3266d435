/**
 * DPDK's testpmd as a contender: it replays a capture in a loop from memory (net_pcap, infinite_rx) on one worker core, and
 * either drops each packet (`rxonly`, mutates nothing) or checks and rewrites the IP checksum in software (`csum`).
 */
import { spawnSync } from 'node:child_process';
import { failed, startChild } from './child.js';
import { type Cell, type Contender, FIRST_CORE, type Sample, WORKER_CORE } from './contender.js';
import { hugetlbfsMounted } from './huge-pages.js';

const PROGRAM = 'dpdk-testpmd';
const MEMORY_MIB = 896;
/** What its memory takes, for the lease. */
export const TESTPMD_HUGE_PAGES = MEMORY_MIB / 2;

const PROMPT = 'testpmd> ';
/** Start-up was seen to take 1.5 to 3.5 s; commands sent earlier pile up and shorten the interval that is measured. */
const START_LIMIT_MS = 20_000;
const WARM_UP_MS = 1_000;
const MEASURED_MS = 2_000;
const LIMIT_MS = 40_000;

export function createTestpmd(): Contender {
  return { name: 'DPDK testpmd', unavailable, command, measure };
}

function unavailable(): string | null {
  const { error } = spawnSync(PROGRAM, ['--help'], { stdio: 'ignore', timeout: START_LIMIT_MS });
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOENT') return `${PROGRAM} is not installed; on Debian: apt-get install dpdk`;
  return null;
}

function command(cell: Cell, capturePath: string): readonly string[] {
  const pages = hugetlbfsMounted() ? ['--file-prefix', `model-t-${process.pid}`] : ['--in-memory'];
  const memory = ['--no-pci', '-l', `${FIRST_CORE},${WORKER_CORE}`, '-m', `${MEMORY_MIB}`, ...pages];
  const device = ['--vdev', `net_pcap0,rx_pcap=${capturePath},infinite_rx=1`];
  const forwarding = ['--nb-cores=1', '--port-topology=loop', '--burst=64', '--total-num-mbufs=65536'];
  return [PROGRAM, ...memory, ...device, '--', '-i', ...forwarding, `--forward-mode=${modeOf(cell)}`];
}

/** `csum` computes IP checksums in software unless told otherwise, which a running net_pcap port refuses anyway. */
function modeOf(cell: Cell): string {
  return cell.job === 'replay' ? 'rxonly' : 'csum';
}

async function measure(cell: Cell, capturePath: string): Promise<Sample> {
  const child = startChild(command(cell, capturePath), LIMIT_MS);
  const send = (line: string) => child.process.stdin?.write(`${line}\n`);
  await child.saying(PROMPT, START_LIMIT_MS);
  send('start');
  await pause(WARM_UP_MS);
  send('show port stats 0');
  await pause(MEASURED_MS);
  send('show port stats 0');
  send('stop');
  send('quit');
  const code = await child.ended;
  const sample = parseThroughput(child.output());
  if (code !== 0) throw failed(PROGRAM, code === null ? 'it did not end' : `it ended with ${code}`);
  if (sample === null) throw failed(PROGRAM, 'it printed no receive rate');
  return sample;
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The last of the rates, which is that between the last two requests, by testpmd's own clock. */
export function parseThroughput(output: string): Sample | null {
  const last = [...output.matchAll(/Rx-pps:\s+(\d+)\s+Rx-bps:\s+(\d+)/g)].at(-1);
  if (!last || Number(last[1]) === 0) return null;
  return { packetsPerSecond: Number(last[1]), bitsPerSecond: Number(last[2]) };
}
