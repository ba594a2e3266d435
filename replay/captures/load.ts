/**
 * Loads everything the user named into one native trace, in order.
 *
 * Files are read by native code on a pool thread; streams are read here as they arrive. Called by replay/trace.ts, which
 * owns the trace and closes it.
 */
import { createReadStream } from 'node:fs';
import { isatty } from 'node:tty';
import { ModelTError } from '../../stack/index.js';
import { type CaptureInput, resolveInputs, STANDARD_INPUT } from './inputs.js';
import type { NativeTrace } from './native-trace.js';
import { type Chunks, loadStream, loadZstd } from './stream.js';

/** Pieces of files that are decompressed in JavaScript: large enough to spare system calls, small against the window. */
const FILE_CHUNK_BYTES = 256 * 1024;

export interface Loading {
  /** An input is a stream: a replay may run while loading goes on. */
  readonly live: boolean;
  /** Resolves when the trace is complete. Rejects with ModelTError; then the trace is not complete and never will be. */
  readonly loaded: Promise<void>;
  /** Stops waiting for streams; call before the trace is closed. `loaded` rejects if it was not settled. */
  stop(): void;
}

type ByteStream = Chunks & { destroy(error?: Error): unknown };

/** Throws ModelTError at once for inputs that are missing; begins to load the others. Tests give a `stdin` of their own. */
export function loadInputs(trace: NativeTrace, inputs: readonly string[], stdin?: ByteStream): Loading {
  const resolved = resolveInputs(inputs);
  if (stdin === undefined && resolved.some((input) => input.path === STANDARD_INPUT) && isatty(0)) {
    throw new ModelTError(
      'STDIN_IS_TERMINAL',
      'standard input is a terminal, not a capture',
      2,
      'Pipe a capture in: tcpdump -w - | model-t replay -',
    );
  }
  const loader = new Loader(trace, stdin);
  const loaded = loader.loadAll(resolved);
  /* The caller may look at it only after the run: until then a failure is not an unhandled one. */
  loaded.catch(() => {});
  return { live: resolved.some((input) => input.kind === 'stream'), loaded, stop: () => loader.stop() };
}

class Loader {
  #current: ByteStream | null = null;
  #stopped = false;

  constructor(
    private readonly trace: NativeTrace,
    private readonly stdin: ByteStream | undefined,
  ) {}

  async loadAll(inputs: readonly CaptureInput[]): Promise<void> {
    for (const input of inputs) {
      this.#refuseIfStopped(input.path);
      try {
        await this.#load(input);
      } catch (error) {
        this.#refuseIfStopped(input.path);
        throw asModelTError(error);
      }
    }
    this.#refuseIfStopped('the trace');
    this.trace.complete();
  }

  stop(): void {
    this.#stopped = true;
    this.#current?.destroy();
  }

  async #load(input: CaptureInput): Promise<void> {
    switch (input.kind) {
      case 'file':
        return this.trace.load(input.path);
      case 'zstd':
        return this.#read(createReadStream(input.path, { highWaterMark: FILE_CHUNK_BYTES }), (chunks) =>
          loadZstd(this.trace, input.path, chunks),
        );
      case 'stream':
        return this.#read(
          input.path === STANDARD_INPUT ? (this.stdin ?? process.stdin) : createReadStream(input.path),
          (chunks) => loadStream(this.trace, input.path, chunks),
        );
      case 'other':
        this.trace.beginSource(input.path, { format: 'not a capture' });
        this.trace.endSource();
    }
  }

  async #read(stream: ByteStream, load: (chunks: Chunks) => Promise<void>): Promise<void> {
    this.#current = stream;
    try {
      await load(stream);
    } finally {
      /* Also when reading ended early: the writer of a pipe is told by its closing. */
      stream.destroy();
      this.#current = null;
    }
  }

  #refuseIfStopped(path: string): void {
    if (this.#stopped) throw new ModelTError('TRACE_CLOSED', `${path}: loading was stopped`, 2);
  }
}

/** Native errors carry a code and a remedy; anything else is passed on as it is. */
function asModelTError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ModelTError) return error;
  const { code, remedy } = error as { code?: unknown; remedy?: unknown };
  if (typeof code !== 'string') return error;
  return new ModelTError(code, error.message, 2, typeof remedy === 'string' ? remedy : undefined);
}
