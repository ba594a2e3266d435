/** What users may name: files, directories in bytewise order, `-`; and what they are told when they may not. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveInputs } from '../../../replay/captures/inputs.js';
import { loadInputs } from '../../../replay/captures/load.js';
import { ModelTError } from '../../../stack/index.js';
import { failure, newTrace, temporaryPath } from './helpers.js';
import { packet, pcap } from './writer.js';

const capture = pcap([packet(60)]);

function folder(entries: Readonly<Record<string, Uint8Array>>): string {
  const directory = temporaryPath('folder');
  mkdirSync(directory);
  for (const [name, bytes] of Object.entries(entries)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), bytes);
  }
  return directory;
}

describe('directories', () => {
  it('are walked in bytewise name order, at any depth', () => {
    const directory = folder({ b: capture, B: capture, 'a/2': capture, 'a/10': capture, é: capture, '.hidden': capture });
    const names = resolveInputs([directory]).map((input) => path.relative(directory, input.path));
    expect(names).toEqual(['.hidden', 'B', 'a/10', 'a/2', 'b', 'é']);
  });

  it('pass over what is no capture, and tell', async () => {
    const directory = folder({ 'a.pcap': capture, 'b.txt': Buffer.from('notes'), c: Buffer.alloc(0), 'd.pcap': capture });
    symlinkSync('a.pcap', path.join(directory, 'link'));
    symlinkSync('.', path.join(directory, 'loop'));
    const trace = newTrace();
    await loadInputs(trace, [directory]).loaded;
    const sources = trace.info().sources.map((source) => [path.basename(source.path), source.format, source.packets]);
    expect(sources).toEqual([
      ['a.pcap', 'pcap µs le', 1],
      ['b.txt', 'not a capture', 0],
      ['c', 'not a capture', 0],
      ['d.pcap', 'pcap µs le', 1],
      ['link', 'pcap µs le', 1],
    ]);
  });

  it.each([
    ['empty', {}, 'is an empty directory'],
    ['of other files', { 'README.txt': Buffer.from('hello') }, 'holds no capture among its 1 files'],
  ])('%s are refused', async (_name, entries, reason) => {
    const directory = folder(entries);
    const refused = await failure(() => resolveInputs([directory]));
    expect(refused).toMatchObject({ code: 'NO_CAPTURES', message: `${directory} ${reason}` });
  });
});

describe('order', () => {
  it('is that of the command line', async () => {
    const directory = folder({ x: pcap([packet(61)]), y: pcap([packet(62)]) });
    const single = path.join(folder({ z: pcap([packet(63)]) }), 'z');
    const trace = newTrace();
    const loading = loadInputs(trace, [single, directory, single]);
    expect(loading.live).toBe(false);
    await loading.loaded;
    const lengths = Array.from({ length: trace.info().packets }, (_, index) => trace.packet(index)?.data.length);
    expect(lengths).toEqual([63, 61, 62, 63]);
    expect(trace.packet(4)).toBeUndefined();
  });
});

describe('refused', () => {
  it.each([
    ['nothing', [], 'NO_INPUT', 'no capture was named'],
    ['a missing file', ['/nowhere/x.pcap'], 'NOT_READABLE', '/nowhere/x.pcap does not exist'],
    ['a path below a file', ['/proc/version/x'], 'NOT_READABLE', '/proc/version/x is below something that is not a directory'],
    ['standard input twice', ['-', '-'], 'STDIN_TWICE', "'-'"],
  ])('%s', async (_name, inputs, code, message) => {
    const refused = await failure(() => resolveInputs(inputs));
    expect(refused.code).toBe(code);
    expect(refused.message).toContain(message);
    expect(refused.remedy).toBeTruthy();
  });

  it.skipIf(process.getuid?.() === 0)('a file without permission', async () => {
    const directory = folder({ secret: capture });
    chmodSync(path.join(directory, 'secret'), 0);
    expect((await failure(() => resolveInputs([path.join(directory, 'secret')]))).message).toContain('may not be read');
  });

  it('an unreadable capture: a ModelTError with exit code 2, and the trace is never complete', async () => {
    const directory = folder({ good: capture, bad: Buffer.from('this is text') });
    const trace = newTrace();
    const loading = loadInputs(trace, [path.join(directory, 'good'), path.join(directory, 'bad')]);
    const error = await loading.loaded.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ModelTError);
    expect(error).toMatchObject({ code: 'CAPTURE_UNREADABLE', exitCode: 2 });
    expect(() => trace.complete()).not.toThrow();
  });
});
