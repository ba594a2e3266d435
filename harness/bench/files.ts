/** The captures that a benchmark makes for itself. Used by every `model-t bench`. */
import { join } from 'node:path';
import { failed } from './child.js';
import type { CaptureSpec } from './contender.js';
import { type OwnCommand, reasonOf } from './own-command.js';

const GENERATE_LIMIT_MS = 60_000;

/** Path of each capture by its name. */
export async function generateCaptures(
  folder: string,
  captures: readonly CaptureSpec[],
  modelT: OwnCommand,
): Promise<ReadonlyMap<string, string>> {
  const paths = new Map<string, string>();
  for (const { name, flags } of captures) {
    const path = join(folder, `${name}.pcap`);
    const answer = await modelT.run(['trace', 'gen', '-o', path, ...flags], GENERATE_LIMIT_MS);
    if (answer.code !== 0) throw failed('model-t trace gen', `no capture ${name}: ${reasonOf(answer)}`);
    paths.set(name, path);
  }
  return paths;
}
