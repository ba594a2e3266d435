/** The built command line as a process: one line per error, standard output for results only, signals, broken pipes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv2020 from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listRings } from '../../harness/rings.js';
import { describeMachine } from '../../stack/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/harness/main.js');
const folder = mkdtempSync(join(tmpdir(), 'model-t-process-'));
const capture = join(folder, 'in.pcap');
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

function start(words: readonly string[], environment: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [main, ...words], { env: { ...process.env, ...environment } });
}

function ended(child: ChildProcess): Promise<Ended> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (text) => {
    out += text;
  });
  child.stderr?.on('data', (text) => {
    err += text;
  });
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, out, err })));
}

const run = (words: readonly string[], environment?: Record<string, string>): Promise<Ended> => ended(start(words, environment));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves with the first interval line of a run started with --stats: from then on it is under way. */
function underWay(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let err = '';
    child.stderr?.on('data', (text) => {
      err += text;
      if (/packets, lap/.test(err)) resolve();
    });
    child.once('close', () => reject(new Error(`ended too early: ${err}`)));
  });
}

beforeAll(async () => {
  const made = await run(['trace', 'gen', '-o', capture, '--packets', '1000', '--protocols', 'udp:2,tcp:1,icmp:1']);
  expect(made).toMatchObject({ code: 0, err: '' });
});

describe('errors', () => {
  it.each<[string[], string]>([
    [[], 'No command given'],
    [['replay'], 'capture'],
    [['replay', 'x', '--nonsense'], '--nonsense'],
    [['replay', 'x', '--lop'], '--lop'],
    [['replay', 'x', '--isa', 'neon'], 'neon'],
    [['replay', '/nonexistent/x.pcap'], '/nonexistent/x.pcap'],
    [['replay', 'new\nline\x1b[31m.pcap'], 'new; line\\x1b[31m.pcap'],
    [['replay', capture, '--rewrite', 'src=10.0.0.0/99'], '10.0.0.0/99'],
    [['replay', capture, '--ops', 'eth | no-such-operation'], 'no-such-operation'],
    [['replay', capture, '-w', '/nonexistent/out.pcap'], '/nonexistent/out.pcap'],
    [['trace', 'info', main], main],
  ])('%j: exit code 2, one line, nothing on standard output', async (words, culprit) => {
    const { code, out, err } = await run(words);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^model-t: [^\n]+\.\n$/);
    expect(err).toContain(culprit);
    expect(err).not.toMatch(/\n\s+at |Error:|node:/);
  });

  const hasAll = describeMachine().isas.includes('avx512');
  it.skipIf(hasAll)('an instruction set this CPU does not have is refused, never replaced', async () => {
    const { code, err } = await run(['replay', capture], { MODEL_T_ISA: 'avx512' });
    expect(code).toBe(2);
    expect(err).toContain('avx512');
  });

  it('MODEL_T_DEBUG=1 adds the stack trace', async () => {
    const { code, err } = await run(['fly'], { MODEL_T_DEBUG: '1' });
    expect(code).toBe(2);
    expect(err).toMatch(/\n\s+at /);
  });
});

describe('results', () => {
  it('a replay accounts for every packet', async () => {
    const { code, out, err } = await run(['replay', capture, '--rewrite', 'src=10.0.0.0/8', '--loop', '3']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^Actual: 3000 packets \(\d+ bytes\) sent in [\d.]+ seconds\nRated: [\d.]+ Bps, [\d.]+ Mbps, [\d.]+ pps/);
    expect(out).toContain('conserved: yes (offered 3000, delivered 3000, dropped 0)');
  });

  it('--json - prints a result that satisfies the published schema, and nothing else', async () => {
    const { code, out } = await run(['replay', capture, '--rewrite', 'src=10.0.0.0/8', '--json', '-']);
    expect(code).toBe(0);
    const schema = JSON.parse(readFileSync(join(root, 'harness/schema/run.schema.json'), 'utf8')) as object;
    const validate = new Ajv2020.default({ strict: true }).compile(schema);
    const outcome: unknown = JSON.parse(out);
    expect(validate(outcome), JSON.stringify(validate.errors)).toBe(true);
    expect(outcome).toMatchObject({ conserved: true, totals: { offered: 1000, delivered: 1000 } });
  });

  it('the plan of --dry-run is the plan of the result', async () => {
    const words = ['replay', capture, '--loop', '2', '--seed', '5', '--to', 'null'];
    const plan: unknown = JSON.parse((await run([...words, '--dry-run'])).out);
    expect(JSON.parse((await run([...words, '--json', '-'])).out)).toMatchObject({ plan });
  });

  it('trace info and doctor succeed', async () => {
    expect((await run(['trace', 'info', capture])).out).toContain('1,000 packets');
    const { code, out } = await run(['doctor', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ addon: { loaded: true }, isa: { chosen: expect.any(String) } });
  });
});

describe('signals', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('%s drains, prints the summary once, and exits 130', async (signal) => {
    const child = start(['replay', capture, '--loop', '0', '--stats', '100ms']);
    const end = ended(child);
    await underWay(child);
    child.kill(signal);
    const { code, out } = await end;
    expect(code).toBe(130);
    expect(out.match(/^Actual: /gm)).toHaveLength(1);
    expect(out).toContain('conserved: yes');
  });

  it('a second SIGINT aborts, and still exits 130', async () => {
    const child = start(['replay', capture, '--loop', '0', '--stats', '100ms']);
    const end = ended(child);
    await underWay(child);
    child.kill('SIGINT');
    await pause(300);
    child.kill('SIGINT');
    expect((await end).code).toBe(130);
  });

  it('an interrupted trace gen leaves no file', async () => {
    const child = start(['trace', 'gen', '-o', join(folder, 'big.pcap'), '--packets', '50000000']);
    const end = ended(child);
    while (!readdirSync(folder).some((name) => name.startsWith('big.pcap.'))) await pause(20);
    child.kill('SIGINT');
    expect(await end).toMatchObject({ code: 130, out: '' });
    expect(readdirSync(folder).filter((name) => name.startsWith('big'))).toEqual([]);
  });
});

describe('a reader of standard output that goes away', () => {
  it('is no failure of the run, and no text on standard error', async () => {
    const child = start(['replay', capture, '--duration', '500ms']);
    child.stdout?.destroy();
    const { code, err } = await ended(child);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it('a full disk is an error of one line', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [main, 'trace', 'info', capture], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    const { code, err } = await ended(child);
    expect({ code, err }).toEqual({
      code: 2,
      err: 'model-t: Standard output cannot be written: ENOSPC. Make room, or write elsewhere.\n',
    });
  });
});

it('a replay leaves no ring behind', async () => {
  const child = start(['replay', capture, '--to', 'stack']);
  expect(await ended(child)).toMatchObject({ code: 0 });
  expect(listRings().filter((ring) => ring.producerPid === child.pid)).toEqual([]);
});
