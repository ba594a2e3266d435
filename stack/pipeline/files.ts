/** Files behind `@FILE`: read by a function of the caller, one argument per line. Called by arguments.ts and ../pipeline.ts. */
import { ModelTError } from '../errors.js';
import type { Token } from './lexer.js';
import { refuse, shortened } from './refusal.js';
import type { ParseOptions } from './tree.js';

export interface Line {
  readonly bytes: string;
  /** From 1. */
  readonly number: number;
}

/** Lines that are not empty, without their ends, of either kind. A file that cannot be read is refused at its column. */
export function linesOf(token: Token, text: string, { readFile }: ParseOptions): Line[] {
  const name = shortened(token.value, 64);
  if (!readFile) return refuse(text, token.at, `the file '${name}' cannot be read here`, 'Give the arguments themselves');
  let content: Uint8Array;
  try {
    content = readFile(token.value);
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    return refuse(text, token.at, error.message, error.remedy ?? 'Check the name');
  }
  const lines = Buffer.from(content).toString('latin1').split(/\r?\n/);
  return lines.flatMap((bytes, index) => (bytes === '' ? [] : [{ bytes, number: index + 1 }]));
}
