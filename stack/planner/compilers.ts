/**
 * Discovery: everything that runs a step, or can be made to. A compiler replaces a request by one for an equivalent form; the
 * search goes on with that until no compiler has an answer that is not on the way already. Explicit lists, no registration. Pure.
 */
import type { Operation, VariantDeclaration } from '../ops/operation.js';

/** "I can make `to` from `from`." */
export interface Compiler {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

export const COMPILERS: readonly Compiler[] = [
  { name: 'expression compiler', from: 'bpf expression', to: 'bpf bytecode' },
  { name: 'code generator', from: 'bpf bytecode', to: 'x86-64 code' },
  { name: 'shader writer', from: 'bpf bytecode', to: 'WGSL' },
];

/** One body that runs at least: what executes a form, and how the step gets that form. */
export interface Implementation {
  readonly operation: string;
  readonly variant: VariantDeclaration;
  /** What it executes. */
  readonly form: string;
}

export interface Found {
  readonly implementation: Implementation;
  readonly chain: readonly Compiler[];
}

/** Steps that no compiler knows are executed as they stand. */
const AS_IT_STANDS = 'step';

export function implementationsOf(operation: Operation): Implementation[] {
  return operation.variants.map((variant) => ({
    operation: operation.name,
    variant,
    form: variant.form ?? operation.form ?? AS_IT_STANDS,
  }));
}

/** All implementations that the step's own form, or any form that compilers make of it, leads to. */
export function discover(operation: Operation, compilers: readonly Compiler[] = COMPILERS): Found[] {
  const implementations = implementationsOf(operation);
  const search = (form: string, chain: readonly Compiler[]): Found[] => [
    ...implementations
      .filter((implementation) => implementation.form === form)
      .map((implementation) => ({ implementation, chain })),
    ...compilers
      .filter(({ from, to }) => from === form && to !== from && !chain.some((earlier) => earlier.from === to))
      .flatMap((compiler) => search(compiler.to, [...chain, compiler])),
  ];
  return search(operation.form ?? AS_IT_STANDS, []);
}
