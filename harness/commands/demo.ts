/**
 * `model-t demo`, what `npm start` runs: the capture that comes with the package, every packet with a source address of its
 * own, for three seconds into the stack. Hidden from the help, because it is `replay` with fixed flags.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { replayAndReport } from '../replay-run.js';

export const DEMO_CAPTURE = join('traces', 'demo.pcapng');
const DEMO_SECONDS = 3;
const DEMO_SOURCES = '10.0.0.0/8';

const NEXT_STEPS = [
  '',
  'Next:',
  '  npm run -s model-t -- replay YOUR.pcap --rewrite src=10.0.0.0/8 --loop 3 -w out.pcap   the same packets as a file',
  '  npm run -s model-t -- replay YOUR.pcap --to ring:NAME                                  into a program of yours (stack/include/)',
  '  npm run -s model-t -- doctor                                                           what this machine offers',
  '  npm run -s model-t -- --help                                                           everything else',
];

export function registerDemo(program: Command, context: Context, finish: Finish): void {
  program
    .command('demo', { hidden: true })
    .description('replay the capture that comes with the package for three seconds')
    .action(async () => {
      context.print(`model-t replay ${DEMO_CAPTURE} --rewrite src=${DEMO_SOURCES} --unique packet --duration ${DEMO_SECONDS}s`);
      context.print('');
      const request = {
        inputs: [join(context.packageRoot, DEMO_CAPTURE)],
        rewrites: [{ field: 'src', cidr: DEMO_SOURCES }],
        unique: 'packet',
        durationSeconds: DEMO_SECONDS,
      } as const;
      const exitCode = await replayAndReport(context, request, {
        quiet: false,
        verbose: false,
        statsSeconds: null,
        json: null,
        dryRun: false,
      });
      if (exitCode === 0) for (const line of NEXT_STEPS) context.print(line);
      finish(exitCode);
    });
}
