/** `model-t ops`: the operations there are; `model-t ops --explain PIPELINE`: what would run a pipeline, and why. */
import { type Command, Option } from 'commander';
import {
  asksForDevice,
  BODIES,
  type ChainPlacement,
  findOperation,
  OPERATIONS,
  type Pipeline,
  parsePipeline,
  planPipeline,
} from '../../stack/index.js';
import { type DeviceCosts, measureDeviceCosts } from '../accelerator-costs.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { oneLine } from '../format.js';
import { operationJson, operationLines, operationTable } from '../operations-report.js';
import { readPatternFile } from '../pattern-file.js';
import { planJson, planLines } from '../pipeline-report.js';
import { chosenIsa, ISAS } from '../replay-options.js';
import { usageError } from '../units.js';

interface OpsFlags {
  readonly explain?: string;
  readonly isa?: string;
  readonly placement?: ChainPlacement;
  readonly gpu?: string;
  readonly json?: boolean;
}

export function registerOps(program: Command, context: Context, finish: Finish): void {
  program
    .command('ops')
    .description('operations of the stack, or the plan of a pipeline')
    .argument('[name]', 'all about one operation')
    .option('--explain <PIPELINE>', 'what would run a pipeline, every candidate, and why the winner won')
    .option('--isa <NAME>', `with --explain: ${ISAS.join(', ')} (default: $MODEL_T_ISA, or auto)`)
    .addOption(
      new Option('--placement <HOW>', 'with --explain: one container, or one chain per core').choices(['fused', 'replicated']),
    )
    .option(
      '--gpu <ADAPTER>',
      'with --explain: look for a GPU and measure wgsl on it: hardware, software, auto, or part of a name',
    )
    .option('--json', 'as JSON')
    .action(async (name: string | undefined, flags: OpsFlags) => {
      const lines = flags.explain === undefined ? list(context, name, flags) : await explain(context, name, flags.explain, flags);
      for (const line of lines) context.print(line);
      finish(0);
    });
}

function list(context: Context, name: string | undefined, flags: OpsFlags): string[] {
  if (flags.isa !== undefined || flags.placement !== undefined || flags.gpu !== undefined) {
    throw usageError('--isa, --placement and --gpu say how a pipeline runs', "Add --explain 'PIPELINE'");
  }
  const machine = context.describeMachine();
  if (name === undefined)
    return flags.json ? [JSON.stringify(operationJson(OPERATIONS, machine), null, 2)] : operationTable(OPERATIONS, machine);
  const operation = findOperation(name) ?? BODIES.find((body) => body.name === name);
  if (!operation) throw usageError(`No operation is called "${oneLine(name)}"`, '`model-t ops` lists all');
  return flags.json ? [JSON.stringify(operationJson([operation], machine), null, 2)] : operationLines(operation, machine);
}

async function explain(context: Context, name: string | undefined, text: string, flags: OpsFlags): Promise<string[]> {
  if (name !== undefined)
    throw usageError(`--explain takes one pipeline, and "${oneLine(name)}" is left over`, 'Quote the pipeline');
  const { isas, architecture } = context.describeMachine();
  const isa = chosenIsa(flags.isa, context.environment.MODEL_T_ISA);
  const pipeline = parsePipeline(text, { readFile: readPatternFile });
  const device = await deviceCosts(pipeline, flags.gpu, context);
  const costs = device?.costs ?? context.calibrate;
  const plan = planPipeline(pipeline, {
    isas,
    architecture,
    placement: flags.placement ?? 'fused',
    memoryWritable: true,
    ...(isa !== 'auto' && { isa }),
    ...(costs && { costs }),
    accelerator: device ? true : null,
  });
  if (flags.json) return [JSON.stringify(planJson(plan, device?.adapter ?? null), null, 2)];
  return planLines(pipeline, plan, device && `${device.adapter}${device.isSoftware ? ', which is this CPU' : ''}`);
}

/** A GPU is started only where a step asks for it, or the user does. */
async function deviceCosts(pipeline: Pipeline, gpu: string | undefined, context: Context): Promise<DeviceCosts | null> {
  if (gpu === undefined && !asksForDevice(pipeline)) return null;
  return await measureDeviceCosts(pipeline, gpu ?? 'auto', context);
}
