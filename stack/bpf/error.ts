/** What is wrong with a filter expression, with the place. Thrown by everything in this folder; caught by stack/ops/bpf.ts. */
import { ModelTError } from '../errors.js';

/** `offset` counts characters of the expression from 0, so that a pipeline can shift it to its own columns. */
export class FilterError extends ModelTError {
  constructor(
    readonly offset: number,
    readonly problem: string,
    override readonly remedy: string,
    text: string,
  ) {
    super('PIPELINE_INVALID', `filter, column ${offset + 1}: ${problem} in '${text}'`, 2, remedy);
  }
}

/** Ends the compilation; `text` is filled in by compile.ts, which knows it. */
export type Fail = (offset: number, problem: string, remedy: string) => never;
