/**
 * The tripwire: an operation touches nothing that it did not declare, and what it did not declare has no influence on it. Every
 * declared operation, in every variant and with every argument that this CPU and build have a body for.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BODIES, type NativeProbe, native, type Operation } from '../../stack/index.js';
import { newFile, ROOT } from '../helpers/files.js';
import { type Argument, anyPackets, argumentsOf, type Packets, type Pair, pairOf, placesOf, WIDTHS } from '../helpers/probe.js';
import { violations } from '../helpers/tripwire.js';

const ADDON = join(ROOT, 'build/Release/model_t.node');
const CHILD = join(ROOT, 'test/helpers/probe-child.mjs');

const NO_ROWS = Object.fromEntries(Object.entries(WIDTHS).map(([name, width]) => [name, new Uint8Array(256 * width)]));

/** Null = there is no such body here. */
function hasBody({ name }: Operation, variant: string, argument: Argument): boolean {
  const empty = { bytes: new Uint8Array(), sizes: new Uint32Array(256) };
  const probe = { name, variant, ...argument, wants: 0, count: 0, columns: NO_ROWS, frames: empty, payloads: empty };
  return native.probeOperation({ ...probe, guarded: false, writable: false }) !== null;
}

interface Case {
  readonly operation: Operation;
  readonly what: Argument & Pick<NativeProbe, 'variant' | 'wants'>;
}

/** Variants that exist, each with every argument, and with what is filled in on demand and without. */
function casesOf(operation: Operation): Case[] {
  const [first] = argumentsOf(operation);
  return operation.variants
    .filter(({ name }) => first && hasBody(operation, name, first))
    .flatMap(({ name: variant }) =>
      argumentsOf(operation).flatMap((argument) =>
        (operation.onDemand.length ? [0, 3] : [3]).map((wants) => ({ operation, what: { variant, wants, ...argument } })),
      ),
    );
}

const cases = new Map(BODIES.map((operation) => [operation, casesOf(operation)]));
const withBody = BODIES.filter((operation) => cases.get(operation)?.length);
const without = BODIES.filter((operation) => !cases.get(operation)?.length);

function probed(pair: Pair): {
  one: NonNullable<ReturnType<typeof native.probeOperation>>;
  two: NonNullable<ReturnType<typeof native.probeOperation>>;
} {
  const one = native.probeOperation(pair.one);
  const two = native.probeOperation(pair.two);
  if (!one || !two) throw new Error('the body has gone');
  return { one, two };
}

/** `declared` is what it is held to; its own declaration unless a test lies. */
function judge({ operation, what }: Case, packets: Packets, declared = operation): string[] {
  const pair = pairOf(declared, what, packets, false);
  return violations(declared, pair, probed(pair));
}

const RUNS = 6;

describe('declared is what is touched', () => {
  it.each(withBody)('$name', (operation) => {
    fc.assert(
      fc.property(anyPackets, (packets) => {
        for (const one of cases.get(operation) ?? [])
          expect({ ...one.what, found: judge(one, packets) }).toEqual({ ...one.what, found: [] });
      }),
      { numRuns: RUNS },
    );
  });

  it.skip.each(without)('$name: no body here', () => {});

  const find = (name: string): Operation =>
    BODIES.find((operation) => operation.name === name) ?? BODIES[0] ?? (undefined as never);
  it.each<[string, string, Partial<Operation>, RegExp]>([
    ['a written column', 'eth', { writes: ['networks'] }, /wrote types/],
    ['a column of other rows', 'ip4', { rows: 'ip6' }, /wrote transports/],
    ['a read column', 'count', { reads: [] }, /verdicts/],
    ['a read byte', 'vlan', { bytesTouched: 14 }, /classes differ/],
    ['a verdict', 'ip4', { verdicts: ['ok'] }, /without a name/],
    ['rows that leave', 'sample', { drops: false }, /wrote leaves.*the body drops/],
    ['bytes that it writes', 'decrement-ttl', { writesPacket: 'no' }, /wrote bytes of packets/],
  ])('a lie is found: %s', (_what, name, lie, said) => {
    const operation = find(name);
    const packets = fc.sample(anyPackets, { seed: 1, numRuns: 3 });
    const one = cases.get(operation)?.at(-1);
    if (!one) throw new Error(`${name} has no body`);
    const found = packets.flatMap((some) => judge(one, some, { ...operation, ...lie }));
    expect(packets.flatMap((some) => judge(one, some))).toEqual([]);
    expect(found.join()).toMatch(said);
  });
});

/** Runs probes in a process of their own: how it ended, and behind which label. */
function inChild(probes: readonly (readonly [string, NativeProbe])[]): { signal: string | null; last: string; err: string } {
  const done = spawnSync(process.execPath, [CHILD, ADDON, newFile('probes', serialize(probes))], { encoding: 'utf8' });
  return { signal: done.signal, last: done.stdout.trim().split('\n').at(-1) ?? '', err: done.stderr };
}

describe('memory behind a guard', () => {
  it('is never touched', () => {
    const packets = fc.sample(anyPackets, { seed: 2, numRuns: 3 });
    const probes = withBody.flatMap((operation) =>
      (cases.get(operation) ?? []).flatMap(({ what }) =>
        packets.map(
          (some) => [`${operation.name} ${what.variant} ${what.parameter}`, pairOf(operation, what, some, true).one] as const,
        ),
      ),
    );
    expect(inChild(probes)).toEqual({ signal: null, last: 'done', err: '' });
  });

  it.each([
    ['reading a frame', 'eth', 0, true],
    ['reading behind the bytes declared', 'vlan', 13, true],
    ['writing to a packet', 'decrement-ttl', 62, false],
  ])('ends the process: %s', (_what, name, readable, writable) => {
    const [packets] = fc.sample(anyPackets, { seed: 3, numRuns: 1 });
    const one = cases.get(BODIES.find((operation) => operation.name === name) ?? (undefined as never))?.[0];
    if (!one || !packets) throw new Error(`${name} has no body`);
    const { one: probe } = pairOf(one.operation, one.what, packets, true);
    const places: Uint8Array[] = [];
    let at = 0;
    for (const size of probe.frames.sizes) {
      places.push(probe.frames.bytes.subarray(at, at + Math.min(size, readable)));
      at += size;
    }
    expect(inChild([['it', { ...probe, frames: placesOf(places), writable }]])).toMatchObject({ signal: 'SIGSEGV', last: 'it' });
  });
});
