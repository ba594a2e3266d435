/**
 * Tests of one value brought together. In a chain of alternatives (or of conditions that must all hold) tests of a value that
 * was tested further up move there: `port 80 or 443` loads each port once. libpcap does the same, which also settles what
 * becomes of packets too short for a load in between. Pure; called by graph.ts.
 */
import type { Target, TestNode } from './graph.js';
import type { Test } from './values.js';

type Make = (test: Test, yes: Target, no: Target) => Target;
type Side = 'yes' | 'no';

function entries(start: Target): ReadonlyMap<Target, number> {
  const counts = new Map<Target, number>();
  const visit = (target: Target): void => {
    const seen = counts.get(target) ?? 0;
    counts.set(target, seen + 1);
    if (seen > 0 || typeof target === 'boolean') return;
    visit(target.yes);
    visit(target.no);
  };
  visit(start);
  return counts;
}

/** Tests from `first` on that share the target of `side`, each entered only from the one before. */
function chainOf(first: TestNode, side: Side, counts: ReadonlyMap<Target, number>): TestNode[] {
  const other = side === 'yes' ? 'no' : 'yes';
  const chain = [first];
  for (let next = first[other]; typeof next !== 'boolean'; next = next[other]) {
    if (next[side] !== first[side] || counts.get(next) !== 1) break;
    chain.push(next);
  }
  return chain;
}

/** In order of the first test of each value. */
function byValue(chain: readonly TestNode[]): TestNode[] {
  const groups = new Map<number | TestNode, TestNode[]>();
  for (const node of chain) {
    const key = node.test.right.kind === 'constant' ? node.test.left.id : node;
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  return [...groups.values()].flat();
}

export function grouped(start: Target, side: Side, make: Make): Target {
  const counts = entries(start);
  const done = new Map<Target, Target>();
  const rewrite = (target: Target): Target => {
    if (typeof target === 'boolean') return target;
    const known = done.get(target);
    if (known !== undefined) return known;
    const chain = chainOf(target, side, counts);
    const shared = rewrite(target[side]);
    const last = chain.at(-1) ?? target;
    let result = rewrite(side === 'yes' ? last.no : last.yes);
    for (const { test } of byValue(chain).reverse())
      result = side === 'yes' ? make(test, shared, result) : make(test, result, shared);
    done.set(target, result);
    return result;
  };
  return rewrite(start);
}
