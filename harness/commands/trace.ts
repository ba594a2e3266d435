/** `model-t trace info` looks at captures; `model-t trace gen` makes synthetic ones. */
import { statSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import { ModelTError } from '../../stack/index.js';
import type { Finish } from '../cli.js';
import type { Context } from '../context.js';
import { counted, grouped, oneLine } from '../format.js';
import { generateCapture, type TrafficSpec } from '../generate.js';
import { traceJson, traceLines } from '../trace-report.js';
import { type TrafficTexts, trafficSpec } from '../traffic-options.js';
import { usageError } from '../units.js';

export function registerTrace(program: Command, context: Context, finish: Finish): void {
  const trace = program.command('trace').description('look at captures, make synthetic ones');
  trace
    .command('info')
    .description('format, link types, counts, sizes, times')
    .argument('<capture...>', 'files, folders; - = standard input')
    .option('--json', 'as JSON')
    .action(async (inputs: string[], flags: { json?: boolean }) => {
      await info(context, inputs, flags.json ?? false);
      finish(0);
    });
  trace
    .command('gen')
    .description('write a capture of synthetic traffic; the same flags give the same bytes')
    .requiredOption('-o, --output <FILE>', 'pcap file with nanosecond times')
    .option('--packets <N>', 'how many (default: 8192)')
    .option('--sizes <LIST>', 'captured bytes and weights (default: 60:7,590:4,1514:1)')
    .option('--protocols <LIST>', 'udp, tcp, icmp and weights (default: udp)')
    .option('--hosts <N>', 'addresses on each side (default: 256)')
    .option('--flows <N>', 'different flows (default: 1024)')
    .option('--ipv6 <SHARE>', 'part of the flows, 0.25 or 25% (default: 0)')
    .option('--vlan <SHARE>', 'part of the flows that is tagged (default: 0)')
    .option('--seed <N>', 'payload, order, ports (default: 1)')
    .option('--udp-checksum <HOW>', 'on, or zero = none for IPv4 (default: on)')
    .option('--interval <TIME>', 'between packets (default: 1us)')
    .option('--spec <FILE>', 'the same fields as JSON; flags win')
    .action(async ({ output, spec, ...texts }: { output: string; spec?: string } & TrafficTexts) => {
      await generate(context, output, trafficSpec(texts, spec === undefined ? null : await readSpec(spec)));
      finish(0);
    });
}

async function info(context: Context, inputs: readonly string[], json: boolean): Promise<void> {
  const trace = await context.replay.openTrace(inputs);
  try {
    await trace.loaded;
    const found = trace.info();
    if (json) context.print(JSON.stringify(traceJson(found), null, 2));
    else for (const line of traceLines(found)) context.print(line);
  } finally {
    trace.close();
  }
}

async function readSpec(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw usageError(
      `${oneLine(path)} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
      'Check the name and its permissions',
    );
  }
}

/** A regular file appears under its name only when it is whole; pipes and devices are written to as they are. */
async function generate(context: Context, output: string, spec: TrafficSpec): Promise<void> {
  if (output === '-')
    throw usageError('A capture cannot be written to standard output', 'Name a file, or a FIFO made with mkfifo');
  const direct = statSync(output, { throwIfNoEntry: false })?.isFile() === false;
  const path = direct ? output : `${output}.${process.pid}.tmp`;
  let interrupted = false;
  const release = context.onInterrupt(() => {
    interrupted = true;
  });
  try {
    const bytes = await writeChunks(path, generateCapture(spec), () => interrupted);
    if (!direct) await rename(path, output);
    context.print(`${oneLine(output)}: ${counted(spec.packets, 'packet')}, ${grouped(bytes)} bytes, seed ${spec.seed}`);
  } catch (error) {
    if (!direct) await rm(path, { force: true });
    if (error instanceof ModelTError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    throw new ModelTError(
      'OUTPUT_UNWRITABLE',
      `${oneLine(output)} cannot be written: ${code}`,
      2,
      'Check that its folder exists, is writable and has room',
    );
  } finally {
    release();
  }
}

async function writeChunks(path: string, chunks: Iterable<Uint8Array>, interrupted: () => boolean): Promise<number> {
  let bytes = 0;
  let file: Awaited<ReturnType<typeof open>> | null = null;
  try {
    for (const chunk of chunks) {
      if (interrupted()) throw new ModelTError('INTERRUPTED', 'Interrupted; nothing was kept', 130);
      // Opened with the first chunk: a spec that is refused leaves no file behind.
      file ??= await open(path, 'w');
      await file.writeFile(chunk);
      bytes += chunk.length;
    }
  } finally {
    await file?.close();
  }
  return bytes;
}
