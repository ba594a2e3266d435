/** Operations as `model-t ops` prints them: a table, all about one, JSON. Pure. */
import type { ArgumentKind, Machine, Operation, VariantDeclaration } from '../stack/index.js';
import { aligned } from './format.js';

/** Additive changes raise the second number, others the first. */
const SCHEMA_VERSION = '1.0';

type Here = Pick<Machine, 'isas' | 'architecture'>;

/** Null = it runs here. */
function missing({ name, architecture }: VariantDeclaration, here: Here): string | null {
  if (name === 'avx2' || name === 'avx512') return here.isas.includes(name) ? null : 'not on this CPU';
  if (name === 'wgsl') return 'on a GPU, when asked for';
  return architecture === undefined || architecture === here.architecture ? null : `on ${architecture} only`;
}

function runsHere({ variants }: Operation, here: Here): string[] {
  return variants.filter((variant) => missing(variant, here) === null).map(({ name }) => name);
}

function argumentText(argument: ArgumentKind): string {
  if (argument.kind === 'choice') return `[${argument.choices.map((choice) => choice.argument).join('|')}]`;
  if (argument.kind === 'number') return argument.default === null ? 'N' : '[N]';
  if (argument.kind === 'texts') return '"..."';
  return '';
}

function argumentSentence(argument: ArgumentKind): string {
  if (argument.kind === 'choice') {
    const words = argument.choices.map((choice) => choice.argument);
    return words.length > 1 ? `${words.join(' or ')} (default ${words[0]})` : `${words[0]}`;
  }
  if (argument.kind === 'number') {
    const fallback = argument.default === null ? 'needed' : `default ${argument.default}`;
    return `${argument.what}: a whole number from ${argument.min} to ${argument.max} (${fallback})`;
  }
  if (argument.kind === 'texts')
    return `${argument.what}, ${argument.min} to ${argument.max}: words, "quoted strings", or @FILE with one per line`;
  return 'none';
}

export function operationTable(operations: readonly Operation[], here: Here): string[] {
  const rows = operations.map((operation) => [
    `${operation.name} ${argumentText(operation.argument)}`.trimEnd(),
    operation.access,
    operation.state,
    operation.order,
    runsHere(operation, here).join(' '),
    operation.summary,
  ]);
  const all = [['operation', 'touches', 'state', 'order', 'runs here as', ''], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)) + 2);
  return all.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('')
      .trimEnd(),
  );
}

function columns(names: readonly string[]): string {
  return names.join(', ') || 'none';
}

function effects({ drops, last, expands, writesPacket }: Operation): string {
  const parts = [
    ...(last ? ['all of them leave'] : drops ? ['some of them leave'] : []),
    ...(expands ? ['rows of its own making go on'] : []),
    ...(writesPacket === 'no'
      ? []
      : [`changes ${writesPacket === 'append' ? 'what lies behind the packet' : `the packet's ${writesPacket}`}`]),
  ];
  return parts.join('; ') || 'all of them go on, unchanged';
}

export function operationLines(operation: Operation, here: Here): string[] {
  const { access, bytesTouched, onDemand, rows, state, order, verdicts, variants } = operation;
  const from = bytesTouched === null ? 'any byte' : `the first ${bytesTouched} bytes at most`;
  return aligned([
    ['operation', `${operation.name}: ${operation.summary}`],
    ['argument', argumentSentence(operation.argument)],
    ...secondBody(operation),
    ['touches', access === 'none' ? 'no byte of the packet' : `${access}, ${from}`],
    ['packets', effects(operation)],
    ['reads', columns([...operation.reads, ...(operation.readsIfWritten ?? []).map((column) => `${column} (if written)`)])],
    ['writes', columns(operation.writes.map((column) => (onDemand.includes(column) ? `${column} (if read later)` : column)))],
    ...(operation.writes.length > 0 && rows !== 'all' ? [['of', `${rows} packets`] as const] : []),
    ['state', state === 'none' ? 'none' : state === 'global' ? 'one for all packets' : 'per flow'],
    ['order', order === 'any' ? 'any' : order === 'total' ? 'as captured' : 'as captured, per flow'],
    ['verdicts', verdicts.join(', ')],
    ['header pass', operation.fusable ? 'may be part of it' : 'no'],
    ...variants.map((variant) => ['variant', variantText(variant, here)] as const),
  ]);
}

function secondBody({ name, alternative }: Operation): [string, string][] {
  if (!alternative) return [];
  const { argument, whenRead, operation } = alternative;
  const when = `for \`${name} ${argument}\`, and for \`${name}\` where a later step reads ${whenRead}`;
  return [['other body', `${operation.name}, ${when}; see \`model-t ops ${operation.name}\``]];
}

function variantText(variant: VariantDeclaration, here: Here): string {
  const { perPacket, perByte, perArgument } = variant.expectedCycles;
  const more = `${perByte > 0 ? ` and ${perByte} per byte beyond 60` : ''}${perArgument ? ` and ${perArgument} times the argument` : ''}`;
  const cost = `${perPacket} cycles per packet${more} expected`;
  const made = variant.form === undefined ? '' : `, from ${variant.form}`;
  const obstacle = missing(variant, here);
  return `${variant.name}: ${cost}${made}${obstacle === null ? '' : `; ${obstacle}`}`;
}

export function operationJson(operations: readonly Operation[], here: Here): object {
  return {
    schema: 'model-t/operations',
    schemaVersion: SCHEMA_VERSION,
    operations: operations.map(({ alternative, ...operation }) => ({
      ...operation,
      ...(alternative && { alternative: { ...alternative, operation: alternative.operation.name } }),
      variants: operation.variants.map((variant) => ({ ...variant, runsHere: missing(variant, here) === null })),
    })),
  };
}
