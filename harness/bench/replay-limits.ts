/**
 * What bounds a cell of `model-t bench replay`, measured in a process of its own: hidden commands that the benchmark starts.
 *
 *   bench read-back    plain copies out of the GPU, K in flight, no kernel     bench memory-copy    memcpy of the same packets
 *
 * Each prints one line of JSON with `bytesPerSecond`.
 */
import type { Command } from 'commander';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { labelled, parseCount, parseDuration, parseSize, usageError } from '../units.js';
import type { Geometry } from './replay-cells.js';

interface LimitFlags {
  readonly gpu: string;
  readonly batch?: string;
  readonly buffers?: string;
  readonly seconds: string;
}

export function registerReplayLimits(bench: Command, context: Context, finish: Finish): void {
  bench
    .command('read-back', { hidden: true })
    .option('--gpu <NAME>', 'as for replay', 'auto')
    .requiredOption('--batch <SIZE>')
    .requiredOption('--buffers <K>')
    .option('--seconds <S>', '', '0.5')
    .action(async (flags: LimitFlags) => {
      const request = { ...(geometryOf(flags, context) as Geometry), seconds: secondsOf(flags) };
      const measured = await context.replay.measureAdapterReadBack(flags.gpu, request);
      context.print(JSON.stringify({ ...measured, ...request }));
      finish(0);
    });
  bench
    .command('memory-copy', { hidden: true })
    .argument('<capture>')
    .option('--batch <SIZE>')
    .option('--buffers <K>')
    .option('--seconds <S>', '', '0.5')
    .action(async (path: string, flags: LimitFlags) => {
      const geometry = geometryOf(flags, context);
      const bytesPerSecond = await measureCopy(path, geometry, secondsOf(flags), context);
      context.print(JSON.stringify({ bytesPerSecond, ...geometry }));
      finish(0);
    });
}

const secondsOf = (flags: LimitFlags): number => labelled('--seconds', () => parseDuration(flags.seconds));

/** Null when neither flag was given. */
function geometryOf({ batch, buffers }: LimitFlags, context: Context): Geometry | null {
  if (batch === undefined && buffers === undefined) return null;
  if (batch === undefined || buffers === undefined)
    throw usageError('--batch and --buffers make sense together only', 'Give both, or none for a ring');
  const geometry = {
    batchBytes: labelled('--batch', () => parseSize(batch)),
    buffers: labelled('--buffers', () => parseCount(buffers, 1)),
  };
  refuseGeometry(geometry, context);
  return geometry;
}

/** The plan of a run with it says what is wrong with it, if anything. */
export function refuseGeometry({ batchBytes, buffers }: Geometry, context: Context): void {
  const request = { inputs: ['any'], target: { kind: 'null' }, engine: 'webgpu', gpu: { batchBytes, buffers } } as const;
  context.replay.planReplay(request, context.describeMachine());
}

async function measureCopy(path: string, geometry: Geometry | null, seconds: number, context: Context): Promise<number> {
  const trace = await context.replay.openTrace([path]);
  try {
    await trace.loaded;
    if (geometry) return context.replay.measureStagedCopy(trace, geometry.batchBytes, geometry.buffers, seconds);
    const plan = context.replay.planReplay({ inputs: [path], target: { kind: 'null' } }, context.describeMachine());
    return context.replay.measureTraceCopy(trace, plan.ringBytes, seconds);
  } finally {
    trace.close();
  }
}
