#!/usr/bin/env node
/**
 * Where the process begins and ends: the real streams, signals and doors go in, an exit code comes out. The only file that
 * calls process.exit and the only one that prints errors: one line each, a stack trace only with MODEL_T_DEBUG=1.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as replay from '../replay/index.js';
import { calibration, describeMachine, ModelTError, native } from '../stack/index.js';
import { calibrationPackets } from './bench/queue-packets.js';
import { runCommandLine } from './cli.js';
import type { Context } from './context.js';
import { oneLine } from './format.js';

const INTERNAL_ERROR = 70;

function errorLine(error: unknown): string {
  if (error instanceof ModelTError) {
    const message = oneLine(error.message).replace(/\.$/, '');
    return error.remedy ? `model-t: ${message}. ${oneLine(error.remedy).replace(/\.$/, '')}.` : `model-t: ${message}.`;
  }
  const message = oneLine(error instanceof Error ? error.message : String(error));
  return `model-t: ${message}. This is a bug; MODEL_T_DEBUG=1 shows where.`;
}

/**
 * npm passes on the SIGINT that the terminal has sent to the whole process group already, so that one keypress may arrive
 * twice. Below this, two signals are one; above, they are the second thoughts of a user.
 */
const SAME_SIGNAL_MS = 150;

let listeners = 0;

/** While nobody listens, before the first and between the stages of a command, a signal ends the process with the same code. */
function endUnheard(): void {
  if (listeners === 0) process.exit(130);
}

function onInterrupt(callback: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  const once = (): void => {
    const now = performance.now();
    if (now - last >= SAME_SIGNAL_MS) callback();
    last = now;
  };
  process.on('SIGINT', once).on('SIGTERM', once);
  listeners++;
  let released = false;
  return () => {
    if (released) return;
    released = true;
    listeners--;
    process.off('SIGINT', once).off('SIGTERM', once);
  };
}

/** The folder that holds package.json, whether this file runs from dist/ or from the sources. */
function findPackageRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return dirname(here.endsWith(join('dist', 'harness')) ? dirname(here) : here);
}

function processContext(packageRoot: string): Context {
  const overwrite = (line: string | null): void => {
    process.stderr.write(line === null ? '\r\x1b[K' : `\r\x1b[K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
  };
  return {
    replay,
    native,
    calibrate: calibration(native, calibrationPackets),
    describeMachine: () => describeMachine(),
    environment: process.env,
    packageRoot,
    print,
    note: (line) => process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}${line}\n`),
    status: process.stderr.isTTY ? overwrite : null,
    onInterrupt,
  };
}

/** A full disk, for example. Node reports it in one way or the other, depending on its version and what the output is. */
let outputProblem: ModelTError | null = null;

function unwritable(error: unknown): ModelTError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return new ModelTError('OUTPUT_UNWRITABLE', `Standard output cannot be written: ${code}`, 2, 'Make room, or write elsewhere');
}

function print(line: string): void {
  try {
    process.stdout.write(`${line}\n`);
  } catch (error) {
    throw unwritable(error);
  }
}

/** A reader of our output that goes away (`| head`) is no failure of the run; its exit code stays what it is. */
function watchStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') outputProblem = unwritable(error);
  });
  process.stderr.on('error', () => {});
}

async function main(): Promise<number> {
  process.on('SIGINT', endUnheard).on('SIGTERM', endUnheard);
  watchStreams();
  const packageRoot = findPackageRoot();
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  try {
    const exitCode = await runCommandLine(process.argv.slice(2), version, processContext(packageRoot));
    // Errors of streams are told on the next turn of the event loop.
    await new Promise(setImmediate);
    if (outputProblem !== null) throw outputProblem;
    return exitCode;
  } catch (error) {
    process.stderr.write(`${errorLine(error)}\n`);
    if (process.env.MODEL_T_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return error instanceof ModelTError ? error.exitCode : INTERNAL_ERROR;
  }
}

process.exit(await main());
