/** Plans: records, what operations are asked to fill in, header passes, what must be given, placement. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BODIES,
  NEED_PAYLOADS,
  NEED_STREAMS,
  NEED_TIMES,
  type PipelinePlan,
  type PlanOptions,
  type PlanRecord,
  parsePipeline,
  planPipeline,
  programOf,
  WANT_CLASSES,
  WANT_PAYLOADS,
} from '../../../stack/index.js';
import { anySpec, refusalOf } from '../../helpers/pipelines.js';

const OPTIONS: PlanOptions = { isas: ['scalar', 'avx2'], placement: 'fused', memoryWritable: true };
const plan = (text: string, options: Partial<PlanOptions> = {}): PipelinePlan =>
  planPipeline(parsePipeline(text), { ...OPTIONS, ...options });
const operations = ({ records }: PipelinePlan): PlanRecord[] => records.filter(({ kind }) => kind === 'operation');

describe('records', () => {
  it('follow the pipeline depth first, with groups between fork and join', () => {
    const { records } = plan('eth | ip4 | port |80 ( |80 count | ( null ) + ( bpf udp ) ) + ( sample 7 ) |80 count@scalar', {
      fuse: false,
    });
    expect(records.map(({ kind, name, condition }) => [kind, name, condition])).toEqual([
      ['operation', 'eth', -1],
      ['operation', 'ip4', -1],
      ['operation', 'port', -1],
      ['fork', '', 80],
      ['branch', '', 80],
      ['operation', 'count', 80],
      ['fork', '', -1],
      ['branch', '', -1],
      ['operation', 'null', -1],
      ['branch', '', -1],
      ['operation', 'bpf', -1],
      ['join', '', -1],
      ['branch', '', -1],
      ['operation', 'sample', -1],
      ['join', '', -1],
      ['operation', 'count', 80],
    ]);
    expect(records[13]).toEqual({
      kind: 'operation',
      name: 'sample',
      variant: 'avx2',
      parameter: 7,
      wants: 0,
      data: null,
      condition: -1,
      pass: -1,
      stores: false,
    });
    expect(records[10]?.data).toEqual(parsePipeline('bpf udp').steps[0]?.data);
    expect(records[15]?.variant).toBe('scalar');
  });

  it('take the name of the body that runs', () => {
    expect(operations(plan('eth | ip4 | tcp | http')).map(({ name }) => name)).toEqual(['eth', 'ip4', 'tcp-stream', 'http']);
  });

  it.each([
    ['eth | ip4 | tcp | count', [0]],
    ['eth | ip4 | tcp |80 count', [WANT_CLASSES]],
    ['eth | ip4 | tcp headers | match x', [WANT_PAYLOADS]],
    ['eth | ip4 | tcp headers | udp | ( |80 match x ) + ( null )', [WANT_CLASSES | WANT_PAYLOADS, WANT_CLASSES | WANT_PAYLOADS]],
    ['eth | ip4 | tcp | udp | port |80 count', [0, 0]],
    ['eth | ip4 | ( tcp |80 count ) + ( udp | count )', [WANT_CLASSES, 0]],
  ])('%s: transports are asked for %j', (text, wants) => {
    const transports = operations(plan(text)).filter(({ name }) => name === 'tcp' || name === 'udp');
    expect(transports.map((record) => record.wants)).toEqual(wants);
  });

  it('what the end looks at is asked for, but not from within branches', () => {
    const { records, needs } = plan('eth | ip4 | udp | ( tcp ) + ( null )', { endReads: ['classes', 'payloads'] });
    expect(records.map(({ wants }) => wants).filter((wants) => wants > 0)).toEqual([WANT_CLASSES | WANT_PAYLOADS]);
    expect(needs).toEqual({ times: false, payloads: true, streams: false });
  });
});

describe('what must be given', () => {
  it.each([
    ['eth | ip4 | count', { times: false, payloads: false, streams: false }],
    ['eth | ip4 | flow', { times: true, payloads: false, streams: false }],
    ['eth | ip4 | tcp headers | match x', { times: false, payloads: true, streams: true }],
    ['eth | ip4 | ( null ) + ( tcp | http | gunzip )', { times: true, payloads: true, streams: true }],
  ])('%s', (text, needs) => {
    const planned = plan(text);
    expect(planned.needs).toEqual(needs);
    const bits = (needs.times ? NEED_TIMES : 0) | (needs.payloads ? NEED_PAYLOADS : 0) | (needs.streams ? NEED_STREAMS : 0);
    expect(programOf(planned.records)).toEqual({ records: planned.records, needs: bits });
  });
});

describe('header passes', () => {
  const passes = (text: string, options: Partial<PlanOptions> = {}): string[] => {
    const { records, passes } = plan(text, options);
    return passes.map(({ first, count, variant, stores }) => {
      const names = records.slice(first, first + count).map(({ name }) => name);
      return `${names.join(' ')}: ${variant} ${stores}`;
    });
  };

  it.each([
    ['eth | ip4 | udp | tcp | checksum-verify header | port | count', ['eth ip4 udp tcp checksum-verify port count: avx2 none']],
    ['eth | ip4 | tcp |80 count', ['eth ip4 tcp: avx2 classes']],
    ['eth | ip4 | ip6 | tcp | checksum-verify', ['eth ip4 ip6 tcp: avx2 all']],
    ['eth | count | ip4', []],
    ['eth | ip6 | ip4', []],
    ['count | eth | ip4', ['eth ip4: avx2 none']],
    ['eth | ip4 | icmp', ['eth ip4: avx2 all']],
    ['eth | ip4 | tcp headers | match x', ['eth ip4: avx2 all']],
    ['eth | ip4 | tcp | http', ['eth ip4: avx2 all']],
    ['eth | ip4 | tcp@scalar', ['eth ip4: avx2 all']],
    ['eth | ip4 | tcp@avx2', ['eth ip4 tcp: avx2 none']],
    ['eth@scalar | ip4', []],
    ['eth | ip4 | port | tcp |80 count', ['eth ip4 port: avx2 all']],
    ['eth | ip4 | port |80 port src |80 count', ['eth ip4 port: avx2 all']],
    [
      '( eth | ip4 | count ) + ( bpf udp | eth | ip4 | tcp |80 count )',
      ['eth ip4 count: avx2 none', 'eth ip4 tcp: avx2 classes'],
    ],
    ['vlan | eth | ip4 | tcp |80 count', ['eth ip4: avx2 all']],
    ['vlan | eth | ip4 | count |80 count', ['eth ip4 count: avx2 none']],
    ['skeleton |1 ( eth | ip4 | udp ) + ( null )', ['eth ip4: avx2 all']],
    ['eth | ip4 | ( udp ) + ( null )', ['eth ip4: avx2 all']],
  ])('%s', (text, expected) => {
    expect(passes(text)).toEqual(expected);
  });

  it('none without vectors, or when told not to; the widest otherwise', () => {
    expect(passes('eth | ip4', { fuse: false })).toEqual([]);
    expect(passes('eth | ip4', { isas: ['scalar'] })).toEqual([]);
    expect(passes('eth | ip4', { isa: 'scalar' })).toEqual([]);
    expect(passes('eth | ip4', { isas: ['scalar', 'avx2', 'avx512'] })).toEqual(['eth ip4: avx512 none']);
    expect(passes('eth | ip4', { isas: ['scalar', 'avx2', 'avx512'], isa: 'avx2' })).toEqual(['eth ip4: avx2 none']);
  });

  it('the end may read what a pass writes', () => {
    expect(passes('eth | ip4 | tcp', { endReads: ['classes'] })).toEqual(['eth ip4 tcp: avx2 classes']);
    expect(passes('eth | ip4 | tcp', { endReads: ['marks'] })).toEqual(['eth ip4 tcp: avx2 all']);
  });

  it('each step says whether what it writes is read behind the pass', () => {
    const stores = operations(plan('eth | ip4 | udp | decrement-ttl |80 count')).map((record) => record.stores);
    expect(stores).toEqual([true, true, false, false, false]);
  });
});

describe('placement', () => {
  const refused = (text: string, options: Partial<PlanOptions>): string | undefined =>
    refusalOf(() => plan(text, options))?.message;

  it('replicated chains share no state and no order', () => {
    expect(refused('eth | sample 2', { placement: 'replicated' })).toMatch(
      /^pipeline, column 7: 'sample' has one state for all packets/,
    );
    expect(refused('eth | ip4 | flow | count', { placement: 'replicated' })).toBeUndefined();
    expect(refused('eth | sample 2', {})).toBeUndefined();
  });

  it('packets that are not ours are not written to', () => {
    expect(refused('eth | ip4 | decrement-ttl', { memoryWritable: false })).toMatch(
      /^pipeline, column 13: 'decrement-ttl' changes packets/,
    );
    expect(refused('eth | ip4 | count', { memoryWritable: false })).toBeUndefined();
  });
});

it('whatever the pipeline: records nest, name bodies that exist, and ask only for what is on demand', () => {
  const spec = anySpec.filter((candidate) => refusalOf(() => parsePipeline(candidate)) === null);
  fc.assert(
    fc.property(spec, (candidate) => {
      const pipeline = parsePipeline(candidate);
      const planned = planPipeline(pipeline, OPTIONS);
      let depth = 0;
      planned.records.forEach((record, index) => {
        if (record.kind === 'fork') expect(planned.records[index + 1]?.kind).toBe('branch');
        if (record.kind === 'fork') depth++;
        if (record.kind === 'join') depth--;
        expect(depth).toBeGreaterThanOrEqual(0);
        if (record.kind === 'branch') expect(record.condition).toBe(planned.records[index + 1]?.condition);
      });
      expect(depth).toBe(0);
      expect(operations(planned).map(({ name }) => name)).toEqual(pipeline.steps.map(({ operation }) => operation.name));
      for (const { name, variant, wants } of operations(planned)) {
        const body = BODIES.find((candidateBody) => candidateBody.name === name);
        expect(body?.variants.map((declared) => declared.name)).toContain(variant);
        if (wants & WANT_CLASSES) expect(body?.onDemand).toContain('classes');
        if (wants & WANT_PAYLOADS) expect(body?.onDemand).toContain('payloads');
      }
      planned.passes.forEach(({ first, count }, pass) => {
        expect(planned.records.flatMap((record, index) => (record.pass === pass ? [index] : []))).toEqual(
          Array.from({ length: count }, (_, index) => first + index),
        );
      });
    }),
    { numRuns: 100 },
  );
});
