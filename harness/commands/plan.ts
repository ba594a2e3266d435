/** `model-t plan`: where the elements of a path would run on this machine or another one, what is expected of it, and what else there is. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  choosePlacement,
  containerCpus,
  MACHINE_PRESETS,
  type MachineModel,
  modelOf,
  PLACEMENT_MODES,
  type PlacementMode,
  parseMachineModel,
  parsePipeline,
  pathCosts,
  planPipeline,
  presetMachine,
} from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { oneLine } from '../format.js';
import { readPatternFile } from '../pattern-file.js';
import { placementJson, placementLines } from '../placement-report.js';
import { labelled, parseCount, parseDuration, parseSize, usageError } from '../units.js';

const SMALLEST_FRAME = 14;
const LARGEST_FRAME = 65549;

interface PlanFlags {
  readonly machine?: string;
  readonly cores?: string;
  readonly placement: PlacementMode;
  readonly frames: string;
  readonly latency: string;
  readonly json?: boolean;
}

export function registerPlan(program: Command, context: Context, finish: Finish): void {
  program
    .command('plan')
    .description('which placement a pipeline would run in, here or on another machine, and what is expected of it')
    .argument('<pipeline>', 'operations, as for replay --ops')
    .option(
      '--machine <FILE|PRESET>',
      `a machine as JSON, or ${MACHINE_PRESETS.map(({ name }) => name).join(', ')} (default: this one)`,
    )
    .option('--cores <N>', 'containers at most (default: every CPU)')
    .addOption(new Option('--placement <HOW>', 'what to begin with').choices([...PLACEMENT_MODES]).default('auto'))
    .option('--frames <SIZE>', 'captured bytes per packet', '60')
    .option('--latency <TIME>', 'within which a burst is to be through', '1ms')
    .option('--json', 'as JSON')
    .action((pipeline: string, flags: PlanFlags) => {
      for (const line of plan(context, pipeline, flags)) context.print(line);
      finish(0);
    });
}

function plan(context: Context, text: string, flags: PlanFlags): string[] {
  const frameBytes = labelled('--frames', () => parseSize(flags.frames));
  if (frameBytes < SMALLEST_FRAME || frameBytes > LARGEST_FRAME)
    throw usageError(`--frames: ${frameBytes} is no frame`, `Give ${SMALLEST_FRAME} to ${LARGEST_FRAME} bytes`);
  const latencySeconds = labelled('--latency', () => parseDuration(flags.latency));
  const here = context.describeMachine();
  const model = flags.machine === undefined ? modelOf(here) : machineOf(flags.machine);
  const most = flags.cores === undefined ? undefined : labelled('--cores', () => parseCount(flags.cores ?? '', 1));
  const pipeline = parsePipeline(text, { readFile: readPatternFile });
  /* What was measured here says nothing about another machine: declared costs there. */
  const costs = flags.machine === undefined ? context.calibrate : undefined;
  const planned = planPipeline(pipeline, {
    isas: model.isas,
    architecture: here.architecture,
    placement: 'fused',
    memoryWritable: true,
    packetBytes: frameBytes,
    ...(costs && { costs }),
  });
  const source = model.cores.find(({ kind }) => kind === 'gpu');
  const path = pathCosts(pipeline, planned, {
    frameBytes,
    measurements: model.measurements,
    ...(source && { outsideSourceCycles: sourceCycles(model, source.speed, frameBytes) }),
  });
  const choice = choosePlacement(flags.placement, path, model, { cpus: containerCpus(model, most), latencySeconds });
  const report = { pipeline: planned.text, model, path, choice, frameBytes };
  return flags.json ? [JSON.stringify(placementJson(report), null, 2)] : placementLines(report);
}

/** A GPU writes packets as an ordinary core of its speed would. */
function sourceCycles({ measurements: { source } }: MachineModel, speed: number, frameBytes: number): number {
  return (source.perPacket + source.perByte * Math.max(0, frameBytes - 60)) / speed;
}

function machineOf(name: string): MachineModel {
  const preset = presetMachine(name);
  if (preset) return preset;
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    const presets = MACHINE_PRESETS.map((each) => each.name).join(', ');
    throw usageError(
      `--machine: ${oneLine(name)} is no preset, and cannot be read: ${(error as NodeJS.ErrnoException).code}`,
      `Name a JSON file, or one of ${presets}`,
    );
  }
  return parseMachineModel(text, oneLine(name));
}
