/** What the scheduler did, as lines for people: one per action with -v, and a few at the end. Pure. */
import type { RunOutcome } from '../replay/index.js';
import type { ActionRecord, Placement } from '../stack/index.js';
import { counted, oneLine } from './format.js';

/** `0.512 s: path 0, rule 4, migrate: ...; containers 0,0,1,1`. */
export function actionLine(record: ActionRecord): string {
  const rule = record.rule === 'watch' ? 'watch' : `rule ${record.rule}`;
  const where = record.placement ? `; containers ${record.placement.containers.join(',')}` : '';
  return `${record.seconds.toFixed(3)} s: path ${record.path}, ${rule}, ${record.kind}: ${oneLine(record.reason)}${where}`;
}

/** Elements between bars, one pair of brackets per container: `[source intake] [burn] [count]`. */
export function placementText({ containers }: Placement, elements: readonly string[]): string {
  const groups: string[][] = [];
  let last: number | null = null;
  for (const [index, container] of containers.entries()) {
    if (container < 0) continue;
    if (container !== last) groups.push([]);
    groups.at(-1)?.push(elements[index] ?? '?');
    last = container;
  }
  return groups.map((group) => `[${group.map(oneLine).join(', ')}]`).join(' ');
}

export function schedulerLines({ placement, containers }: RunOutcome): string[] {
  const { chosen, why, paths, final, elements, switches, blockedSeconds, longestBlockedSeconds, disordered } = placement;
  const busy = containers.map(({ core, busy: share }) => `${core < 0 ? 'any CPU' : `CPU ${core}`} ${(100 * share).toFixed(0)} %`);
  const side = paths > 1 ? `${counted(paths, 'path')} side by side, each ` : '';
  const average = switches > 0 ? blockedSeconds / switches : 0;
  return [
    `placement: ${chosen}, ${side}${placementText(final, elements)}; ${oneLine(why)}`,
    `containers: ${busy.join(', ')} busy`,
    ...(disordered > 0 ? [`disordered: ${counted(disordered, 'burst')} came to the end of a path out of turn`] : []),
    ...(switches > 0
      ? [
          `switches: placement changed ${counted(switches, 'time')}, intake stood still ${microseconds(average)} each on average, ${microseconds(longestBlockedSeconds)} at most`,
        ]
      : []),
  ];
}

function microseconds(seconds: number): string {
  return `${(1e6 * seconds).toFixed(0)} us`;
}
