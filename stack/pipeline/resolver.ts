/**
 * From names and arguments to steps: operations are looked up, arguments compiled, and `tcp` becomes the body that delivers
 * streams where a later step reads them. From the end to the start, because what a step becomes depends on those behind it.
 * Pure; called by ../pipeline.ts.
 */
import { findOperation, OPERATIONS } from '../operations.js';
import type { Operation } from '../ops/operation.js';
import { resolveArgument } from './arguments.js';
import { fateOf, needs } from './columns.js';
import type { WrittenSequence, WrittenStep } from './parser.js';
import { nearest, refuse, shortened } from './refusal.js';
import type { Node, ParseOptions, Sequence, Step } from './tree.js';

/** Columns are offsets in `text` plus one until the printer gives those of the canonical text. */
export function resolve(written: WrittenSequence, text: string, options: ParseOptions): Sequence {
  const nodes: Node[] = [];
  for (const node of [...written].reverse()) {
    const condition = node.condition?.value ?? null;
    if (node.kind === 'step') nodes.unshift(resolveStep(node, nodes, text, options));
    else
      nodes.unshift({
        kind: 'group',
        branches: node.branches.map((branch) => resolve(branch, text, options)),
        condition,
        column: node.at + 1,
      });
  }
  return nodes;
}

function resolveStep(written: WrittenStep, behind: Sequence, text: string, options: ParseOptions): Step {
  const [name = '', ...variants] = written.name.split('@');
  const named = findOperation(name) ?? refuseName(name, written, text);
  const resolved = resolveArgument(named, written.arguments, { text, at: written.at }, options);
  const operation = bodyOf(named, resolved.argument, behind);
  const variant = variants.length > 0 ? checkVariant(operation, variants.join('@'), written.at + name.length + 1, text) : null;
  const word = variant === null ? name : `${name}@${variant}`;
  return {
    kind: 'step',
    operation,
    text: resolved.argument === null ? word : `${word} ${resolved.argument}`,
    ...resolved,
    variant,
    condition: written.condition?.value ?? null,
    column: written.at + 1,
  };
}

function refuseName(name: string, { at }: WrittenStep, text: string): never {
  const names = OPERATIONS.map((operation) => operation.name);
  const other = OPERATIONS.find(({ alternative }) => alternative?.operation.name === name);
  if (other) refuse(text, at, `'${name}' is a body of '${other.name}'`, `Write ${other.name} ${other.alternative?.argument}`);
  const head = name.match(/^[a-z0-9-]+(?=[,;:=&>])/)?.[0];
  if (head !== undefined && names.includes(head)) {
    refuse(text, at, `no operation is called '${shortened(name)}'`, 'Separate operations with |, and arguments with spaces');
  }
  const near = nearest(name, names);
  const remedy = near ? `Did you mean '${near}'? \`model-t ops\` lists all` : `There are ${names.join(', ')}`;
  return refuse(text, at, `no operation is called '${shortened(name)}'`, remedy);
}

function bodyOf(named: Operation, argument: string | null, behind: Sequence): Operation {
  const other = named.alternative;
  if (!other) return named;
  if (argument !== null) return argument === other.argument ? other.operation : named;
  return fateOf(behind, other.whenRead, other.operation.rows, needs).kind === 'read' ? other.operation : named;
}

function checkVariant({ name, variants }: Operation, variant: string, at: number, text: string): string {
  if (variants.some((candidate) => candidate.name === variant)) return variant;
  const names = variants.map((candidate) => candidate.name);
  return refuse(text, at, `'${name}' has no variant '${shortened(variant)}'`, `It has ${names.join(', ')}`);
}
