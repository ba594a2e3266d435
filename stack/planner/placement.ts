/** What a pipeline may not be where it is to run: memory that is not ours, chains that share nothing. Pure; called by the planner. */
import { refuse } from '../pipeline/refusal.js';
import type { Pipeline } from '../pipeline/tree.js';
import type { PlanOptions } from './plan-types.js';

/** Throws ModelTError that names the step and its column. */
export function refusePlacement(
  { steps, text }: Pipeline,
  { placement, memoryWritable }: Pick<PlanOptions, 'placement' | 'memoryWritable'>,
): void {
  for (const { operation, column } of steps) {
    const { name, writesPacket, state, order } = operation;
    if (writesPacket !== 'no' && !memoryWritable) {
      const problem = `'${name}' changes packets, which lie in memory that is not ours to write,`;
      refuse(text, column - 1, problem, `Leave out '${name}', or let it work on copies`);
    }
    if (placement === 'fused') continue;
    const remedy = `Run it in one container, or leave out '${name}'`;
    if (state === 'global')
      refuse(text, column - 1, `'${name}' has one state for all packets, which replicated chains do not share,`, remedy);
    if (order === 'total')
      refuse(text, column - 1, `'${name}' needs all packets in order, which replicated chains do not keep,`, remedy);
  }
}
