/** What benches take alike: cores, rounds and seed, from flags. Throws ModelTError (exit code 2) that names the flag. */
import type { Machine } from '../../stack/index.js';
import { labelled, parseCores, parseCount, parseSeed, usageError } from '../units.js';

const MOST_ROUNDS = 1000;

/** Default: the first two CPUs that may be used. */
export function coresOf(flag: string | undefined, machine: Machine): readonly number[] {
  if (flag === undefined) return machine.cpus.slice(0, 2);
  const cores = labelled('--cores', () => parseCores(flag));
  refuseAbsentCores(cores, machine);
  return cores;
}

export function refuseAbsentCores(cores: readonly number[], { cpus }: Machine): void {
  const absent = cores.find((core) => !cpus.includes(core));
  if (absent !== undefined)
    throw usageError(`CPU ${absent} is not among those of this process`, `Use some of ${cpus.join(', ')}`);
}

export function roundsOf(flag: string): number {
  return labelled('--rounds', () => parseCount(flag, 1, MOST_ROUNDS));
}

/** Default: another one each time. */
export function seedOf(flag: string | undefined): number {
  return flag === undefined ? Date.now() % 2 ** 32 : labelled('--seed', () => parseSeed(flag));
}
