/**
 * `model-t bench hop`: what it costs to hand a packet to another core, through the ring of a replay and through the ring between
 * stages of a path, in bursts of several sizes; against DPDK's ring as dpdk-test measures it.
 *
 *   round 1..N: our rings and bursts in random order (threads and memory of their own each time) ─► dpdk-test ─► medians, bars
 *
 * Nothing is done with packets on the way. Called by bench.ts; our samples run in this process, the peer's in a child.
 */
import type { Command } from 'commander';
import { ModelTError, type NativeHopResult } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { randomSource } from '../generate.js';
import { refuseUnwritable, writeResult } from '../result-file.js';
import { labelled, parseDuration, usageError } from '../units.js';
import { barLines } from './bars.js';
import { createDpdkRing, type HopPeer, type PeerFigure } from './hop-peer.js';
import { BURSTS, type HopMeasured, hopBars, hopTable, peerFigures, RINGS } from './hop-table.js';
import { type Guard, interruptible } from './interruptible.js';
import { shuffled } from './replay-cells.js';
import { coresOf, roundsOf, seedOf } from './settings.js';

const HOP_SCHEMA_VERSION = '1.0.0';
const LONGEST_SECONDS = 60;

export interface HopFlags {
  readonly cores?: string;
  readonly rounds: string;
  readonly seconds: string;
  readonly peer: boolean;
  readonly seed?: string;
  readonly json?: string;
}

interface HopOptions {
  /** Producer, consumer. */
  readonly cores: readonly [number, number];
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
}

export function registerHop(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('hop')
    .description('cycles per packet from one core to another, against the ring of DPDK')
    .option('--cores <LIST>', 'two of them: who writes, who reads (default: the first two)')
    .option('--rounds <N>', 'samples of each figure', '5')
    .option('--seconds <S>', 'length of each of our samples', '0.2')
    .option('--no-peer', 'leave out DPDK, which takes about 10 seconds a round')
    .option('--seed <N>', 'order in which figures are measured (default: another one each time, and told)')
    .option('--json <FILE>', 'write all samples as JSON; - = standard output')
    .action(async (flags: HopFlags) => {
      finish(await benchHop(flags, context, createDpdkRing()));
    });
}

export async function benchHop(flags: HopFlags, context: Context, peer: HopPeer): Promise<number> {
  const options = hopOptions(flags, context);
  if (flags.json !== undefined && flags.json !== '-') refuseUnwritable(flags.json);
  const problem = flags.peer ? peer.unavailable() : 'not asked for';
  if (flags.peer && problem !== null) context.note(`DPDK's ring is left out: ${problem}`);
  context.note(`${options.rounds} rounds, in an order of --seed ${options.seed}`);
  const guard = interruptible(context, { stop: () => {} });
  let measured: HopMeasured;
  try {
    measured = await measureRounds(options, problem === null ? peer : null, context, guard);
  } finally {
    context.status?.(null);
    guard.release();
  }
  report(measured, options, problem === null ? peer.command(options.cores) : null, flags.json ?? null, context);
  return 0;
}

function hopOptions(flags: HopFlags, context: Context): HopOptions {
  const machine = context.describeMachine();
  const given = coresOf(flags.cores, machine);
  const [first, second] = given;
  if (first === undefined || second === undefined) {
    if (flags.cores === undefined)
      throw new ModelTError('TOO_FEW_CORES', 'A hop takes two CPUs, this process has one', 3, 'Run where there are two or more');
    throw usageError(`--cores ${flags.cores} names one CPU`, 'A hop is from one to another: 0,1 for example');
  }
  if (given.length > 2) throw usageError(`--cores ${flags.cores} names ${given.length} CPUs`, 'A hop is from one to another');
  const seconds = labelled('--seconds', () => parseDuration(flags.seconds));
  if (seconds > LONGEST_SECONDS)
    throw usageError(`--seconds ${flags.seconds} is more than ${LONGEST_SECONDS}`, 'Ask for more --rounds instead');
  return {
    cores: [first, second],
    rounds: roundsOf(flags.rounds),
    seconds,
    seed: seedOf(flags.seed),
  };
}

async function measureRounds(options: HopOptions, peer: HopPeer | null, context: Context, guard: Guard): Promise<HopMeasured> {
  const { cores, rounds, seconds, seed } = options;
  const random = randomSource(seed);
  const cells = RINGS.flatMap((ring) => BURSTS.map((burst) => ({ ring, burst, samples: [] as NativeHopResult[] })));
  const figures: (readonly PeerFigure[])[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const { ring, burst, samples } of shuffled(cells, random)) {
      context.status?.(`round ${round} of ${rounds}: ${ring}, bursts of ${burst}`);
      const [producerCpu, consumerCpu] = cores;
      samples.push(await guard(() => measureOne(context, { ring, burst, producerCpu, consumerCpu, seconds })));
    }
    if (peer === null) continue;
    context.status?.(`round ${round} of ${rounds}: DPDK`);
    figures.push(await guard(() => peer.measure(cores)));
  }
  return { cells, peer: figures };
}

async function measureOne(context: Context, config: Parameters<Context['native']['measureHop']>[0]): Promise<NativeHopResult> {
  try {
    return await context.native.measureHop(config);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const remedy = 'Is another program busy on these CPUs? Try other --cores, or more --seconds';
    throw new ModelTError('HOP_FAILED', `${config.ring}, bursts of ${config.burst}: ${reason}`, 3, remedy);
  }
}

function report(
  measured: HopMeasured,
  { cores, rounds, seconds, seed }: HopOptions,
  peerCommand: readonly string[] | null,
  json: string | null,
  context: Context,
): void {
  const bars = hopBars(measured.cells);
  const result = {
    schema: 'model-t/bench-hop',
    schemaVersion: HOP_SCHEMA_VERSION,
    machine: context.describeMachine(),
    settings: { cores, rounds, seconds, seed },
    cells: measured.cells,
    peer: peerCommand === null ? null : { command: peerCommand, figures: peerFigures(measured.peer) },
    bars,
  };
  const text = JSON.stringify(result, null, 2);
  if (json === '-') {
    context.print(text);
    return;
  }
  if (json !== null) writeResult(json, `${text}\n`);
  context.print(`time-stamp cycles per packet from core ${cores[0]} to core ${cores[1]}: median of ${rounds} (least–most)`);
  for (const line of [...hopTable(measured), '', ...barLines(bars)]) context.print(line);
}
