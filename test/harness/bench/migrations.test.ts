/** `bench migrations`: where it moves to, what makes a result right, and the command with made-up replays. */
import { describe, expect, it } from 'vitest';
import { benchMigrations, type MigrationFlags } from '../../../harness/bench/migrations.js';
import { isWhole, migrationLines, migrationResult, otherContainers } from '../../../harness/bench/migrations-account.js';
import type { OwnCommand } from '../../../harness/bench/own-command.js';
import type { Context } from '../../../harness/context.js';
import { randomSource } from '../../../harness/generate.js';
import type { ReplayRequest, RunOutcome } from '../../../replay/index.js';
import type { Placement } from '../../../stack/index.js';
import { MACHINE, outcomeOf, planOf } from '../fake.js';

const PACKETS = 1000;

function outcome(changes: Partial<RunOutcome> = {}, verdicts: Record<string, number> = { 'in-order': PACKETS }): RunOutcome {
  const base = outcomeOf(planOf({ inputs: ['a'] }), { stopped: 'limit' });
  const [operation] = base.operations as [RunOutcome['operations'][number]];
  return { ...base, operations: [operation, { ...operation, name: 'order 64', verdicts }], ...changes };
}
const moving = { ...outcome().placement, switches: 4, blockedSeconds: 40e-6, longestBlockedSeconds: 25e-6 };

describe('placements to move to', () => {
  it('are contiguous, never the present one, and in time all that there are', () => {
    const random = randomSource(1);
    const seen = new Set<string>();
    let present: readonly number[] = [0, 0, 0, 0];
    for (let move = 0; move < 300; move++) {
      const next = otherContainers(present, 2, random);
      expect(next).not.toEqual(present);
      seen.add(next.join(''));
      present = next;
    }
    expect([...seen].sort()).toEqual(['0000', '0001', '0011', '0111', '1000', '1100', '1110', '1111']);
  });

  it('of three containers come back to none that they have left', () => {
    const random = randomSource(2);
    for (let move = 0; move < 100; move++) {
      const text = otherContainers([0, 0, 0, 0, 0], 3, random).join('');
      expect(text).toMatch(/^[012]{5}$/);
      expect(text.replace(/(.)\1*/g, '$1')).toHaveLength(new Set(text).size);
    }
  });
});

describe('the account', () => {
  it('is that of both replays, with the time that intake stood still', () => {
    const result = migrationResult(outcome(), outcome({ placement: moving }), PACKETS);
    expect(result).toMatchObject({ switches: 4, blocked: { averageSeconds: 10e-6, longestSeconds: 25e-6 } });
    expect(result.moved).toMatchObject({ lost: 0, judged: PACKETS, outOfOrder: 0, disordered: 0 });
    expect(isWhole(result)).toBe(true);
    expect(migrationLines(result).join('\n')).toContain('blocked: 10 us each on average, 25 us at most');
  });

  const totals = outcome().totals;
  it.each<[string, RunOutcome]>([
    ['switches: 0', outcome()],
    ['lost: 1', outcome({ placement: moving, totals: { ...totals, delivered: PACKETS - 1 } })],
    ['out of order: 2 of 1,000', outcome({ placement: moving }, { 'in-order': 998, 'out-of-order': 2 })],
    ['out of order: 0 of 0', outcome({ placement: moving }, { 'no-flow': PACKETS })],
    ['disordered bursts: 3', outcome({ placement: { ...moving, disordered: 3 } })],
    ['conserved: no', outcome({ placement: moving, conserved: false })],
    ['verified: no', outcome({ placement: moving, verified: { laps: 1, packets: 1, ok: false } })],
    ['judged without any switch: 1,000', outcome({ placement: moving }, { 'in-order': 999 })],
    ['digest: 00, without any switch 0123456789abcdef', outcome({ placement: moving, digest: '00' })],
    ['digest: none', outcome({ placement: moving, digest: null })],
  ])('is wrong with %s', (told, moved) => {
    const result = migrationResult(outcome(), moved, PACKETS);
    expect(isWhole(result)).toBe(false);
    const wrong = migrationLines(result).filter((line) => line.startsWith('WRONG'));
    expect(wrong.join('\n')).toContain(told);
  });
});

const FLAGS: MigrationFlags = { packets: '1000', switches: '3', ops: 'eth | order', frames: '60', seed: '1' };

async function bench(flags: Partial<MigrationFlags> = {}, moved: Partial<RunOutcome> = {}) {
  const requests: ReplayRequest[] = [];
  const places: (readonly number[])[] = [];
  const out: string[] = [];
  const modelT: OwnCommand = { run: async () => ({ code: 0, output: '', complaint: '' }), stop: () => {} };
  const startReplay = (_trace: unknown, plan: { placement: { start: unknown } }) => {
    let delivered = 0;
    let refusals = 1;
    const placed = new Promise<void>((resolve) => {
      if (plan.placement.start === null) resolve();
      else setTimeout(resolve, 100);
    });
    return {
      snapshot: () => {
        delivered += 100;
        return { delivered };
      },
      place: ({ containers }: Placement) => {
        if (refusals-- > 0) return 'a switch is under way';
        places.push(containers);
        return '';
      },
      stop: () => {},
      outcome: placed.then(() => (plan.placement.start === null ? outcome() : outcome({ placement: moving, ...moved }))),
    };
  };
  const context = {
    replay: {
      openTrace: async () => ({ loaded: Promise.resolve(), close: () => {} }),
      planReplay: (request: ReplayRequest) => {
        requests.push(request);
        return { placement: { start: request.place ?? null } };
      },
      startReplay,
    },
    describeMachine: () => MACHINE,
    packageRoot: '/package',
    print: (line: string) => out.push(line),
    note: () => {},
    status: null,
    onInterrupt: () => () => {},
  } as unknown as Context;
  const end = await benchMigrations({ ...FLAGS, ...flags }, context, modelT).catch((error) => error as object);
  return { end, requests, places, out };
}

describe('the command', () => {
  it('replays once without the policy, moves as often as asked for, and tries again what is refused', async () => {
    const { end, requests, places, out } = await bench();
    expect(end).toBe(0);
    expect(requests).toMatchObject([
      { placement: 'fused', limit: 1000, loop: 0 },
      { place: [0, 0, 0], limit: 1000, loop: 0 },
    ]);
    expect(requests[1]).not.toHaveProperty('placement');
    expect(requests.some(({ rewrites }) => rewrites !== undefined)).toBe(false);
    expect(places).toHaveLength(3);
    expect(out.filter((line) => line.startsWith('right'))).toHaveLength(8);
    expect((await bench()).places).toEqual(places);
  });

  it('ends with 4 when packets are not what they were', async () => {
    const { end, out } = await bench({ json: '-' }, { digest: 'other' });
    expect(end).toBe(4);
    expect(JSON.parse(out.join('\n'))).toMatchObject({ schema: 'model-t/bench-migrations', switches: 4 });
  });

  it('reports nothing of a run that was interrupted', async () => {
    expect((await bench({}, { stopped: 'interrupted' })).end).toMatchObject({ exitCode: 130 });
  });

  it.each([[{ ops: 'eth | count' }], [{ packets: '0' }], [{ switches: 'x' }], [{ cores: '0,7' }], [{ frames: '10' }]])(
    'refuses %o',
    async (flags) => {
      expect((await bench(flags)).end).toMatchObject({ exitCode: 2 });
    },
  );

  it('needs two CPUs', async () => {
    expect((await bench({ cores: '1' })).end).toMatchObject({ exitCode: 3 });
  });
});
