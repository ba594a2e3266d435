/** Pipelines that parse and conflict: garbage reads, columns of branches, dead writes, shared bytes, ends. And those that do not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPERATIONS, type Operation, parsePipeline } from '../../../stack/index.js';
import { refusal, refusalOf } from '../../helpers/pipelines.js';

const refused = (text: string, column: number, problem: string, remedy: string): void => {
  const found = refusal(text);
  expect(found).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2, column });
  expect(found.message).toContain(`: ${problem}`);
  expect(found.remedy).toContain(remedy);
};

describe('columns that nobody wrote', () => {
  it.each([
    ['ip4', 1, "'ip4' reads the column 'types', which nothing before it writes", 'Put eth before it'],
    ['ip4 | eth', 1, "'ip4' reads the column 'types'", 'Put eth before it'],
    ['eth | tcp', 7, "'tcp' reads the column 'protocols', which nothing before it writes", 'Put ip4 or ip6 before it'],
    ['count |   udp', 11, "'udp' reads the column 'protocols'", 'Put ip4 or ip6 before it'],
    ['|80 count', 5, "'|80' reads the column 'classes', which nothing before it writes", 'Put vlan, tcp, udp'],
    ['eth | ip4 |6 tcp', 14, "'|6' reads the column 'classes'", 'before it'],
    ['eth | gunzip', 7, "'gunzip' reads the column 'streams', which nothing before it writes", 'Put '],
    [
      'eth | ( ip4 ) + ( null ) | tcp',
      28,
      "'tcp' reads the column 'protocols', which 'ip4' (column 9) writes in a branch, where it stays",
      "'ip4' before the group",
    ],
    ['eth | ( ip4 ) + ( tcp )', 19, "'tcp' reads the column 'protocols', which nothing before it writes", 'Put ip4'],
    [
      'eth | ip4 | tcp | http | udp',
      26,
      "'udp' reads the column 'protocols', which 'http' does not give to the rows it makes",
      "before 'http'",
    ],
    [
      'eth | ip4 | tcp stream | gunzip',
      26,
      "'gunzip' reads the column 'encodings', which nothing before it writes",
      'Put http before it',
    ],
    ['eth | ip4 | tcp | http |80 count', 28, "'|80' reads the column 'classes', which 'http' does not give", "before 'http'"],
    ['( null ) + ( null )|0 count', 23, "'|0' reads the column 'classes', which nothing before it writes", 'Put vlan'],
  ])('%s', refused);

  it('what is given may be read at once', () => {
    for (const text of ['match x', 'count', 'bpf udp', 'match x | match y']) expect(parsePipeline(text).text).toBe(text);
  });
});

describe('columns of branches', () => {
  it.each([
    [
      'a class behind the group',
      'eth | ip4 | port | ( tcp |80 count ) + ( null ) |80 count',
      53,
      "'|80' reads the column 'classes', which 'tcp' (column 22) writes in a branch",
      "Put '|80' into that branch",
    ],
    [
      'a class for a group',
      'eth | ip4 | port | ( match x ) + ( null ) |1 ( count ) + ( null )',
      46,
      "'|1' reads the column 'classes', which 'match'",
      'into that branch',
    ],
    [
      'payloads that could be meant',
      'eth | ip4 | ( tcp ) + ( udp ) | match x',
      33,
      "'match' reads the column 'payloads', which 'tcp' (column 15) writes in a branch",
      "'tcp' before the group",
    ],
    [
      'rows of its own',
      'eth | ip4 | ( tcp stream ) + ( null ) | http',
      41,
      "'http' reads the column 'payloads', which 'tcp' (column 15) writes for rows of its own, which end with their branch",
      "'tcp' before the group",
    ],
    [
      'a branch in a branch',
      'eth | ( ( ip4 ) + ( null ) ) + ( null ) | tcp',
      43,
      "'tcp' reads the column 'protocols', which 'ip4' (column 11) writes in a branch",
      '',
    ],
  ])('%s', (_what, text, column, problem, remedy) => refused(text, column, problem, remedy));

  it.each([
    ['each branch has columns of its own', 'eth | ( ip4 | tcp |80 count ) + ( ip6 | tcp |80 count ) | count'],
    ['branches may classify each for itself', 'eth | ip4 | ( tcp |80 http | gunzip ) + ( udp |53 count )'],
    ['what is written again behind the group', 'eth | ip4 | ( port |80 count ) + ( null ) | port |80 count'],
    ['what was written before, and is only offered in the branch', 'eth | ip4 | port | ( tcp | count ) + ( null ) |80 count'],
    ['one branch in rows of its own, another lets packets through', 'eth | ip4 | ( tcp | http ) + ( bpf udp ) | count'],
  ])('%s', (_what, text) => {
    expect(parsePipeline(text).text).toBe(text);
  });
});

describe('steps that nothing reaches', () => {
  it.each([
    ['drop | count', 8, "nothing reaches 'count': 'drop' lets nothing through", "Put it before 'drop'"],
    ['sink | ( count ) + ( null )', 8, "nothing reaches the group: 'sink' lets nothing through", 'Put it before'],
    ['( drop ) + ( sink ) | count', 23, "nothing reaches 'count': no branch of the group", 'branch of its own'],
    ['( drop | null ) + ( count )', 10, "nothing reaches 'null': 'drop'", 'Put it before'],
    ['( ( drop ) + ( sink ) ) + ( drop ) | count', 38, "nothing reaches 'count': no branch", ''],
  ])('%s', refused);

  it('one branch that lets rows through is enough', () => {
    expect(parsePipeline('( drop ) + ( null ) | count').steps).toHaveLength(3);
  });
});

describe('rows of a stream have no headers of a packet', () => {
  it.each([
    [
      'eth | ip4 | tcp stream | udp',
      26,
      "'udp' reads the column 'protocols', which 'tcp' does not give to the rows it makes",
      "Put it before 'tcp', or 'tcp' into a branch",
    ],
    [
      'eth | ip4 | tcp | ( icmp ) + ( http )',
      21,
      "'icmp' reads the column 'types', which 'tcp' does not give",
      "Put it before 'tcp'",
    ],
  ])('%s', refused);

  it.each(['eth | ip4 | udp | tcp | http', 'eth | ip4 | ( tcp | http ) + ( udp | icmp )'])('%s', (text) => {
    expect(parsePipeline(text).text).toBe(text);
  });
});

describe('dead writes', () => {
  it.each([
    [
      'eth | eth',
      1,
      "'eth' writes types and networks, which 'eth' (column 7) overwrites before anything reads it",
      "Leave out 'eth'",
    ],
    [
      'eth | ip4 | ip4',
      7,
      "'ip4' writes transports, ends, protocols and marks, which 'ip4' (column 13) overwrites",
      "Leave out 'ip4'",
    ],
    ['eth | ip4 | ip6 | ip4', 7, "'ip4' writes transports", ''],
    ['eth | ip4 | port src | port dst', 13, "'port' writes classes, which 'port' (column 24) overwrites", ''],
    ['eth | ip4 | port src | count | port dst |80 count', 13, "'port' writes classes", ''],
    ['skeleton | match x', 1, "'skeleton' writes classes, which 'match' (column 12) overwrites", ''],
    ['eth | ip4 | skeleton | tcp stream', 13, "'skeleton' writes classes, which", ''],
    ['( skeleton | skeleton ) + ( null )', 3, "'skeleton' writes classes, which 'skeleton' (column 14) overwrites", ''],
  ])('%s', refused);

  it.each([
    ['a condition reads', 'eth | ip4 | port src |80 port dst'],
    ['so does the condition of a branch', 'eth | ip4 | port src | ( |80 count ) + ( null ) | port dst'],
    ['other rows are left', 'eth | ip4 | ip6'],
    ['a narrower write leaves the rest', 'eth | ip4 | port | icmp'],
    ['operations that drop do more than write', 'match a | match b'],
    ['what a branch writes ends with it', '( skeleton ) + ( null ) | skeleton'],
    ['one of the columns is read', 'eth | ip4 | decrement-ttl | ip4'],
    ['nobody reads, nobody overwrites', 'skeleton | count'],
    ['on demand: nobody asked', 'eth | vlan | ip4 | tcp | tcp | port |80 count'],
  ])('%s', (_what, text) => {
    expect(parsePipeline(text).text).toBe(text);
  });
});

describe('bytes of packets', () => {
  it.each([
    [
      'eth | ip4 | ( decrement-ttl ) + ( checksum-verify )',
      15,
      "'decrement-ttl' changes packets while 'checksum-verify' (column 35) looks at them in another branch",
      'before or behind the group',
    ],
    [
      'eth | ip4 | ( bpf udp ) + ( ( decrement-ttl ) + ( null ) )',
      31,
      "'decrement-ttl' changes packets while 'bpf' (column 15)",
      'before or behind',
    ],
  ])('%s', refused);

  it('may change beside those that do not look', () => {
    expect(parsePipeline('eth | ip4 | ( decrement-ttl | checksum-verify ) + ( count )').steps).toHaveLength(5);
  });
});

describe('limits', () => {
  it('64 operations are the most a container runs', () => {
    const of = (count: number): string => Array<string>(count).fill('count').join(' | ');
    expect(parsePipeline(of(64)).steps).toHaveLength(64);
    expect(refusal(of(65))).toMatchObject({ exitCode: 2, column: 64 * 8 + 1, message: expect.stringContaining('65 operations') });
  });
});

/** What a row has, thought of again: one path, no conditions. */
function firstGarbage(operations: readonly Operation[]): number {
  let known = new Set<string>(['frames', 'lengths', 'times', 'payloads']);
  return operations.findIndex(({ reads, writes, expands }) => {
    const garbage = reads.some((column) => !known.has(column));
    if (expands) known = new Set(['frames', 'lengths', 'times']);
    for (const column of writes) known.add(column);
    return garbage;
  });
}

it('one path: a garbage read is refused at its operation, and nothing else is called one', () => {
  const plain = OPERATIONS.filter(
    ({ argument, alternative, last }) => !alternative && !last && argument.kind !== 'texts' && argument.kind !== 'number',
  );
  let garbageSeen = 0;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...plain), { minLength: 1, maxLength: 8 }), (operations) => {
      const text = operations.map(({ name }) => name).join(' | ');
      const found = refusalOf(() => parsePipeline(text));
      const at = firstGarbage(operations);
      const garbage = found !== null && / reads the column /.test(found.message);
      expect(garbage).toBe(at >= 0);
      if (!garbage) return;
      garbageSeen++;
      expect(found.column).toBe(operations.slice(0, at).reduce((column, { name }) => column + name.length + 3, 1));
    }),
    { numRuns: 300 },
  );
  expect(garbageSeen).toBeGreaterThan(50);
});
