/**
 * The border between JavaScript and native code is crossed a fixed number of times, whatever the number of packets: counted
 * by putting the addon's classes and functions behind proxies.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openTrace, planReplay, startReplay } from '../../replay/index.js';
import { nativeModule } from '../../stack/index.js';
import { newPath, trafficFile } from '../helpers/files.js';
import { type Asked, machine } from '../helpers/replay.js';

type Class = new (...words: unknown[]) => object;

const addon = nativeModule() as unknown as Record<string, unknown>;
const originals = { ...addon };
let calls: string[];
const behind = new WeakMap<object, object>();

/** Native code unwraps its own objects only. */
const real = (value: unknown): unknown => (typeof value === 'object' && value !== null ? (behind.get(value) ?? value) : value);

function counted(name: string, object: object): object {
  const proxy = new Proxy(object, {
    get: (_, key) => {
      const member: unknown = Reflect.get(object, key, object);
      if (typeof member !== 'function') return member;
      return (...words: unknown[]) => {
        calls.push(`${name}.${String(key)}`);
        return Reflect.apply(member, object, words.map(real));
      };
    },
  });
  behind.set(proxy, object);
  return proxy;
}

beforeEach(() => {
  calls = [];
  /* Samples are taken by the clock, not by packets: without a clock there are none. */
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  for (const name of Object.keys(originals)) {
    addon[name] = new Proxy(originals[name] as Class, {
      construct: (target, words) => {
        calls.push(`new ${name}`);
        return counted(name, Reflect.construct(target, words.map(real)));
      },
      apply: (target, _, words) => {
        calls.push(name);
        return Reflect.apply(target as unknown as (...words: unknown[]) => unknown, addon, words.map(real));
      },
    });
  }
});
afterEach(() => {
  Object.assign(addon, originals);
  vi.useRealTimers();
});

async function callsOf(packets: number, request: Asked): Promise<{ offered: number; calls: string[] }> {
  const path = trafficFile({ packets });
  calls = [];
  const trace = await openTrace([path]);
  await trace.loaded;
  const run = startReplay(trace, planReplay({ inputs: [path], ...request }, machine), machine);
  const { totals } = await run.outcome;
  trace.close();
  return { offered: totals.offered, calls };
}

describe('a replay', () => {
  const rewrites = [{ field: 'src' as const, cidr: '10.0.0.0/8' }];
  it.each<[string, () => Asked]>([
    ['the stack', () => ({ rewrites, unique: 'packet' })],
    ['nobody', () => ({ target: { kind: 'null' }, payload: 'resident' })],
    ['a file', () => ({ target: { kind: 'pcap', path: newPath('out.pcap') }, rewrites })],
  ])('into %s makes the same native calls for 3 packets and for 300,000', async (_, request) => {
    const few = await callsOf(3, request());
    const many = await callsOf(3000, { ...request(), loop: 100 });
    expect([few.offered, many.offered]).toEqual([3, 300_000]);
    expect(many.calls).toEqual(few.calls);
  });

  it('is a handful of calls: one to load, four to run, the rest to look', async () => {
    const { calls: made } = await callsOf(100, { rewrites });
    expect(made.filter((name) => name.startsWith('Run.') || name === 'new Run').sort()).toEqual([
      'Run.shape',
      'Run.statistics',
      'Run.wait',
      'new Run',
    ]);
    expect(made.filter((name) => name === 'Trace.load')).toHaveLength(1);
    expect(made.length).toBeLessThanOrEqual(12);
  });

  it('is watched without any call but one look at the trace', async () => {
    const path = trafficFile({ packets: 50 });
    const trace = await openTrace([path]);
    await trace.loaded;
    const run = startReplay(trace, planReplay({ inputs: [path], loop: 0 }, machine), machine);
    calls = [];
    for (let look = 0; look < 10; look++) run.snapshot();
    expect(calls.filter((name) => name !== 'Trace.info')).toEqual([]);
    expect(calls.length).toBeLessThanOrEqual(10);
    calls = [];
    run.stop();
    expect(calls).toEqual(['Run.stop']);
    await run.outcome;
    trace.close();
  });
});
