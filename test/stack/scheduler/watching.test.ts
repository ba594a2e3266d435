/** What the policy notices: containers without their CPU, too few cores; and what that does to what is on trial. */
import { describe, expect, it } from 'vitest';
import { schedule, startPolicy } from '../../../stack/index.js';
import { simulate } from '../../../stack/scheduler/simulator.js';
import { moves, placement, shareOfExact, simulationOf, still, worstOn } from './simulations.js';

describe('watching', () => {
  const simulation = simulationOf('8-private', 2, 4, { start: placement([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]) });

  it('says once per episode that another process has the CPU, and judges nothing meanwhile', () => {
    const stolen = (container: number, seconds: number): number =>
      container === 1 && ((seconds > 1 && seconds < 1.3) || (seconds > 3 && seconds < 3.3)) ? 0.6 : 0;
    const result = simulate({ ...simulation, seconds: 5, stolen });
    const said = result.actions.filter(({ kind }) => kind === 'starved');
    expect(said.map(({ seconds }) => Math.round(seconds))).toEqual([1, 3]);
    expect(said[0]?.reason).toMatch(/container 1 \(CPU 1\) waited for its CPU 60 % of the time/);
    expect(result.actions.filter(({ kind }) => kind === 'rollback')).toEqual([]);
    expect(shareOfExact(simulation, result)).toBeGreaterThan(0.94);
  });

  it('takes back what gave work to a container that has no CPU to do it', () => {
    const start = placement(Array(12).fill(0));
    const taken = (container: number, seconds: number): number => (container === 1 && seconds > 0.06 ? 0.9 : 0);
    const { actions, ticks } = simulate({ ...simulation, start, seconds: 1, stolen: taken });
    const [move, back] = moves({ actions }).filter(({ rule }) => rule === '4' || rule === '2' || rule === '3a');
    expect(move?.placement?.containers).toContain(1);
    expect(back).toMatchObject({ kind: 'rollback', placement: { containers: start.containers } });
    expect(back?.reason).toMatch(/gave work to container 1 \(CPU 1\), and something else has that CPU: taken back/);
    expect((back?.seconds ?? 9) - (move?.seconds ?? 0)).toBeLessThan(0.2);
    expect(ticks.at(-1)?.placement.containers).toEqual(start.containers);
  });

  it('judges all the same where a container is starved for long', () => {
    const forever = (container: number): number => (container === 0 ? 0.3 : 0);
    const { actions } = simulate({ ...simulation, stolen: forever, start: placement(worstOn(simulation, 2)) });
    const [first] = moves({ actions });
    expect(first?.seconds).toBeGreaterThan(0.5);
    expect(first?.seconds).toBeLessThan(0.7);
  });

  it('says nothing of the first quarter of a second, and never more than all of the time', () => {
    const said = (waited: number, ticks: number): (readonly [number, string])[] => {
      let state = startPolicy(simulation);
      return Array.from({ length: ticks }, (_, tick) => {
        const observation = still(simulation, simulation.start, (tick + 1) / 100);
        const containers = observation.containers.map((container) => ({ ...container, waited, silentSeconds: waited - 1 }));
        const next = schedule(state, { ...observation, containers });
        state = next.state;
        return next.actions.filter(({ kind }) => kind === 'starved').map(({ reason }) => [tick + 1, reason] as const);
      }).flat();
    };
    expect(said(1.68, 24)).toEqual([]);
    const later = said(1, 60);
    expect(later.map(([tick]) => tick)).toEqual([25, 25]);
    expect(later[0]?.[1]).toMatch(/waited for its CPU 100 % of the time/);
  });

  it('says that a container is silent', () => {
    const observation = still(simulation, simulation.start, 1);
    const containers = observation.containers.map((container, at) => ({ ...container, silentSeconds: at === 1 ? 0.2 : 0 }));
    const { actions } = schedule(startPolicy(simulation), { ...observation, containers });
    expect(actions).toMatchObject([{ rule: 'watch', kind: 'starved', reason: expect.stringMatching(/has not run for 200 ms/) }]);
  });

  it('says that there are too few cores, once', () => {
    const one = simulationOf('8-private', 1, 4, { seconds: 1 });
    const said = simulate(one).actions.filter(({ kind }) => kind === 'hold');
    expect(said.map(({ reason }) => reason)).toEqual(['One core for 12 elements: they take turns on it, and nothing can move']);
    const quota = { ...simulation, model: { ...simulation.model, quota: 1.5 } };
    expect(simulate(quota).actions[0]?.reason).toMatch(/quota grants 1.5 CPUs' worth of time to 2 containers/);
  });
});
