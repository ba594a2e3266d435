/** The published schema of results: outcomes satisfy it, what it forbids fails, and a reader refuses a higher major. */
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { readResult } from '../../harness/result.js';
import { outcomeOf, planOf } from './fake.js';

const schema = JSON.parse(readFileSync(new URL('../../harness/schema/run.schema.json', import.meta.url), 'utf8')) as object;
const validate = new Ajv2020.default({ strict: true, allErrors: true, strictRequired: true }).compile(schema);
const outcome = outcomeOf(
  planOf({ inputs: ['a.pcap'], rewrites: [{ field: 'src', cidr: '10.0.0.0/8' }], target: { kind: 'ring', name: 'r' } }),
  {
    rings: [
      {
        name: 'r',
        bytes: 4096,
        descriptors: 64,
        hugePages: 'none',
        finalBytes: 2048,
        events: [{ seconds: 0.5, bytes: 2048, distance: 3, packetsPerSecond: 4, reason: 'smaller' }],
        readers: [{ pid: 7, policy: 'lag', delivered: 5, lost: 1, state: 'died' }],
      },
    ],
    samples: [{ seconds: 1, packets: 2, bytes: 3, ringDistance: 4 }],
  },
);

describe('schema', () => {
  it('accepts an outcome with everything in it', () => {
    expect(validate(outcome)).toBe(true);
  });

  it('accepts fields that a later minor version adds', () => {
    expect(validate({ ...outcome, schemaVersion: '1.7', added: true, totals: { ...outcome.totals, added: 1 } })).toBe(true);
  });

  it.each(Object.keys(outcome))('insists on %s', (key) => {
    const { [key as keyof typeof outcome]: _left, ...rest } = outcome;
    expect(validate(rest)).toBe(false);
  });

  it.each<[string, object]>([
    ['another major', { schemaVersion: '2.0' }],
    ['a digest that is none', { digest: 'xyz' }],
    ['an unknown end', { stopped: 'bored' }],
    ['a count that is negative', { totals: { ...outcome.totals, offered: -1 } }],
    ['an unknown target', { plan: { ...outcome.plan, target: { kind: 'moon' } } }],
    ['a ring target without a name', { plan: { ...outcome.plan, target: { kind: 'ring' } } }],
  ])('refuses %s', (_name, changes) => {
    expect(validate({ ...outcome, ...changes })).toBe(false);
  });
});

describe('readResult', () => {
  it('returns what was written', () => {
    expect(readResult(JSON.stringify(outcome), 'a.json')).toEqual(outcome);
  });

  it('takes a newer minor, refuses a newer major', () => {
    expect(readResult(JSON.stringify({ ...outcome, schemaVersion: '1.99' }), 'a.json').schemaVersion).toBe('1.99');
    expect(() => readResult(JSON.stringify({ ...outcome, schemaVersion: '2.0' }), 'a.json')).toThrow(
      'a.json has schema version 2.0',
    );
  });

  it.each([
    '',
    '[]',
    'null',
    '{}',
    '{"schema":"other"}',
    '{"schema":"model-t/run"}',
    '{"schema":"model-t/run","schemaVersion":"x"}',
  ])('refuses %s', (text) => {
    expect(() => readResult(text, 'a.json')).toThrow(/^a\.json /);
  });
});
