/**
 * A pipeline given as JSON, printed as text: so the text is what is parsed, checked and pointed at in either case. What is no
 * specification at all is refused with its path. Pure; called by ../pipeline.ts.
 */
import { ModelTError } from '../errors.js';
import { utf8 } from './lexer.js';
import { DEEPEST } from './parser.js';
import { printArgument } from './printer.js';
import { shortened } from './refusal.js';
import type { PipelineSpec } from './tree.js';

const KEYS = { step: ['op', 'arguments', 'variant', 'when'], group: ['fork', 'when'] };
/** Names as they are, even wrong ones: the parser says so. Anything that would be taken for more than a name is not one. */
const NAME = /^[^\s|()+"@\\\p{Cc}\d'][^\s|()"@\\\p{Cc}]*$/u;

export function specText(spec: PipelineSpec): string {
  return sequenceText(spec, 'pipeline');
}

function invalid(path: string, found: unknown, expected: string): never {
  const value = shortened(JSON.stringify(found) ?? String(found));
  throw new ModelTError(
    'PIPELINE_INVALID',
    `${path}: found ${value}, expected ${expected}`,
    2,
    "A step is {op: 'bpf', arguments: ['udp']}, a group {fork: [[...], [...]]}",
  );
}

function sequenceText(spec: unknown, path: string): string {
  if (!Array.isArray(spec) || spec.length === 0) return invalid(path, spec, 'a list of steps');
  return spec
    .map((node: unknown, index) => {
      const { when, text } = nodeText(node, `${path}[${index}]`);
      if (when !== null) return `${index > 0 ? ' ' : ''}|${when} ${text}`;
      return index > 0 ? ` | ${text}` : text;
    })
    .join('');
}

function nodeText(node: unknown, path: string): { when: number | null; text: string } {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return invalid(path, node, 'a step or a group');
  const fields = node as Record<string, unknown>;
  const keys: readonly string[] = 'fork' in fields ? KEYS.group : KEYS.step;
  const unknown = Object.keys(fields).find((key) => !keys.includes(key));
  if (unknown !== undefined) invalid(`${path}.${shortened(unknown)}`, fields[unknown], `one of ${keys.join(', ')}`);
  const when = fields.when ?? null;
  if (when !== null && !(typeof when === 'number' && Number.isInteger(when) && when >= 0 && when <= 65535)) {
    invalid(`${path}.when`, when, 'a class from 0 to 65535');
  }
  return {
    when: when as number | null,
    text: 'fork' in fields ? groupText(fields.fork, `${path}.fork`) : stepText(fields, path),
  };
}

function groupText(fork: unknown, path: string): string {
  if (!Array.isArray(fork) || fork.length < 2) return invalid(path, fork, 'two branches or more');
  if (path.split('.fork').length - 1 > DEEPEST) return invalid(path, '...', `groups at most ${DEEPEST} deep`);
  return fork.map((branch: unknown, index) => `( ${sequenceText(branch, `${path}[${index}]`)} )`).join(' + ');
}

function stepText(fields: Record<string, unknown>, path: string): string {
  const { op, variant = null } = fields;
  const given = fields.arguments ?? [];
  if (typeof op !== 'string' || !NAME.test(op)) return invalid(`${path}.op`, op, 'the name of an operation');
  if (variant !== null && !(typeof variant === 'string' && NAME.test(variant)))
    return invalid(`${path}.variant`, variant, 'the name of a variant');
  if (!Array.isArray(given)) return invalid(`${path}.arguments`, given, 'a list');
  const words = given.map((argument: unknown, index) => argumentText(argument, `${path}.arguments[${index}]`));
  return [variant === null ? op : `${op}@${variant}`, ...words].join(' ');
}

function argumentText(argument: unknown, path: string): string {
  if (typeof argument === 'string') return printArgument(utf8(argument));
  if (typeof argument === 'number' && Number.isFinite(argument)) return printArgument(`${argument}`);
  const { hex, file } = (argument ?? {}) as { hex?: unknown; file?: unknown };
  if (typeof hex === 'string' && /^([0-9a-fA-F]{2})*$/.test(hex))
    return printArgument(Buffer.from(hex, 'hex').toString('latin1'));
  if (typeof file === 'string' && file !== '') return `@${quoted(utf8(file))}`;
  return invalid(path, argument, "text, a number, {hex: '00ff'} or {file: 'name'}");
}

function quoted(bytes: string): string {
  const text = printArgument(bytes);
  return text.startsWith('"') ? text : `"${text}"`;
}
