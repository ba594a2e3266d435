/**
 * What a command may touch: the doors of the other folders, the standard streams, the environment, and signals. `main.ts`
 * hands over the real ones, tests hand over their own; commands reach for no globals.
 */
import type * as replay from '../replay/index.js';
import type { Calibrate, Machine, native } from '../stack/index.js';

/** What of the door of `replay/` commands use. */
export type ReplayDoor = Pick<
  typeof replay,
  | 'openTrace'
  | 'chooseEngine'
  | 'planReplay'
  | 'startReplay'
  | 'measureTraceCopy'
  | 'measureStagedCopy'
  | 'measureAdapterReadBack'
  | 'surveyGpu'
  | 'openAccelerator'
  | 'tracePackets'
>;

export interface Context {
  readonly replay: ReplayDoor;
  /** What of the addon commands use themselves. */
  readonly native: Pick<
    typeof native,
    'measureCopy' | 'cpuIsas' | 'runQueue' | 'bpfCompare' | 'matchCompare' | 'runProgram' | 'stopQueues' | 'measureHop'
  >;
  describeMachine(): Machine;
  /** Measures candidates of a step for `ops --explain`; left out, they have expected costs only. */
  readonly calibrate?: Calibrate;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder of the installed package, where `traces/` is. */
  readonly packageRoot: string;
  /** A result: the only thing that goes to standard output. */
  print(line: string): void;
  /** Anything else: progress, warnings, notes. */
  note(line: string): void;
  /** A line that the next one overwrites; null clears it. Does nothing unless standard error is a terminal. */
  readonly status: ((line: string | null) => void) | null;
  /** Calls back on SIGINT and SIGTERM until the returned function is called. */
  onInterrupt(callback: () => void): () => void;
}
