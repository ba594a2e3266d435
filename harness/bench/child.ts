/** One child process with its output gathered and a limit on its time, and a wait for words in its output. */
import { type ChildProcess, spawn } from 'node:child_process';
import { ModelTError } from '../../stack/index.js';

export interface Child {
  readonly process: ChildProcess;
  output(): string;
  /** The last line on the standard error, which is where our own commands say what is wrong; empty = none. */
  complaint(): string;
  /** Resolves when the standard output holds the text. */
  saying(text: string, limitMs: number): Promise<void>;
  readonly ended: Promise<number | null>;
}

const POLL_MS = 20;

/** The child is killed when it outlives `limitMs`; `ended` then resolves with null. */
export function startChild(command: readonly string[], limitMs: number): Child {
  const [program = '', ...words] = command;
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], timeout: limitMs, killSignal: 'SIGKILL' });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // Whoever asks for it later still sees the failure.
  ended.catch(() => {});
  const saying = async (text: string, patienceMs: number): Promise<void> => {
    for (let waited = 0; !output.includes(text); waited += POLL_MS) {
      if (child.exitCode !== null || waited > patienceMs) {
        child.kill('SIGKILL');
        throw failed(program, lastLine(errors) ?? lastLine(output) ?? `no "${text}" after ${waited} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  };
  return { process: child, output: () => output, complaint: () => lastLine(errors) ?? '', saying, ended };
}

export function failed(program: string, why: string): ModelTError {
  return new ModelTError('PEER_FAILED', `${program} did not measure: ${why}`, 3, 'Run the command by hand to see more');
}

function lastLine(text: string): string | undefined {
  return text.trim().split('\n').at(-1) || undefined;
}
