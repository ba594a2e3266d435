/** Reading captures in tests: from files and in pieces, and looking at every packet. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach } from 'vitest';
import type { NativeTrace, NativeTraceClass, PacketCopy, SourceInfo } from '../../../replay/captures/native-trace.js';
import { loadStream } from '../../../replay/captures/stream.js';
import { nativeModule } from '../../../stack/index.js';

export const { Trace } = nativeModule() as unknown as { readonly Trace: NativeTraceClass };

const open: NativeTrace[] = [];
afterEach(() => {
  for (const trace of open.splice(0)) trace.close();
});

export function newTrace(reserveBytes = 64 * 1024 * 1024): NativeTrace {
  const trace = new Trace({ reserveBytes });
  open.push(trace);
  return trace;
}

const folder = mkdtempSync(path.join(tmpdir(), 'model-t-captures-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

export function temporaryPath(name = 'capture'): string {
  files += 1;
  return path.join(folder, `${files}-${name}`);
}

export function temporaryFile(bytes: Uint8Array, name?: string): string {
  const file = temporaryPath(name);
  writeFileSync(file, bytes);
  return file;
}

/** What a trace holds, packet by packet, with the format and the break of its only source. */
export interface Contents {
  readonly packets: readonly { data: string; timeNs: bigint; originalLength: number; kind: PacketCopy['kind'] }[];
  readonly source: Omit<SourceInfo, 'path'>;
}

export function contents(trace: NativeTrace): Contents {
  const info = trace.info();
  const packets = Array.from({ length: info.packets }, (_, index) => {
    const copy = trace.packet(index);
    if (copy === undefined) throw new Error(`packet ${index} is missing`);
    return { ...copy, data: Buffer.from(copy.data).toString('hex') };
  });
  const source = info.sources[0];
  if (source === undefined) throw new Error('no source');
  const { path: _path, ...rest } = source;
  return { packets, source: rest };
}

export async function loadFile(bytes: Uint8Array): Promise<Contents> {
  const trace = newTrace();
  await trace.load(temporaryFile(bytes));
  return contents(trace);
}

/** Cuts bytes into pieces of the given sizes, used in turn. */
export function* pieces(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (let index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    yield Uint8Array.from(bytes.subarray(at, at + size));
    at += size;
  }
}

export function feed(bytes: Uint8Array, sizes: readonly number[]): Contents {
  const trace = newTrace();
  trace.beginSource('fed');
  for (const piece of pieces(bytes, sizes)) if (!trace.feed(piece)) break;
  trace.endSource();
  return contents(trace);
}

export async function* asStream(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  yield* pieces(bytes, sizes);
}

export async function stream(bytes: Uint8Array, sizes: readonly number[]): Promise<Contents> {
  const trace = newTrace();
  await loadStream(trace, 'stream', asStream(bytes, sizes));
  return contents(trace);
}

/** Runs `action`, which must fail, and returns code and message. */
export async function failure(action: () => unknown): Promise<{ code: unknown; message: string; remedy: unknown }> {
  try {
    await action();
  } catch (error) {
    const { code, message, remedy } = error as { code?: unknown; message: string; remedy?: unknown };
    return { code, message, remedy };
  }
  throw new Error('this was expected to fail');
}
