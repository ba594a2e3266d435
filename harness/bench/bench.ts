/** `model-t bench`: its subcommands. One line each here, one file each beside; called by cli.ts. */
import type { Command } from 'commander';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { registerHop } from './hop.js';
import { registerMigrations } from './migrations.js';
import { registerPeers } from './peers.js';
import { registerPlacement } from './placement.js';
import { registerPolicy } from './policy.js';
import { registerQueue } from './queue.js';
import { registerReplayBench } from './replay.js';
import { registerReplayLimits } from './replay-limits.js';
import { registerSizing } from './sizing.js';
import { registerStack } from './stack.js';

export function registerBench(program: Command, context: Context, finish: Finish): void {
  const bench = program.command('bench').description('measure, and compare');
  const commands = [
    ...[registerQueue, registerStack, registerHop, registerPlacement, registerPolicy, registerMigrations],
    ...[registerSizing, registerPeers, registerReplayBench, registerReplayLimits],
  ];
  for (const register of commands) register(bench, context, finish);
}
