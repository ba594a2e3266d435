/**
 * The command line, from words to a command:
 *
 *   main.ts ──► cli.ts ──► commands/replay, demo ──► replay-options ──► replay-run ──► summary
 *   (exits)                commands/trace ─────────► captures in text; generate ──► a capture file
 *                          commands/doctor ────────► what this machine offers
 *                          commands/ops ───────────► operations, and the plan of a pipeline
 *                          bench/peers ────────────► other tools on the same capture, in turns
 *                          bench/replay ───────────► engines, adapters and sizes against what a bus or memcpy gives
 *
 * A command takes a Context and reports its exit code through `finish`; nothing below main.ts touches the process.
 */
import { Command, CommanderError } from 'commander';
import { registerBench } from './bench/bench.js';
import { registerDemo } from './commands/demo.js';
import { registerDoctor } from './commands/doctor.js';
import { registerOps } from './commands/ops.js';
import { registerPlan } from './commands/plan.js';
import { registerReplay } from './commands/replay.js';
import { registerTrace } from './commands/trace.js';
import type { Context } from './context.js';
import { oneLine } from './format.js';
import { usageError } from './units.js';

/** A command calls this once with its exit code. */
export type Finish = (exitCode: number) => void;

export async function runCommandLine(words: readonly string[], version: string, context: Context): Promise<number> {
  let exitCode = 0;
  const finish: Finish = (code) => {
    exitCode = code;
  };
  const program = createProgram(version, context, finish);
  try {
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw usageError(usageText(error), 'Try model-t --help, or --help after a command');
  }
  return exitCode;
}

function createProgram(version: string, context: Context, finish: Finish): Command {
  const program = new Command('model-t')
    .description('Replays captured traffic into host memory at bus speed and drives a network stack with it.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.print(text.trimEnd()), writeErr: () => {}, outputError: () => {} });
  for (const register of [registerReplay, registerTrace, registerBench, registerOps, registerPlan, registerDoctor, registerDemo])
    register(program, context, finish);
  return program;
}

/** Commander's own words as one sentence; a missing command is the only case in which it has none. */
function usageText(error: CommanderError): string {
  if (error.code === 'commander.help') return 'No command given';
  return oneLine(error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '));
}
