/**
 * What is known about a packet on a way through a filter: answers of the tests already made, and what they imply for other
 * tests of the same value. Each fact decides by itself, never two together, so that two ways on which the same tests are
 * decided may share their rest (graph.ts). Values; each addition makes a new object.
 */
import { compares, type Test } from './values.js';

/** About one value. */
interface Known {
  readonly equal: number | null;
  readonly unequal: ReadonlySet<number>;
  readonly least: number;
  readonly most: number;
  /** Answers of tests for bits: any of them set, none of them set. */
  readonly bits: readonly { readonly mask: number; readonly set: boolean }[];
}

const NOTHING: Known = { equal: null, unequal: new Set(), least: 0, most: 0xffff_ffff, bits: [] };

function learn(known: Known, test: Test, number: number, answer: boolean): Known {
  switch (test.comparison) {
    case 'equal':
      return answer ? { ...NOTHING, equal: number } : { ...known, unequal: new Set([...known.unequal, number]) };
    case 'greater':
      if (answer) return { ...known, least: Math.max(known.least, number + 1) };
      return { ...known, most: Math.min(known.most, number) };
    case 'atLeast':
      if (answer) return { ...known, least: Math.max(known.least, number) };
      return { ...known, most: Math.min(known.most, number - 1) };
    case 'anyBit':
      return { ...known, bits: [...known.bits, { mask: number, set: answer }] };
  }
}

function decide(known: Known, test: Test, number: number): boolean | null {
  if (known.equal !== null) return compares(test.comparison, known.equal, number);
  switch (test.comparison) {
    case 'equal':
      return known.unequal.has(number) || number < known.least || number > known.most ? false : null;
    case 'greater':
      return known.least > number ? true : known.most <= number ? false : null;
    case 'atLeast':
      return known.least >= number ? true : known.most < number ? false : null;
    case 'anyBit':
      for (const { mask, set } of known.bits) {
        if (set && (mask & ~number) === 0) return true;
        if (!set && (number & ~mask) === 0) return false;
      }
      return null;
  }
}

export class Facts {
  static readonly none = new Facts(new Map(), new Map());

  private constructor(
    private readonly about: ReadonlyMap<number, Known>,
    /** Tests of two values, by their number. */
    private readonly answers: ReadonlyMap<number, boolean>,
  ) {}

  with(test: Test, answer: boolean): Facts {
    const { left, right } = test;
    if (right.kind !== 'constant') return new Facts(this.about, new Map([...this.answers, [test.id, answer]]));
    return new Facts(
      new Map([...this.about, [left.id, learn(this.about.get(left.id) ?? NOTHING, test, right.value, answer)]]),
      this.answers,
    );
  }

  /** The answer, or null when it is open. */
  decide(test: Test): boolean | null {
    const { left, right } = test;
    if (right.kind !== 'constant') return this.answers.get(test.id) ?? null;
    const known = this.about.get(left.id);
    return known ? decide(known, test, right.value) : null;
  }
}
