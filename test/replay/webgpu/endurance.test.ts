/**
 * Many starts and stops in one process, and runs interrupted at random moments: no crash, no leak, no wrong exit code. A few in
 * every test run; with MODEL_T_ENDURANCE=1 all 200 and 50.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { trafficFile } from '../../helpers/files.js';
import { describeOnGpu } from '../../helpers/gpu.js';
import { hasCommandLine, launchModelT } from '../../helpers/programs.js';
import { loaded, pause, start, until } from '../../helpers/replay.js';

const ALL = process.env.MODEL_T_ENDURANCE === '1';
const STARTS = ALL ? 200 : 12;
const INTERRUPTS = ALL ? 50 : 6;
const LIMIT_MS = ALL ? 600_000 : 90_000;
const V4 = { field: 'src', cidr: '10.0.0.0/8' } as const;

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const threads = (): number => readdirSync('/proc/self/task').length;
const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('\n').length;

/** Before its first line a program is killed by a signal as any other; it loads the addon later than that. */
const isUp = (pid: number | undefined): boolean => readFileSync(`/proc/${pid}/maps`, 'latin1').includes('model_t.node');

describeOnGpu('endurance', () => {
  it(`${STARTS} starts and stops in one process leave nothing behind`, { timeout: LIMIT_MS }, async () => {
    const trace = await loaded(trafficFile({ packets: 500, sizes: [[90, 1]] }));
    const next = random(20);
    const once = async (): Promise<void> => {
      const gpu = { choice: 'software', batchBytes: 2 ** 18, buffers: 1 + Math.floor(next() * 4), checked: true } as const;
      const run = start(trace, { engine: 'webgpu', gpu, rewrites: [V4], loop: 0, target: { kind: 'null' } });
      const outcome = run.outcome.catch((error: unknown) => error);
      await pause(next() * 120);
      if (next() < 0.5) run.stop();
      else run.abort();
      const ended = await outcome;
      /* Either a sound run, or one that was ended before it began, or aborted: the exit code is the same. */
      if (ended instanceof Error) expect(ended).toMatchObject({ exitCode: 130 });
      else expect(ended).toMatchObject({ stopped: 'interrupted', conserved: true, verified: { ok: true } });
    };
    for (let i = 0; i < 6; i++) await once();
    const before = { threads: threads(), mappings: mappings() };
    for (let i = 0; i < STARTS; i++) await once();
    /* Devices that are closed go with the next garbage collection, a thread and a few mappings each: some are always left. */
    expect(threads()).toBeLessThanOrEqual(before.threads + 24);
    expect(mappings()).toBeLessThanOrEqual(before.mappings + 200);
  });

  it.skipIf(!hasCommandLine)(`${INTERRUPTS} runs interrupted at random moments end with 130`, { timeout: LIMIT_MS }, async () => {
    const path = trafficFile({ packets: 500, sizes: [[90, 1]] });
    const next = random(50);
    for (let i = 0; i < INTERRUPTS; i++) {
      const running = launchModelT(
        'replay',
        path,
        '--engine',
        'webgpu',
        '--gpu',
        'software',
        '--rewrite',
        'src=10.0.0.0/8',
        '--loop',
        '0',
        '--to',
        i % 2 ? 'null' : 'stack',
      );
      await until('the program is up', () => isUp(running.child.pid));
      const after = next() * 1300;
      await pause(after);
      running.child.kill(i % 3 === 2 ? 'SIGTERM' : 'SIGINT');
      const { code, signal, err } = await running.ended;
      expect({ code, signal }, `run ${i} after ${after.toFixed(0)} ms: ${err}`).toEqual({ code: 130, signal: null });
      expect(err).not.toMatch(/bug|Error|Assert/);
    }
  });
});
