/** Files that results are written to: refused before a long run rather than after it, there whole or not at all. Used by every `--json`. */
import { accessSync, constants, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ModelTError } from '../stack/index.js';
import { oneLine } from './format.js';

export function refuseUnwritable(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw unwritable(path, error);
  }
}

export function writeResult(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): ModelTError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const remedy = 'Check that its folder exists and is writable';
  return new ModelTError('OUTPUT_UNWRITABLE', `${oneLine(path)} cannot be written: ${code}`, 2, remedy);
}
