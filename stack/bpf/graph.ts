/**
 * Conditions as a graph of tests with two exits, and its improvement: on every way each test is made once, none is made whose
 * answer follows from those before it, and equal rests are one. A test is left out only where its value was already loaded on
 * that way, or where both answers lead to the same place: so short packets fail where they fail with libpcap. Pure.
 */
import type { Condition } from './conditions.js';
import { Facts } from './facts.js';
import { grouped } from './group.js';
import type { Test } from './values.js';

export interface TestNode {
  readonly id: number;
  readonly test: Test;
  readonly yes: Target;
  readonly no: Target;
}
/** true: the packet matches. */
export type Target = TestNode | boolean;

/** The improved graph may have this many more nodes than the plain one; then the rest stays as it was written. */
const GROWTH = 4;
const SPARE_NODES = 64;
/** Improving and grouping by turns; two are usual. */
const ROUNDS = 8;

const keyOf = (target: Target): string => (typeof target === 'boolean' ? String(target) : String(target.id));

export class Graph {
  private readonly nodes = new Map<string, TestNode>();
  private readonly tested = new Map<Target, readonly Test[]>();
  private readonly done = new Map<string, Target>();
  private budget = 0;

  private node(test: Test, yes: Target, no: Target): Target {
    if (yes === no) return yes;
    const key = `${test.id} ${keyOf(yes)} ${keyOf(no)}`;
    const found = this.nodes.get(key);
    if (found) return found;
    const made = { id: this.nodes.size, test, yes, no };
    this.nodes.set(key, made);
    return made;
  }

  /** As written. */
  plain(condition: Condition, yes: Target = true, no: Target = false): Target {
    if (typeof condition === 'boolean') return condition ? yes : no;
    switch (condition.kind) {
      case 'test':
        return this.node(condition.test, yes, no);
      case 'not':
        return this.plain(condition.operand, no, yes);
      case 'and':
        return this.plain(condition.left, this.plain(condition.right, yes, no), no);
      case 'or':
        return this.plain(condition.left, yes, this.plain(condition.right, yes, no));
    }
  }

  improved(condition: Condition): Target {
    let best = this.plain(condition);
    for (let round = 0; round < ROUNDS; round++) {
      this.budget = this.nodes.size * GROWTH + SPARE_NODES;
      this.done.clear();
      const before = this.under(best, Facts.none);
      const make = this.node.bind(this);
      best = grouped(grouped(before, 'yes', make), 'no', make);
      if (best === before) break;
    }
    return best;
  }

  /** Tests that can still be made from here on. */
  private testsFrom(target: Target): readonly Test[] {
    if (typeof target === 'boolean') return [];
    const found = this.tested.get(target);
    if (found) return found;
    const all = [...new Set([target.test, ...this.testsFrom(target.yes), ...this.testsFrom(target.no)])];
    this.tested.set(target, all);
    return all;
  }

  /** What remains of a graph where `facts` hold. */
  private under(target: Target, facts: Facts): Target {
    if (typeof target === 'boolean') return target;
    const answer = facts.decide(target.test);
    if (answer !== null) return this.under(answer ? target.yes : target.no, facts);
    if (this.done.size >= this.budget) return this.rest(target, Facts.none);
    const decided = this.testsFrom(target).map(
      (test) => ({ true: '1', false: '0', null: '-' })[String(facts.decide(test)) as 'null'],
    );
    return this.rest(target, facts, `${target.id} ${decided.join('')}`);
  }

  private rest(target: TestNode, facts: Facts, key = `${target.id}`): Target {
    const known = this.done.get(key);
    if (known !== undefined) return known;
    const { test } = target;
    const made = this.node(test, this.under(target.yes, facts.with(test, true)), this.under(target.no, facts.with(test, false)));
    this.done.set(key, made);
    return made;
  }
}

/** Nodes with every node before the ones it leads to; where that leaves a choice, a test's yes side follows it. */
export function ordered(start: Target): readonly TestNode[] {
  const seen = new Set<Target>();
  const found: TestNode[] = [];
  const visit = (target: Target): void => {
    if (typeof target === 'boolean' || seen.has(target)) return;
    seen.add(target);
    visit(target.no);
    visit(target.yes);
    found.push(target);
  };
  visit(start);
  return found.reverse();
}
