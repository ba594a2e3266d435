/** Files of a benchmark: the captures it makes for itself, and the result it leaves. Used by every `model-t bench`. */
import { accessSync, constants, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ModelTError } from '../../stack/index.js';
import { oneLine } from '../format.js';
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

/** Told before minutes of measuring rather than after them. */
export function refuseUnwritable(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw unwritable(path, error, 'Check that its folder exists and is writable');
  }
}

/** A result file is there whole or not at all. */
export function writeResult(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw unwritable(path, error, 'Check its folder; the table above stands');
  }
}

function unwritable(path: string, error: unknown, remedy: string): ModelTError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return new ModelTError('OUTPUT_UNWRITABLE', `${oneLine(path)} cannot be written: ${code}`, 2, remedy);
}
