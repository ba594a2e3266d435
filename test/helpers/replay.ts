/** Replays inside the test process, and the digest as a test computes it. Only tests may import this. */
import { afterAll } from 'vitest';
import {
  openTrace,
  planReplay,
  type ReplayRequest,
  type ReplayRun,
  type RunOutcome,
  startReplay,
  type Trace,
} from '../../replay/index.js';
import { describeMachine, native } from '../../stack/index.js';
import type { PcapRecord } from './files.js';

export const machine = describeMachine();
export const isas = native.cpuIsas() as ('scalar' | 'avx2' | 'avx512')[];

export type Asked = Omit<ReplayRequest, 'inputs'>;

const open: Trace[] = [];
afterAll(() => {
  for (const trace of open) trace.close();
});

/** Closed when the test file ends. */
export async function opened(...inputs: readonly string[]): Promise<Trace> {
  const trace = await openTrace(inputs);
  open.push(trace);
  return trace;
}

export async function loaded(...inputs: readonly string[]): Promise<Trace> {
  const trace = await opened(...inputs);
  await trace.loaded;
  return trace;
}

export function start(trace: Trace, request: Asked = {}): ReplayRun {
  return startReplay(trace, planReplay({ inputs: trace.inputs, ...request }, machine), machine);
}

export function replay(trace: Trace, request: Asked = {}): Promise<RunOutcome> {
  return start(trace, request).outcome;
}

/** 16 hex digits over these packets: the digest as the C header defines it, added up here. */
export function digestOf(records: readonly Pick<PcapRecord, 'data'>[], lineLimit = 0): string {
  const sum = records.reduce((total, { data }) => total + native.digest(data, lineLimit), 0n);
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves as soon as `condition` holds; fails after `limitMs`. */
export async function until(what: string, condition: () => boolean, limitMs = 5000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain until ${what}`);
    await pause(5);
  }
}
