/**
 * The one error class of the project.
 *
 * Every failure a user can cause or meet is a ModelTError: it names the thing (file, offset, packet, value), says the
 * remedy, and carries the exit code of the design (2 usage or input, 3 not measurable here, 4 lost or corrupted,
 * 5 asked rate not reached). Only `harness/main.ts` prints errors and exits. Any folder may throw it.
 */
export type ExitCode = 1 | 2 | 3 | 4 | 5 | 130;

export class ModelTError extends Error {
  override readonly name = 'ModelTError';

  constructor(
    /** Stable, greppable identifier, for example `CAPTURE_UNREADABLE`. */
    readonly code: string,
    message: string,
    readonly exitCode: ExitCode = 2,
    /** What the user can do about it, one sentence; printed after the message. */
    readonly remedy?: string,
  ) {
    super(message);
  }
}
