/** Files behind `@FILE` in pipelines: `match @patterns.txt`. The stack parses pipelines and reads no files; commands do. */
import { readFileSync } from 'node:fs';
import { oneLine } from './format.js';
import { usageError } from './units.js';

/** Throws ModelTError; the parser puts the column before it. */
export function readPatternFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw usageError(
      `'${oneLine(path)}' cannot be read: ${code},`,
      'Check the name, which is relative to the current folder, and its permissions',
    );
  }
}
