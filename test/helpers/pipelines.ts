/** Pipelines for tests: how one is refused, and arbitrary ones as JSON. Only tests may import this. */
import fc from 'fast-check';
import { ModelTError, type NodeSpec, type ParseOptions, type PipelineSpec, parsePipeline } from '../../stack/index.js';

export interface Refusal {
  readonly code: string;
  readonly exitCode: number;
  readonly message: string;
  readonly remedy: string;
  /** From 1; 0 = the message names none. */
  readonly column: number;
}

/** What `action` is refused with; null = it was not. Anything but a ModelTError is thrown on. */
export function refusalOf(action: () => unknown): Refusal | null {
  try {
    action();
    return null;
  } catch (error) {
    if (!(error instanceof ModelTError)) throw error;
    const { code, exitCode, message, remedy = '' } = error;
    return { code, exitCode, message, remedy, column: Number(message.match(/^pipeline, column (\d+): /)?.[1] ?? 0) };
  }
}

export function refusal(given: string | PipelineSpec, options?: ParseOptions): Refusal {
  const found = refusalOf(() => parsePipeline(given, options));
  if (!found) throw new Error(`${JSON.stringify(given)} was accepted`);
  return found;
}

const argument = fc.oneof(
  fc.constantFrom(
    'GET /',
    'a"b',
    '\\',
    '\n\t\r',
    'é',
    '@file',
    "it's",
    '|',
    '( x )',
    '+',
    '80',
    '-',
    'tcp[13]&2!=0',
    '\u{1f600}',
  ),
  fc.string({ minLength: 1, maxLength: 6, unit: 'grapheme' }),
  fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => ({ hex: Buffer.from(bytes).toString('hex') })),
);

const plain: fc.Arbitrary<NodeSpec> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('count', 'null', 'checksum-verify', 'udp', 'icmp', 'count').map((op) => ({ op })) },
  { weight: 1, arbitrary: fc.constantFrom('count', 'udp').map((op) => ({ op, variant: 'scalar' })) },
  { weight: 1, arbitrary: fc.constantFrom('all', 'header').map((word) => ({ op: 'checksum-verify', arguments: [word] })) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 ** 32 - 1 }).map((n) => ({ op: 'sample', arguments: [n] })) },
  { weight: 1, arbitrary: fc.constantFrom('src', 'dst').map((word) => ({ op: 'port', arguments: [word] })) },
  {
    weight: 2,
    arbitrary: fc.array(argument, { minLength: 1, maxLength: 3 }).map((texts) => ({ op: 'match', arguments: texts })),
  },
);

const withCondition = (node: fc.Arbitrary<NodeSpec>): fc.Arbitrary<NodeSpec> =>
  fc
    .tuple(node, fc.option(fc.integer({ min: 0, max: 65535 }), { freq: 6 }))
    .map(([inner, when]) => (when === null ? inner : { ...inner, when }));

const nested: (depth: number) => fc.Arbitrary<PipelineSpec> = (depth) => {
  const group = fc
    .array(depth > 0 ? nested(depth - 1) : fc.constant([{ op: 'count' }]), { minLength: 2, maxLength: 3 })
    .map((fork) => ({ fork }));
  const node = depth > 0 ? fc.oneof({ weight: 5, arbitrary: plain }, { weight: 1, arbitrary: group }) : plain;
  return fc.array(withCondition(node), { minLength: 1, maxLength: 5 });
};

/** Behind `eth | ip4 | tcp headers`, so that most of them are accepted; the rest conflict in one way or the other. */
export const anySpec: fc.Arbitrary<PipelineSpec> = nested(2).map((rest) => [
  { op: 'eth' },
  { op: 'ip4' },
  { op: 'tcp', arguments: ['headers'] },
  ...rest,
]);
