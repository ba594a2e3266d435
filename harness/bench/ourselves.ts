/** Model-T as a contender: the same command a user types, in a fresh process for each sample. */
import { join } from 'node:path';
import { failed, startChild } from './child.js';
import { type Cell, type Contender, FIRST_CORE, type Job, type Sample, WORKER_CORE } from './contender.js';

const LIMIT_MS = 60_000;
const PIPELINE = 'eth | ip4 | ip6 | tcp | udp | checksum-verify | count';
const NEW_SOURCES = ['--rewrite', 'src=10.0.0.0/8', '--unique', 'packet'];

const BOTH_CORES = ['--to', 'stack', '--ops', PIPELINE, '--cores', `${FIRST_CORE},${WORKER_CORE}`];

const TARGETS: Readonly<Record<Job, readonly string[]>> = {
  replay: ['--to', 'null', '--cores', `${WORKER_CORE}`],
  stack: BOTH_CORES,
  placed: [...BOTH_CORES, '--placement', 'auto'],
};

export function createOurselves(packageRoot: string): Contender {
  const main = join(packageRoot, 'dist/harness/main.js');
  const command = (cell: Cell, capturePath: string): readonly string[] => {
    return [
      process.execPath,
      main,
      'replay',
      capturePath,
      ...TARGETS[cell.job],
      ...NEW_SOURCES,
      '--duration',
      '2s',
      '--quiet',
      '--json',
      '-',
    ];
  };
  const measure = async (cell: Cell, capturePath: string): Promise<Sample> => {
    const child = startChild(command(cell, capturePath), LIMIT_MS);
    const code = await child.ended;
    if (code !== 0) throw failed('model-t replay', code === null ? 'it did not end' : `it ended with ${code}`);
    return parseOutcome(child.output());
  };
  return { name: 'Model-T', unavailable: () => null, command, measure };
}

/** A rate counts only when every packet is accounted for and what was delivered is what the reference says. */
export function parseOutcome(json: string): Sample {
  const { conserved, verified, totals } = JSON.parse(json) as {
    conserved: boolean;
    verified: { ok: boolean };
    totals: Sample;
  };
  if (!conserved) throw failed('model-t replay', 'the run was not conserved');
  if (!verified.ok) throw failed('model-t replay', 'what was delivered was not what the reference says');
  return { packetsPerSecond: totals.packetsPerSecond, bitsPerSecond: totals.bitsPerSecond };
}
