/** The filter language: what expressions mean, what is refused and where, and that the graph's improvements change nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../../stack/bpf/bytecode.js';
import { compileFilter, compileTree, parse } from '../../../stack/bpf/compile.js';
import { type Condition, not } from '../../../stack/bpf/conditions.js';
import { emit } from '../../../stack/bpf/emit.js';
import { FilterError } from '../../../stack/bpf/error.js';
import { Generator } from '../../../stack/bpf/generate.js';
import { Graph } from '../../../stack/bpf/graph.js';
import { serviceNames, serviceOf } from '../../../stack/bpf/names.js';
import { filterText } from '../../../stack/bpf/syntax.js';
import { Values } from '../../../stack/bpf/values.js';
import { bpf } from '../../../stack/ops/bpf.js';
import { interpret } from '../../helpers/bpf.js';
import { EXPRESSIONS } from '../../oracles/bpf-expressions.js';
import { filters, frames } from './random-filter.js';

/** The program, or what is wrong with the expression. */
function attempt<T>(make: () => T): T | string {
  try {
    return make();
  } catch (error) {
    if (error instanceof FilterError) return error.problem;
    throw error;
  }
}
const never = (): never => {
  throw new Error('not reached');
};

describe('filter expressions', () => {
  it('trees as text parse to the same program', () => {
    let compiled = 0;
    fc.assert(
      fc.property(filters(4), (tree) => {
        const text = filterText(tree);
        const program = attempt(() => compileTree(tree, text));
        compiled += typeof program === 'string' ? 0 : 1;
        expect(
          attempt(() => compileFilter(text)),
          text,
        ).toEqual(program);
      }),
      { numRuns: 400 },
    );
    expect(compiled).toBeGreaterThan(200);
  });

  it('the expressions of the oracle as trees as text parse to the same program', () => {
    for (const expression of EXPRESSIONS.filter((text) => text !== '')) {
      const tree = parse(expression);
      const again = tree ? filterText(tree) : '';
      expect(
        attempt(() => compileFilter(again)),
        again,
      ).toEqual(attempt(() => compileFilter(expression)));
    }
  });

  it('improved graphs decide as the plain ones do', () => {
    let matches = 0;
    fc.assert(
      fc.property(filters(4), fc.array(frames, { minLength: 5, maxLength: 20 }), (tree, packets) => {
        const condition = attempt(() => new Generator(new Values(), refuse).condition(tree));
        if (typeof condition === 'string') return;
        const plain = emit(new Graph().plain(condition), never);
        const improved = emit(new Graph().improved(condition), never);
        // Tests moved together and tests left out change what becomes of packets too short for a load; whole ones they must not.
        for (const packet of packets.map((one) => Uint8Array.from([...one, ...Array<number>(200 - one.length).fill(0)]))) {
          const verdict = interpret(plain, packet) !== 0;
          const outside = loadsOutside(condition, packet);
          if (!outside) expect(interpret(improved, packet) !== 0, filterText(tree)).toBe(verdict);
          matches += verdict ? 1 : 0;
        }
      }),
      { numRuns: 300 },
    );
    expect(matches).toBeGreaterThan(100);
  });

  it('keeps code short where tests repeat', () => {
    const lengthOf = (text: string) => compileFilter(text).length;
    expect(lengthOf('tcp and tcp')).toBe(lengthOf('tcp'));
    expect(lengthOf('ip and tcp port 80 and ip and tcp')).toBeLessThanOrEqual(lengthOf('ip and tcp port 80'));
    expect(lengthOf('tcp or not tcp')).toBeLessThanOrEqual(lengthOf('tcp'));
    expect(lengthOf('udp port 53')).toBeLessThanOrEqual(20);
    expect(lengthOf('tcp port 80 or udp port 443')).toBeLessThanOrEqual(33);
    expect(lengthOf('port 80 or 443')).toBeLessThanOrEqual(28);
  });

  it('jumps over more than 255 instructions', () => {
    const hosts = Array.from({ length: 300 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    const program = compileFilter(`ip src host (${hosts.join(' or ')})`);
    expect(program.length).toBeGreaterThan(300);
    const packet = (last: number) => {
      const frame = new Uint8Array(60);
      frame.set([8, 0], 12);
      frame.set([10, 0, last >> 8, last & 255], 26);
      return frame;
    };
    for (const last of [0, 1, 150, 254, 255, 299]) expect(interpret(program, packet(last)), String(last)).not.toBe(0);
    expect(interpret(program, packet(300))).toBe(0);
    expect(interpret(program, new Uint8Array(60))).toBe(0);
  });

  it('programs survive their bytes', () => {
    const program = compileFilter('tcp port 80');
    expect(decode(encode(program))).toEqual(program);
    expect([...encode([{ code: 0x15, jt: 1, jf: 2, k: 0x01020304 }])]).toEqual([0x15, 0, 1, 2, 4, 3, 2, 1]);
  });

  it('services run over what the registries say', () => {
    expect(serviceOf('http')).toEqual({ port: 80, transport: 'tcp' });
    expect(serviceOf('https')).toEqual({ port: 443, transport: null });
    expect(serviceOf('ntp')).toEqual({ port: 123, transport: 'udp' });
    expect(serviceOf('toString')).toBeNull();
    expect(serviceNames().length).toBeGreaterThan(40);
  });
});

describe('refusals', () => {
  it.each<[string, number, RegExp]>([
    ['host example.org', 5, /resolved/],
    ['port nonsense', 5, /no service/],
    ['tcp port 80 or', 14, /missing/],
    ['tcp port', 8, /value is missing/],
    ['tcp 80', 4, /not expected/],
    ['80', 0, /no qualifier/],
    ['tcp or 80', 7, /no qualifier/],
    ['ip and arp', 0, /no packet/],
    ['port 70000', 5, /does not exist/],
    ['net 10.0.0.1/8', 4, /outside its mask/],
    ['net 10.0.0.0/33', 4, /prefix of 33/],
    ['host 10.0.0.0/8', 5, /no network/],
    ['host 10.0.0.256', 5, /no IPv4 address/],
    ['host fe80:::1', 5, /no IPv6 address/],
    ['net fe80::1/64', 4, /outside its prefix/],
    ['ip host ::1', 8, /IPv6/],
    ['tcp host 1.2.3.4', 9, /IPv4/],
    ['ether port 80', 11, /no ports/],
    ['ip proto tcp', 9, /keyword/],
    ['tcp[0:3] = 1', 6, /3 bytes/],
    ['ip[0] / 0 = 1', 6, /zero/],
    ['ip[0] << 32 = 1', 6, /32 bits/],
    ['ah[0] = 1', 0, /no bytes/],
    ['tcp[13]', 7, /comparison/],
    ['vlan 5000', 0, /VLAN 5000/],
    ['mpls and vlan', 9, /after|follows/],
    ['pppoes and vlan', 11, /follows/],
    ['mpls and arp', 9, /MPLS/],
    ['ip protochain 6', 3, /protochain/],
    ['inbound', 0, /inbound/],
    ['(tcp', 4, /'\)'/],
    ['tcp)', 3, /not expected/],
    ['udp port 99999999999', 9, /32 bits/],
    ['port 089', 5, /octal/],
    ['tcp $ udp', 4, /means nothing/],
    [`${'('.repeat(2000)}tcp`, 100, /nested/],
    [Array(5000).fill('tcp').join(' or '), 6997, /more than/],
  ])('%s', (text, offset, problem) => {
    const caught = attemptError(text);
    expect(caught.problem).toMatch(problem);
    expect(caught.offset).toBeGreaterThanOrEqual(0);
    if (text.length < 100) expect({ text, offset: caught.offset }).toEqual({ text, offset });
    expect(caught.exitCode).toBe(2);
    expect(caught.remedy.length).toBeGreaterThan(5);
    expect(caught.message).toContain(`column ${caught.offset + 1}`);
  });

  it('words without sense end in a FilterError, never in another', () => {
    const words = [
      'tcp',
      'port',
      '80',
      'and',
      'not',
      '(',
      ')',
      'host',
      '10.0.0.1',
      'ip',
      '[',
      ']',
      '0',
      '=',
      'vlan',
      'net',
      '/',
      '8',
      '::1',
      '+',
      'len',
      '-',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), (some) => {
        attempt(() => compileFilter(some.join(' ')));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the operation', () => {
  const refuse = (problem: string, _remedy: string, text?: number, offset?: number): never => {
    throw new Error(`${problem} at ${text}:${offset}`);
  };
  const compile = (...texts: string[]) => bpf.argument.kind === 'texts' && bpf.argument.compile(texts, refuse);

  it('takes an expression as one text or as several', () => {
    expect(compile('udp port 53')).toEqual(compile('udp', 'port', '53'));
    expect(compile('udp')).toEqual(encode(compileFilter('udp')));
  });

  it('refuses at the place in the text that is wrong', () => {
    expect(() => compile('tcp', 'and', 'port 70000')).toThrow('at 2:5');
    expect(() => compile('tcp', 'and')).toThrow('at 1:3');
    expect(() => compile('tcp port 70000')).toThrow('at 0:9');
  });
});

function refuse(offset: number, problem: string, remedy: string): never {
  throw new FilterError(offset, problem, remedy, '');
}

function attemptError(text: string): FilterError {
  try {
    compileFilter(text);
  } catch (error) {
    if (error instanceof FilterError) return error;
    throw error;
  }
  throw new Error(`'${text}' was accepted`);
}

/** Some test of the condition, made by itself, ends early: with a load outside the packet, or a division by zero. */
function loadsOutside(condition: Condition, packet: Uint8Array): boolean {
  if (typeof condition === 'boolean') return false;
  if (condition.kind === 'not') return loadsOutside(condition.operand, packet);
  if (condition.kind !== 'test') return loadsOutside(condition.left, packet) || loadsOutside(condition.right, packet);
  return ended(condition, packet);
}

/** Neither the test nor its opposite holds. */
function ended(condition: Condition, packet: Uint8Array): boolean {
  const holds = (one: Condition) => interpret(emit(new Graph().plain(one), never), packet) !== 0;
  return !holds(condition) && !holds(not(condition));
}
