/** Other programs: compilers, the ring consumer of stack/examples, the built command line. Only tests may import this. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { newFile, newPath, ROOT } from './files.js';
import { until } from './replay.js';

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

export const runs = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
export const hasGcc = runs('gcc') && runs('g++');
export const hasClang = runs('clang') && runs('clang++');

const MAIN = join(ROOT, 'dist/harness/main.js');
export const hasCommandLine = existsSync(MAIN);

/** Compiles one C or C++ file to a program; throws with the compiler's words. */
export function compile(compiler: string, source: string, ...flags: readonly string[]): string {
  const program = newPath('program');
  const done = spawnSync(compiler, [...flags, source, '-o', program], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${compiler} ${flags.join(' ')} ${source}: ${done.stderr}`);
  return program;
}

export const STRICT = ['-Wall', '-Wextra', '-Werror', '-pedantic'];

/** stack/examples/consumer.c as a program. */
export function compileConsumer(): string {
  return compile('gcc', join(ROOT, 'stack/examples/consumer.c'), '-std=c11', '-O2', ...STRICT);
}

/** A reader that attaches with little patience, and says why it cannot. */
export function compileProbe(): string {
  return compile('gcc', newFile('probe.c', PROBE), '-std=c11');
}

const PROBE = `#include "${ROOT}/stack/include/model_t_ring.h"
int main(int count, char** words) {
  model_t_reader reader;
  if (count != 2) return 64;
  if (model_t_ring_attach(&reader, words[1], MODEL_T_BLOCK, 50) == 0) { model_t_ring_detach(&reader); return 0; }
  puts(reader.error);
  return 2;
}
`;

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Standard error so far. */
  err(): string;
}

/** Started at once, killed at the latest when the test file ends. */
export function launch(program: string, words: readonly string[]): Running {
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] });
  children.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  child.stdin.on('error', () => {}); // the program may end before it has read everything
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      children.delete(child);
      resolve({ code, signal, out, err });
    });
  });
  return { child, ended, err: () => err };
}

/** Stops a program and waits until it really stands still. */
export async function freeze({ child }: Running): Promise<void> {
  child.kill('SIGSTOP');
  await until('it is stopped', () => /\) T /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8')));
}

export function launchModelT(...words: readonly string[]): Running {
  return launch(process.execPath, [MAIN, ...words]);
}

const SHARED_MEMORY = '/dev/shm';
const ringNames = new Set<string>();
afterAll(() => {
  for (const name of ringNames) rmSync(ringPath(name), { force: true });
});
let rings = 0;

/** A ring name of this test's own. */
export function newRing(): string {
  rings += 1;
  const name = `test-${process.pid}-${rings}`;
  ringNames.add(name);
  return name;
}

export function ringPath(name: string): string {
  return join(SHARED_MEMORY, `model-t.${name}`);
}

export function ringExists(name: string): boolean {
  return readdirSync(SHARED_MEMORY).includes(`model-t.${name}`);
}

/** What the consumer printed. */
export interface Consumed {
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  readonly digest: string;
}

export function consumed(out: string): Consumed {
  const match = /^packets (\d+) bytes (\d+) lost (\d+) digest ([0-9a-f]{16})\n$/.exec(out);
  if (!match) throw new Error(`the consumer printed '${out}'`);
  return { packets: Number(match[1]), bytes: Number(match[2]), lost: Number(match[3]), digest: match[4] ?? '' };
}
