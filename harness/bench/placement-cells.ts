/**
 * What `model-t bench placement` measures: pipelines on captures that suit them, each in every placement, and how one sample is
 * read. Pure. Called by placement.ts.
 */
import type { RunOutcome } from '../../replay/index.js';
import { PLACEMENT_MODES, type PlacementMode } from '../../stack/index.js';
import { readResult } from '../result.js';
import { isSound } from '../summary.js';
import { type CaptureSpec, UDP } from './contender.js';
import { type Answer, reasonOf } from './own-command.js';
import { HEADER_PIPELINE } from './queue.js';

/** A pipeline and what is replayed into it. */
export interface Work {
  readonly name: string;
  readonly pipeline: string;
  /** Of CAPTURES, or a file of the package. */
  readonly capture: { readonly generated: string } | { readonly file: string };
}

export const PLACEMENT_CAPTURES: readonly CaptureSpec[] = [
  { name: 'p60', flags: ['--packets', '8192', '--sizes', '60:1', ...UDP] },
  { name: 'p1514', flags: ['--packets', '2048', '--sizes', '1514:1', ...UDP] },
];

/** A stage that costs more than all others together, as a placement may not take for granted. */
const SLOW_CYCLES = 40;

const SLOW_STAGE: Work = {
  name: 'one slow stage, 60 B',
  pipeline: `eth | ip4 | burn ${SLOW_CYCLES} | count`,
  capture: { generated: 'p60' },
};

export const WORKS: readonly Work[] = [
  { name: 'headers, 60 B', pipeline: HEADER_PIPELINE, capture: { generated: 'p60' } },
  {
    name: 'payload, 1514 B',
    pipeline: 'eth | ip4 | udp | tcp | checksum-verify',
    capture: { generated: 'p1514' },
  },
  {
    name: 'http, demo',
    pipeline: 'eth | ip4 | tcp |80 http | gunzip | match "GET /"',
    capture: { file: 'traces/demo.pcapng' },
  },
  SLOW_STAGE,
];

export interface PlacementCell {
  readonly work: Work;
  readonly mode: PlacementMode;
  /** Held from the first packet to the last, container of each element; left out: the mode decides. */
  readonly place?: readonly number[];
}

/** Of the slow stage's elements, a header pass being one: all in one container, and each cut. */
const HELD: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0],
  [0, 0, 0, 0, 1],
  [0, 0, 0, 1, 1],
  [0, 0, 1, 1, 1],
  [0, 1, 1, 1, 1],
];

/** In the order of the table. With cuts that are held, so that predictions are held against more than what is chosen. */
export function placementCells(works: readonly Work[] = WORKS): PlacementCell[] {
  return works.flatMap((work) => [
    ...PLACEMENT_MODES.map((mode) => ({ work, mode })),
    ...(work === SLOW_STAGE ? HELD.map((place) => ({ work, mode: 'piped' as const, place })) : []),
  ]);
}

/** As tables call it. */
export function placementName({ mode, place }: Pick<PlacementCell, 'mode' | 'place'>): string {
  return place === undefined ? mode : `held ${place.join()}`;
}

export interface PlacementSettings {
  readonly seconds: number;
  readonly cores: readonly number[];
}

/** What a user would type. */
export function placementWords({ work, mode, place }: PlacementCell, capture: string, settings: PlacementSettings): string[] {
  const placed = place === undefined ? ['--placement', mode] : ['--place', place.join()];
  const where = ['--ops', work.pipeline, ...placed, '--cores', settings.cores.join(',')];
  return ['replay', capture, ...where, '--duration', `${settings.seconds}s`, '--quiet', '--json', '-'];
}

export type PlacementSample =
  | {
      readonly kind: 'measured';
      readonly packetsPerSecond: number;
      readonly bitsPerSecond: number;
      /** What ran where, from the result. */
      readonly ran: string;
      /** By costs measured before the run, of the placement that it began with (null = none were) and of each mode. */
      readonly expectedPacketsPerSecond: number | null;
      readonly expected: RunOutcome['placement']['expected'];
    }
  /** The placement is none for this pipeline or this machine; why, in the words of `replay`. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It ran, and cannot be believed. */
  | { readonly kind: 'unsound'; readonly why: string };

/** Exit codes of a replay that was not begun. */
const REFUSED: readonly (number | null)[] = [2, 3];

export function sampleOf(answer: Answer): PlacementSample {
  if (REFUSED.includes(answer.code)) return { kind: 'refused', why: reasonOf(answer) };
  if (answer.code !== 0) return { kind: 'unsound', why: reasonOf(answer) };
  const outcome = readRun(answer.output);
  if (typeof outcome === 'string') return { kind: 'unsound', why: outcome };
  if (outcome.stopped !== 'duration') return { kind: 'unsound', why: `it ended by ${outcome.stopped}` };
  const { totals, placement, operations } = outcome;
  const { packetsPerSecond, bitsPerSecond } = totals;
  if (!(packetsPerSecond > 0)) return { kind: 'unsound', why: 'nothing was delivered' };
  const { expectedPacketsPerSecond, expected } = placement;
  const ran = whatRan(operations);
  return { kind: 'measured', packetsPerSecond, bitsPerSecond, ran, expectedPacketsPerSecond, expected };
}

/** The result of a replay, or why it cannot be believed. */
export function readRun(output: string): RunOutcome | string {
  try {
    const outcome = readResult(output, 'its output');
    return isSound(outcome) ? outcome : 'packets were lost, or were not what the reference says';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Operations by container, in the order of the pipeline: `core 0: eth, ip4; core 1: count`. Lanes stand side by side. */
export function whatRan(operations: readonly Pick<RunOutcome['operations'][number], 'name' | 'container' | 'core'>[]): string {
  const containers = new Map<number, { core: number; names: string[] }>();
  for (const { name, container, core } of operations) {
    const found = containers.get(container) ?? { core, names: [] };
    found.names.push(name.split(/\s/, 1)[0] ?? name);
    containers.set(container, found);
  }
  const told = [...containers.values()].map(
    ({ core, names }) => `${core < 0 ? 'not pinned' : `core ${core}`}: ${names.join(', ')}`,
  );
  return told.join('; ');
}
