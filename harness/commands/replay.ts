/** `model-t replay <capture…|->`: flags in, one replay, exit code out. */
import type { Command } from 'commander';
import { withoutFiles } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { readPatternFile } from '../pattern-file.js';
import { addReplayFlags, type ReplayFlags, replayRequest, reporting } from '../replay-options.js';
import { replayAndReport } from '../replay-run.js';

export function registerReplay(program: Command, context: Context, finish: Finish): void {
  const command = program
    .command('replay')
    .description('replay captures at full speed into a stack, a ring, a file or nothing')
    .argument('<capture...>', 'pcap or pcapng files, plain, .gz or .zst; folders; - = standard input');
  addReplayFlags(command).action(async (inputs: string[], flags: ReplayFlags) => {
    const ops = flags.ops !== undefined && { ops: withoutFiles(flags.ops, readPatternFile) };
    const request = replayRequest(inputs, { ...flags, ...ops }, context.environment);
    finish(await replayAndReport(context, request, reporting(flags)));
  });
}
