/**
 * `model-t bench migrations`: a replay whose elements are moved from core to core again and again, by lot, and whether anything is
 * lost, comes twice or out of order for it.
 *
 *   capture of many flows ─► the same packets without any move ─► with moves spread over them ─► two accounts, one digest
 *
 * Nothing is rewritten, so that a flow lasts from the first packet to the last and `order` sees it across every move: a rewrite
 * gives each lap, or each packet, flows of its own. What is the same in every lap the digest cannot tell apart; a packet of
 * another lap is out of order. Called by bench.ts; both replays run in this process, the capture is made in a child.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { ReplayRequest, ReplayRun, RunOutcome, Trace } from '../../replay/index.js';
import { ModelTError } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { randomSource } from '../generate.js';
import { refuseUnwritable, writeResult } from '../result-file.js';
import { labelled, parseCount, usageError } from '../units.js';
import { UDP } from './contender.js';
import { generateCaptures } from './files.js';
import { interruptible } from './interruptible.js';
import { isWhole, type MigrationResult, migrationLines, migrationResult, otherContainers } from './migrations-account.js';
import { type OwnCommand, ownCommand } from './own-command.js';
import { coresOf, seedOf } from './settings.js';

const MIGRATIONS_SCHEMA_VERSION = '1.0.0';
const PIPELINE = 'eth | ip4 | udp | order | count';
/** Flows are 1024 (UDP): eight packets of each in a lap. */
const CAPTURE_PACKETS = 8192;
const LARGEST_FRAME = 9000;
const SMALLEST_FRAME = 60;
/** Between looks at how far the replay is: a look is a few loads, and shares a core with a container. */
const TICK_MS = 2;
/** Bursts under way: enough for containers to work at the same time. */
const MOVING = { window: 8, sliceBursts: 16, fillPackets: 0, slices: 'horizontal' } as const;

export interface MigrationFlags {
  readonly packets: string;
  readonly switches: string;
  readonly cores?: string;
  readonly ops: string;
  readonly frames: string;
  readonly seed?: string;
  readonly json?: string;
}

interface Settings {
  readonly packets: number;
  readonly switches: number;
  readonly cores: readonly number[];
  readonly pipeline: string;
  readonly frameBytes: number;
  readonly seed: number;
}

export function registerMigrations(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('migrations')
    .description('move the elements of a replay by lot, and see that no packet is lost or out of order')
    .option('--packets <N>', 'to replay, once without and once with moves', '1000000000')
    .option('--switches <N>', 'placements to switch to, spread over the packets', '1000')
    .option('--cores <LIST>', 'to move between (default: the first two)')
    .option('--ops <PIPELINE>', 'with an order step', PIPELINE)
    .option('--frames <BYTES>', 'captured size of every packet', '60')
    .option('--seed <N>', 'of the placements (default: another one each time, and told)')
    .option('--json <FILE>', 'write the result as JSON; - = standard output')
    .action(async (flags: MigrationFlags) => {
      finish(await benchMigrations(flags, context, ownCommand(context.packageRoot)));
    });
}

/** Exit code 4 when packets are not what they were without moves. */
export async function benchMigrations(flags: MigrationFlags, context: Context, modelT: OwnCommand): Promise<number> {
  const settings = settingsOf(flags, context);
  if (flags.json !== undefined && flags.json !== '-') refuseUnwritable(flags.json);
  const guard = interruptible(context, modelT);
  const folder = mkdtempSync(join(tmpdir(), 'model-t-migrations-'));
  try {
    const shape = ['--packets', `${CAPTURE_PACKETS}`, '--sizes', `${settings.frameBytes}:1`];
    const captures = await guard(() => generateCaptures(folder, [{ name: 'flows', flags: [...shape, ...UDP] }], modelT));
    const path = captures.get('flows') as string;
    const trace = await guard(() => context.replay.openTrace([path]));
    try {
      await guard(() => trace.loaded);
      const result = await guard(() => bothRuns(trace, path, settings, context));
      report(result, settings, flags.json ?? null, context);
      return isWhole(result) ? 0 : 4;
    } finally {
      trace.close();
    }
  } finally {
    context.status?.(null);
    guard.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

function settingsOf(flags: MigrationFlags, context: Context): Settings {
  const machine = context.describeMachine();
  const cores = coresOf(flags.cores, machine);
  if (cores.length < 2) {
    throw new ModelTError('TOO_FEW_CORES', `One CPU (${cores.join()}) leaves nowhere to move to`, 3, 'Give two --cores or more');
  }
  if (!/\border\b/.test(flags.ops)) {
    throw usageError(`--ops '${flags.ops}' has no order step, which is what judges`, `Write for example '${PIPELINE}'`);
  }
  return {
    packets: labelled('--packets', () => parseCount(flags.packets, 1)),
    switches: labelled('--switches', () => parseCount(flags.switches, 1)),
    cores,
    pipeline: flags.ops,
    frameBytes: labelled('--frames', () => parseCount(flags.frames, SMALLEST_FRAME, LARGEST_FRAME)),
    seed: seedOf(flags.seed),
  };
}

/** The one without moves comes first: it also says which elements there are. */
async function bothRuns(trace: Trace, path: string, settings: Settings, context: Context): Promise<MigrationResult> {
  const { packets, cores, pipeline, switches, seed } = settings;
  const machine = context.describeMachine();
  const run = async (where: Pick<ReplayRequest, 'placement' | 'place'>, told: string, move?: Mover): Promise<RunOutcome> => {
    const request: ReplayRequest = { inputs: [path], engine: 'native', pipeline, cores, loop: 0, limit: packets, ...where };
    const started = context.replay.startReplay(trace, context.replay.planReplay(request, machine, context.calibrate), machine);
    return await untilEnd(
      started,
      (delivered) => {
        context.status?.(`${told}: ${Math.floor((100 * delivered) / packets)} %`);
        move?.(started, delivered);
      },
      context,
    );
  };
  context.note(`${switches} switches over ${packets} packets, to placements of --seed ${seed}`);
  const still = await run({ placement: 'fused' }, 'without moves');
  const elements = still.placement.elements.length;
  const first = new Array<number>(elements).fill(0);
  const moved = await run({ place: first }, 'with moves', mover(first, settings));
  return migrationResult(still, moved, packets);
}

type Mover = (run: ReplayRun, delivered: number) => void;

/** One switch each time another part of the packets has been delivered; what is refused now is asked for at the next look. */
function mover(first: readonly number[], { packets, switches, cores, seed }: Settings): Mover {
  const random = randomSource(seed);
  let containers = first;
  let next = otherContainers(containers, cores.length, random);
  let made = 0;
  return (run, delivered) => {
    if (made === switches || delivered < (packets * (made + 1)) / (switches + 1)) return;
    if (run.place?.({ ...MOVING, containers: next }) !== '') return;
    made++;
    containers = next;
    next = otherContainers(containers, cores.length, random);
  };
}

/** Looks every few milliseconds at how many packets were delivered. */
async function untilEnd(run: ReplayRun, look: (delivered: number) => void, context: Context): Promise<RunOutcome> {
  const release = context.onInterrupt(() => run.stop());
  const timer = setInterval(() => look(run.snapshot().delivered), TICK_MS);
  try {
    const outcome = await run.outcome;
    if (outcome.stopped !== 'interrupted') return outcome;
    throw new ModelTError('INTERRUPTED', 'Interrupted; nothing is reported', 130);
  } finally {
    clearInterval(timer);
    release();
  }
}

function report(result: MigrationResult, settings: Settings, json: string | null, context: Context): void {
  const head = { schema: 'model-t/bench-migrations', schemaVersion: MIGRATIONS_SCHEMA_VERSION };
  const text = JSON.stringify({ ...head, machine: context.describeMachine(), settings, ...result }, null, 2);
  if (json === '-') {
    context.print(text);
    return;
  }
  if (json !== null) writeResult(json, `${text}\n`);
  for (const line of migrationLines(result)) context.print(line);
}
