/**
 * What is compared by `model-t bench peers`: the cells (a capture and a job done on it) and the contenders that do the job.
 * A further peer is one more file that implements Contender, listed in peers.ts. Types and plain data only.
 */
export type Job =
  /** Packets into memory, one core. A peer that cannot rewrite does less than we do, and may. */
  | 'replay'
  /** Replay on one core, protocol work and checksum verification on another. */
  | 'stack'
  /** The same work, placed on both cores as it seems best; a peer has the one forwarding core that it had before. */
  | 'placed';

export interface Cell {
  readonly name: string;
  readonly job: Job;
  readonly capture: string;
  /** Times the peer that we must be, with so many cores to its one. */
  readonly bar?: { readonly timesPeer: number; readonly cores: number };
}

export interface CaptureSpec {
  readonly name: string;
  /** Flags of `model-t trace gen`. */
  readonly flags: readonly string[];
}

export interface Sample {
  readonly packetsPerSecond: number;
  readonly bitsPerSecond: number;
}

export interface Contender {
  readonly name: string;
  /** One sentence on why it cannot run here and what to do about it; null when it can. */
  unavailable(): string | null;
  /** The command for a cell, for the record; null when it has nothing to offer there. */
  command(cell: Cell, capturePath: string): readonly string[] | null;
  measure(cell: Cell, capturePath: string): Promise<Sample>;
}

/** Flags that all generated captures share. */
export const UDP = ['--protocols', 'udp:1', '--hosts', '256', '--flows', '1024', '--seed', '1'];

/**
 * Captured sizes of the design. UDP checksums are on, so that a rewrite has to keep them right; only the one that goes
 * through testpmd's checksum engine has none, because it would compute them over all bytes in software (29 against 42 Mpps).
 */
export const CAPTURES: readonly CaptureSpec[] = [
  { name: 'p60', flags: ['--packets', '8192', '--sizes', '60:1', ...UDP] },
  { name: 'imix', flags: ['--packets', '8192', '--sizes', '60:7,590:4,1514:1', ...UDP] },
  { name: 'p1514', flags: ['--packets', '2048', '--sizes', '1514:1', ...UDP] },
  { name: 'p60-no-udp-checksum', flags: ['--packets', '8192', '--sizes', '60:1', '--udp-checksum', 'zero', ...UDP] },
];

export const CELLS: readonly Cell[] = [
  { name: 'replay 60 B', job: 'replay', capture: 'p60' },
  { name: 'replay IMIX', job: 'replay', capture: 'imix' },
  { name: 'replay 1514 B', job: 'replay', capture: 'p1514' },
  { name: 'piped stack 60 B', job: 'stack', capture: 'p60-no-udp-checksum' },
  { name: 'placed stack 60 B', job: 'placed', capture: 'p60-no-udp-checksum', bar: { timesPeer: 7, cores: 2 } },
];

/** Worker cores: the same one for us and for the peer; the other carries the peer's idle main thread, or our producer. */
export const FIRST_CORE = 0;
export const WORKER_CORE = 1;
