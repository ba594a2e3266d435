/**
 * `model-t bench peers`: what users would pick instead, on the same captures, cores and huge pages, in alternation.
 *
 *   captures (trace gen) ─► for each cell: round 1..N: Model-T, peer, memcpy, Model-T, peer, memcpy … ─► medians and ratios
 *
 * Each sample is a fresh process. A peer that is missing is named and left out; with none left the exit code is 3. Touches a
 * temporary folder, child processes, and the machine's huge pages for as long as it runs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { ModelTError } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { writeResult } from '../result-file.js';
import { barLines } from './bars.js';
import { type CellResult, summarize, table } from './comparison.js';
import { CAPTURES, CELLS, type Cell, type Contender, WORKER_CORE } from './contender.js';
import { generateCaptures } from './files.js';
import { leaseHugePages } from './huge-pages.js';
import { createOurselves } from './ourselves.js';
import { ownCommand } from './own-command.js';
import { peerBars } from './peer-bars.js';
import { roundsOf } from './settings.js';
import { createTestpmd, TESTPMD_HUGE_PAGES } from './testpmd.js';

/** Pages for our own ring and trace image while testpmd is not running come out of the same reserve. */
const HUGE_PAGES = TESTPMD_HUGE_PAGES + 64;
const COPY_SECONDS = 0.5;

export interface PeersOptions {
  readonly rounds: number;
  /** File for the result, `-` for standard output, null for none. */
  readonly json: string | null;
}

export function registerPeers(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('peers')
    .description('compare with DPDK testpmd on this machine, interleaved')
    .option('--rounds <N>', 'samples of each contender', '5')
    .option('--json <FILE>', 'write samples, medians and ratios as JSON; - = standard output')
    .action(async (flags: { rounds: string; json?: string }) => {
      const rounds = roundsOf(flags.rounds);
      finish(await comparePeers({ rounds, json: flags.json ?? null }, context));
    });
}

export async function comparePeers(options: PeersOptions, context: Context): Promise<number> {
  const machine = context.describeMachine();
  if (!machine.cpus.includes(WORKER_CORE)) {
    throw new ModelTError('TOO_FEW_CORES', `CPU ${WORKER_CORE} is not available`, 3, 'Run on a machine with two CPUs or more');
  }
  // A signal ends the comparison in order: the huge pages of the machine have to be given back.
  let interrupted = false;
  const release = context.onInterrupt(() => {
    interrupted = true;
  });
  const folder = mkdtempSync(join(tmpdir(), 'model-t-peers-'));
  const pages = leaseHugePages(HUGE_PAGES);
  try {
    const peers = availablePeers([createTestpmd()], pages.problem, context);
    const contenders = [createOurselves(context.packageRoot), ...peers];
    const captures = await generateCaptures(folder, CAPTURES, ownCommand(context.packageRoot));
    const results: CellResult[] = [];
    for (const cell of CELLS) {
      const path = captures.get(cell.capture) as string;
      results.push(await measureCell(cell, path, contenders, options.rounds, context, () => interrupted));
    }
    report(results, options, machine, context);
    return 0;
  } catch (error) {
    // Children get the terminal's signal too, and fail of it.
    throw interrupted ? new ModelTError('INTERRUPTED', 'Interrupted; nothing is reported', 130) : error;
  } finally {
    release();
    pages.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

function availablePeers(peers: readonly Contender[], pageProblem: string | null, context: Context): readonly Contender[] {
  const usable = peers.filter((peer) => {
    const problem = peer.unavailable() ?? pageProblem;
    if (problem !== null) context.note(`${peer.name} is left out: ${problem}`);
    return problem === null;
  });
  if (usable.length > 0) return usable;
  throw new ModelTError('NO_PEER', 'No peer can be compared with here', 3, 'See the lines above for what each one lacks');
}

async function measureCell(
  cell: Cell,
  path: string,
  contenders: readonly Contender[],
  rounds: number,
  context: Context,
  interrupted: () => boolean,
): Promise<CellResult> {
  const entered = contenders.flatMap((contender) => {
    const command = contender.command(cell, path);
    return command === null
      ? []
      : [{ contender, name: contender.name, command, samples: [] as { packetsPerSecond: number; bitsPerSecond: number }[] }];
  });
  const copyBytesPerSecond: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const { contender, name, samples } of entered) {
      if (interrupted()) throw new ModelTError('INTERRUPTED', 'Interrupted; nothing is reported', 130);
      context.status?.(`${cell.name}, round ${round} of ${rounds}: ${name}`);
      samples.push(await contender.measure(cell, path));
    }
    if (cell.job === 'replay') copyBytesPerSecond.push(await copyRate(path, context));
  }
  context.status?.(null);
  return {
    cell: cell.name,
    capture: cell.capture,
    ...(cell.bar && { bar: cell.bar }),
    contenders: entered.map(({ name, command, samples }) => ({ name, command, samples })),
    copyBytesPerSecond,
  };
}

/** memcpy of the same packets into a ring of the same size: what no copying replayer can beat. */
async function copyRate(path: string, context: Context): Promise<number> {
  const trace = await context.replay.openTrace([path]);
  try {
    await trace.loaded;
    const plan = context.replay.planReplay({ inputs: [path], target: { kind: 'null' } }, context.describeMachine());
    return context.replay.measureTraceCopy(trace, plan.ringBytes, COPY_SECONDS);
  } finally {
    trace.close();
  }
}

function report(results: readonly CellResult[], options: PeersOptions, machine: unknown, context: Context): void {
  const bars = peerBars(results);
  if (options.json !== '-') for (const line of [...table(results), ...barLines(bars)]) context.print(line);
  if (options.json === null) return;
  const cells = results.map((result) => ({ ...result, summary: summarize(result) }));
  const text = JSON.stringify(
    { schema: 'model-t/peers', schemaVersion: '1.1.0', machine, rounds: options.rounds, cells, bars },
    null,
    2,
  );
  if (options.json === '-') context.print(text);
  else writeResult(options.json, `${text}\n`);
}
