/** Our own command line in fresh processes, one after the other. What a benchmark measures runs here, never in its own process. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { startChild } from './child.js';

export interface Answer {
  /** Null when it was killed, or ran past its limit. */
  readonly code: number | null;
  readonly output: string;
  /** What it said was wrong, as one sentence; empty = nothing. */
  readonly complaint: string;
}

export interface OwnCommand {
  /** `words` as after `model-t`. Resolves whatever the exit code. */
  run(words: readonly string[], limitMs: number): Promise<Answer>;
  /** Ends the process that runs now, if any. */
  stop(): void;
}

export function ownCommand(packageRoot: string): OwnCommand {
  const main = join(packageRoot, 'dist/harness/main.js');
  let current: ChildProcess | null = null;
  return {
    run: async (words, limitMs) => {
      const child = startChild([process.execPath, main, ...words], limitMs);
      current = child.process;
      const code = await child.ended;
      current = null;
      return { code, output: child.output(), complaint: child.complaint().replace(/^model-t: /, '') };
    },
    stop: () => {
      current?.kill('SIGTERM');
    },
  };
}

/** Why an answer is none: the command's own words, or how it ended. */
export function reasonOf({ code, complaint }: Answer): string {
  if (complaint !== '') return complaint.replace(/\.$/, '');
  return code === null ? 'it did not end in time' : `it ended with ${code}`;
}
