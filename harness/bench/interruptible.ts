/** Runs the steps of a benchmark until a signal comes. Used by every `model-t bench` that measures in child processes. */
import { ModelTError } from '../../stack/index.js';
import type { Context } from '../context.js';
import type { OwnCommand } from './own-command.js';

export interface Guard {
  /** Refuses once a signal has come; a step that fails after it failed of it: children get the terminal's signal, too. */
  <Value>(step: () => Promise<Value>): Promise<Value>;
  release(): void;
}

export function interruptible(context: Pick<Context, 'onInterrupt'>, modelT: Pick<OwnCommand, 'stop'>): Guard {
  let interrupted = false;
  const release = context.onInterrupt(() => {
    interrupted = true;
    modelT.stop();
  });
  const guard = async <Value>(step: () => Promise<Value>): Promise<Value> => {
    const refuse = (): never => {
      throw new ModelTError('INTERRUPTED', 'Interrupted; nothing is reported', 130);
    };
    if (interrupted) refuse();
    try {
      return await step();
    } catch (error) {
      return interrupted ? refuse() : Promise.reject(error);
    }
  };
  return Object.assign(guard, { release });
}
