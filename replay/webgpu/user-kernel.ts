/**
 * User kernels (version 1): a WGSL file with `fn transform(packet: Packet)` becomes a kernel that cannot leave its packet, cannot
 * run for ever, and whose errors name the user's own lines. Text and data only: touches no device. What users are told stands
 * in replay/kernels/README.md.
 */
import { ModelTError } from '../../stack/index.js';
import { compose, type Kernel, USER_BINDINGS } from './kernels.js';
import { budgetInsertions, findRefusal, type Insertion } from './user-kernel-rules.js';
import { Lines, TokenError, tokenize } from './wgsl-tokens.js';

/** The part of a GPUCompilationMessage that is used. */
export interface CompilationMessage {
  readonly type: string;
  readonly message: string;
  readonly lineNum: number;
  readonly linePos: number;
}

export interface UserKernel extends Kernel {
  /**
   * What getCompilationInfo() of this kernel's shader module said, as an error in the user's own lines; undefined when it
   * holds no error.
   */
  readonly compileError: (messages: Iterable<CompilationMessage>) => ModelTError | undefined;
}

const VERSION_LINE = /^\/\/ model-t kernel (\d+)[ \t]*(?:\r?\n|$)/;
const LONGEST_SOURCE = 1 << 20;
/** Errors of the compiler that are shown; the rest usually follows from the first. */
const MOST_ERRORS = 5;

/** `source` is the text of the file, `path` its name in errors. Throws ModelTError for what a user kernel may not hold. */
export function userKernel(source: string, path: string): UserKernel {
  const text = source.replace(/^\ufeff/, '');
  requireVersion(text, path);
  const lines = new Lines(text);
  const insertions = budgetOf(text, lines, path);
  const before = `${compose(['pass', 'parameters', 'image', 'report', 'user-prelude'])}\n`;
  const map = { lines, insertions, path, firstLine: new Lines(before).count };
  return {
    label: `user kernel ${path}`,
    text: `${before}${insertAll(text, insertions)}\n${compose(['user-entry'])}`,
    bindings: USER_BINDINGS,
    packetsPerInvocation: 1,
    compileError: (messages) => compileError(messages, map),
  };
}

function requireVersion(text: string, path: string): void {
  const version = VERSION_LINE.exec(text)?.[1];
  if (version === undefined) {
    throw refuse(`${path}:1: the first line is not "// model-t kernel 1"`, 'Begin the file with that line: it names the version');
  }
  if (version !== '1')
    throw refuse(`${path}:1: this is a kernel of version ${version}; version 1 is known`, 'Use a newer Model-T');
  if (text.length > LONGEST_SOURCE)
    throw refuse(`${path}: ${text.length} characters; at most ${LONGEST_SOURCE} are taken`, 'Shorten it');
}

function budgetOf(text: string, lines: Lines, path: string): Insertion[] {
  const place = (offset: number): string => {
    const { line, column } = lines.locate(offset);
    return `${path}:${line}:${column}`;
  };
  try {
    const tokens = tokenize(text);
    const refusal = findRefusal(tokens);
    if (refusal) throw refuse(`${place(refusal.offset)}: ${refusal.message}`, refusal.remedy);
    return budgetInsertions(tokens).sort((a, b) => a.offset - b.offset);
  } catch (error) {
    if (error instanceof TokenError) throw refuse(`${place(error.offset)}: ${error.message}`, 'Mend the text');
    throw error;
  }
}

function refuse(message: string, remedy: string): ModelTError {
  return new ModelTError('KERNEL_INVALID', message, 2, remedy);
}

function insertAll(text: string, insertions: readonly Insertion[]): string {
  let result = '';
  let from = 0;
  for (const { offset, text: inserted } of insertions) {
    result += text.slice(from, offset) + inserted;
    from = offset;
  }
  return result + text.slice(from);
}

interface SourceMap {
  readonly lines: Lines;
  readonly insertions: readonly Insertion[];
  readonly path: string;
  /** Line of the composed text that is the user's line 1. */
  readonly firstLine: number;
}

function compileError(messages: Iterable<CompilationMessage>, map: SourceMap): ModelTError | undefined {
  const errors = [...messages].filter((message) => message.type === 'error');
  if (errors.length === 0) return undefined;
  const shown = errors.slice(0, MOST_ERRORS).map((error) => `${placeOf(error, map)}: ${error.message.trim()}`);
  if (errors.length > MOST_ERRORS) shown.push(`… and ${errors.length - MOST_ERRORS} more errors`);
  return refuse(shown.join('\n'), 'See replay/kernels/README.md for what a kernel may use');
}

/** A place in the user's own text, or only its name: what the compiler finds in our part of the text. */
function placeOf({ lineNum, linePos }: CompilationMessage, { lines, insertions, path, firstLine }: SourceMap): string {
  const line = lineNum - firstLine + 1;
  if (line < 1 || line > lines.count) return path;
  let column = linePos;
  for (const { offset, text } of insertions) {
    const at = lines.locate(offset);
    if (at.line === line && at.column < column) column = Math.max(at.column, column - text.length);
  }
  return column > 0 ? `${path}:${line}:${column}` : `${path}:${line}`;
}
