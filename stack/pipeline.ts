/**
 * Pipelines, in the manner of Unix pipes: `eth | ip4 | tcp |80 http | gunzip | match "GET /"`.
 *
 *   JSON -> spec -> text -> lexer -> parser -> resolver -> checker -> printer -> Pipeline -> planner/
 *                           tokens   names     operations  columns    canonical text
 *
 * Parsing and checking are pure. Errors are one line that points at the column. Called by replay's planner, the command line
 * and benches through the door.
 */
import { check } from './pipeline/checker.js';
import { linesOf } from './pipeline/files.js';
import { tokenize } from './pipeline/lexer.js';
import { parseText } from './pipeline/parser.js';
import { place, printArgument } from './pipeline/printer.js';
import { resolve } from './pipeline/resolver.js';
import { specText } from './pipeline/spec.js';
import { type ParseOptions, type Pipeline, type PipelineSpec, stepsOf } from './pipeline/tree.js';

/** The first stack: what `replay --to stack` runs unless told otherwise. */
export const DEFAULT_PIPELINE = 'eth | ip4 | ip6 | tcp | udp | checksum-verify | count';

/** Parses and checks. Throws ModelTError (PIPELINE_INVALID, exit code 2) that names the column. */
export function parsePipeline(given: string | PipelineSpec, options: ParseOptions = {}): Pipeline {
  const text = typeof given === 'string' ? given : specText(given);
  const resolved = resolve(parseText(text), text, options);
  check(resolved, text);
  const placed = place(resolved);
  return { sequence: placed.sequence, steps: stepsOf(placed.sequence), text: placed.text };
}

/** The text with every `@FILE` replaced by the file's lines, for those who parse it where no file can be read. */
export function withoutFiles(text: string, readFile: (path: string) => Uint8Array): string {
  let result = '';
  let at = 0;
  for (const token of tokenize(text)) {
    if (token.kind !== 'file') continue;
    const lines = linesOf(token, text, { readFile });
    result += text.slice(at, token.at) + lines.map(({ bytes }) => printArgument(bytes)).join(' ');
    at = token.end;
  }
  return result + text.slice(at);
}
