/** `model-t bench`: its subcommands. One line each here, one file each beside; called by cli.ts. */
import type { Command } from 'commander';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { registerPeers } from './peers.js';
import { registerQueue } from './queue.js';
import { registerReplayBench } from './replay.js';
import { registerReplayLimits } from './replay-limits.js';
import { registerStack } from './stack.js';

export function registerBench(program: Command, context: Context, finish: Finish): void {
  const bench = program.command('bench').description('measure, and compare');
  for (const register of [registerQueue, registerPeers, registerReplayBench, registerReplayLimits, registerStack])
    register(bench, context, finish);
}
