/**
 * From tokens to a tree of names and arguments, by the grammar
 *
 *   sequence  = [ "|" CLASS ] node { "|" [ CLASS ] node }
 *   node      = NAME [ "@" VARIANT ] { argument }  |  group
 *   group     = "(" sequence ")" "+" "(" sequence ")" { "+" "(" sequence ")" }
 *
 * Nothing is looked up here: that is resolver.ts. Pure; called by ../pipeline.ts.
 */
import { type Token, tokenize } from './lexer.js';
import { refuse, shortened } from './refusal.js';

/** Class that a conditional pipe lets through, and where it stands. */
interface Condition {
  readonly value: number;
  readonly at: number;
}

export interface WrittenStep {
  readonly kind: 'step';
  /** With its variant, as written: `tcp@avx2`. */
  readonly name: string;
  readonly at: number;
  readonly arguments: readonly Token[];
  readonly condition: Condition | null;
}

export interface WrittenGroup {
  readonly kind: 'group';
  readonly branches: readonly WrittenSequence[];
  readonly at: number;
  readonly condition: Condition | null;
}

export type WrittenNode = WrittenStep | WrittenGroup;
export type WrittenSequence = readonly WrittenNode[];

/** Classes are 16 bits. */
const LARGEST_CLASS = 65535;
/** Groups in groups: each needs a burst of its own while it runs. */
export const DEEPEST = 8;
const BRANCHES = 'Branches stand in parentheses, ( ... ) + ( ... ); put a + that is an argument in double quotes';
const SEPARATE = 'Separate operations with |, and put arguments that hold |, ( or ) in double quotes';

export function parseText(text: string): WrittenSequence {
  return new Parser(text).all();
}

class Parser {
  private readonly tokens: readonly Token[];
  private next = 0;
  private depth = 0;

  constructor(private readonly text: string) {
    this.tokens = tokenize(text);
  }

  all(): WrittenSequence {
    const sequence = this.sequence('the end');
    if (this.here().kind !== 'end') this.unexpected("'|' or the end", SEPARATE);
    return sequence;
  }

  private here(): Token {
    return this.tokens[this.next] as Token;
  }

  private take(): Token {
    return this.tokens[this.next++] as Token;
  }

  private unexpected(expected: string, remedy: string): never {
    const { kind, at, end } = this.here();
    const found = kind === 'end' ? 'the end' : `'${shortened(this.text.slice(at, end))}'`;
    refuse(this.text, at, `found ${found}, expected ${expected}`, kind === '+' ? BRANCHES : remedy);
  }

  private sequence(closing: string): WrittenSequence {
    const nodes: WrittenNode[] = [];
    let condition: Condition | null = null;
    if (this.here().kind === '|') condition = this.firstCondition();
    nodes.push(this.node(condition));
    while (this.here().kind === '|') {
      this.take();
      nodes.push(this.node(this.condition()));
    }
    if (closing !== 'the end' && this.here().kind !== ')') this.unexpected(`'|' or ${closing}`, SEPARATE);
    return nodes;
  }

  /** A sequence may begin with `|N`, never with a bare pipe. */
  private firstCondition(): Condition {
    const pipe = this.next;
    this.take();
    const condition = this.condition();
    if (condition !== null) return condition;
    this.next = pipe;
    return this.unexpected('an operation', 'Leave out the first |, or write a class behind it, as in |80');
  }

  /** The number behind a pipe, if there is one: names never begin with a digit. */
  private condition(): Condition | null {
    const token = this.here();
    if (token.kind !== 'word' || !/^[-+]?\d/.test(token.value)) return null;
    const value = /^\d+$/.test(token.value) ? Number(token.value) : Number.NaN;
    if (!(value <= LARGEST_CLASS)) {
      this.unexpected(`a class from 0 to ${LARGEST_CLASS} behind '|'`, 'Put a space between the class and the operation');
    }
    this.take();
    return { value, at: token.at };
  }

  private node(condition: Condition | null): WrittenNode {
    const token = this.here();
    if (token.kind === '(') return this.group(condition);
    if (token.kind !== 'word') {
      const remedy = token.kind === 'string' ? 'An argument stands behind its operation' : 'Put one operation between two pipes';
      this.unexpected("an operation or '('", remedy);
    }
    const name = this.take();
    const texts: Token[] = [];
    while (['word', 'string', 'file'].includes(this.here().kind)) texts.push(this.take());
    if (this.here().kind === '(') this.unexpected("'|' or an argument", SEPARATE);
    return { kind: 'step', name: this.text.slice(name.at, name.end), at: name.at, arguments: texts, condition };
  }

  private group(condition: Condition | null): WrittenGroup {
    const { at } = this.here();
    if (this.depth === DEEPEST) this.unexpected('an operation', `Groups may lie ${DEEPEST} deep`);
    this.depth++;
    const branches: WrittenSequence[] = [];
    do {
      if (branches.length > 0) this.take();
      if (this.here().kind !== '(') this.unexpected("'(' of the next branch", 'Write ( ... ) + ( ... )');
      this.take();
      branches.push(this.sequence("')'"));
      this.take();
    } while (this.here().kind === '+');
    this.depth--;
    if (branches.length === 1) this.unexpected("'+' and another branch", 'Write ( ... ) + ( ... ), or leave the parentheses out');
    if (!['|', ')', 'end'].includes(this.here().kind)) this.unexpected("'|', '+' or the end", SEPARATE);
    return { kind: 'group', branches, at, condition };
  }
}
