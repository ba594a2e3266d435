/**
 * The lower half of the parser (parser.ts): tokens, numbers, protocols, and arithmetic. The grammar is the one libpcap has:
 * `*` and `/` before `+` and `-` before shifts before `&` before `|`, while `^` and `%` take all that stands to the right.
 */
import type { Fail } from './error.js';
import { type Token, tokens } from './lexer.js';
import { CONSTANTS, PROTOCOL_ALIASES, PROTOCOLS, type Protocol } from './names.js';
import type { Arithmetic, ArithmeticOperator } from './syntax.js';

const LEVELS: Readonly<Record<string, number>> = { '|': 1, '&': 2, '<<': 3, '>>': 3, '+': 4, '-': 4, '*': 5, '/': 5 };
const GREEDY = ['^', '%'];
export const DEPTH = 100;

/** Thrown where what was read is no arithmetic after all. */
export class NotArithmetic extends Error {}

export class ArithmeticParser {
  private readonly all: readonly Token[];
  protected next = 0;
  protected depth = 0;

  constructor(
    text: string,
    protected readonly fail: Fail,
  ) {
    this.all = tokens(text, fail);
  }

  protected token(ahead = 0): Token {
    return this.all[Math.min(this.next + ahead, this.all.length - 1)] as Token;
  }

  protected is(text: string, ahead = 0): boolean {
    const token = this.token(ahead);
    return (token.type === 'operator' || token.type === 'word') && token.text === text;
  }

  protected takes(...texts: readonly string[]): Token | null {
    const token = this.token();
    if (!texts.some((text) => this.is(text))) return null;
    this.next++;
    return token;
  }

  protected expect(text: string): void {
    const { type, offset, text: found } = this.token();
    if (!this.takes(text))
      this.fail(offset, `${type === 'end' ? 'the end' : `'${found}'`} stands where '${text}' must`, `Write ${text}`);
  }

  protected protocol(): Protocol | null {
    const { type, text } = this.token();
    const name = Object.hasOwn(PROTOCOL_ALIASES, text) ? PROTOCOL_ALIASES[text] : PROTOCOLS.find((known) => known === text);
    if (type !== 'word' || name === undefined) return null;
    this.next++;
    return name;
  }

  protected numberFollows(): boolean {
    let ahead = 0;
    while (this.is('(', ahead)) ahead++;
    const { type, text } = this.token(ahead);
    return type === 'number' || (type === 'word' && Object.hasOwn(CONSTANTS, text));
  }

  /** A number or the name of one, in parentheses or not. */
  protected number(): number {
    const { type, text, value, offset } = this.token();
    if (this.takes('(')) {
      const inner = this.number();
      this.expect(')');
      return inner;
    }
    const constant = type === 'word' && Object.hasOwn(CONSTANTS, text) ? CONSTANTS[text] : undefined;
    if (type !== 'number' && constant === undefined) {
      this.fail(offset, `${type === 'end' ? 'the end' : `'${text}'`} stands where a number must`, 'Give a number');
    }
    this.next++;
    return constant ?? value;
  }

  protected rightSide(): Arithmetic {
    try {
      return this.arithmetic(0);
    } catch (error) {
      if (!(error instanceof NotArithmetic)) throw error;
      const { offset } = this.token();
      return this.fail(offset, 'a number is missing', 'Compare with a number, a constant, len or protocol[offset:size]');
    }
  }
  protected arithmetic(level: number): Arithmetic {
    let left = this.greedy(this.operand());
    for (;;) {
      const { type, text, offset } = this.token();
      const own = type === 'operator' ? LEVELS[text] : undefined;
      if (own === undefined || own <= level) return left;
      this.next++;
      left = { kind: 'binary', operator: text as ArithmeticOperator, offset, left, right: this.arithmetic(own) };
    }
  }

  protected greedy(left: Arithmetic): Arithmetic {
    const operator = this.takes(...GREEDY);
    if (!operator) return left;
    const { text, offset } = operator;
    return { kind: 'binary', operator: text as ArithmeticOperator, offset, left, right: this.arithmetic(0) };
  }

  protected operand(): Arithmetic {
    if (this.depth++ > DEPTH) this.fail(this.token().offset, `more than ${DEPTH} nested terms`, 'Write it flatter');
    const { offset } = this.token();
    let operand: Arithmetic;
    if (this.takes('-')) operand = { kind: 'negate', operand: this.greedy(this.operand()) };
    else if (this.takes('(')) {
      operand = this.arithmetic(0);
      if (!this.takes(')')) throw new NotArithmetic();
    } else if (this.takes('len', 'length')) operand = { kind: 'length' };
    else if (this.numberFollows()) operand = { kind: 'number', value: this.number() };
    else operand = this.load(offset);
    this.depth--;
    return operand;
  }

  protected load(offset: number): Arithmetic {
    const protocol = this.is('[', 1) ? this.protocol() : null;
    if (!protocol) {
      const { text } = this.token();
      if (this.is('[', 1))
        this.fail(offset, `'${text}' has no bytes to look at`, 'Use ether, ip, ip6, arp, tcp, udp, icmp, icmp6 …');
      throw new NotArithmetic();
    }
    this.expect('[');
    const index = this.rightSide();
    const sized = this.takes(':');
    const { offset: at } = this.token();
    const size = sized ? this.number() : 1;
    if (![1, 2, 4].includes(size)) this.fail(at, `${size} bytes cannot be loaded`, 'The size is 1, 2 or 4');
    this.expect(']');
    return { kind: 'load', protocol, offset, index, size };
  }
}
