/**
 * The set-up, run as a process in a made-up checkout: a made-up npm, node-gyp and tsc only log that they were called, so that
 * what is skipped, repeated, locked and reported is seen without a network or a compiler.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  canRun,
  findHeaders,
  findNodeGyp,
  isNodeSupported,
  missingPackages,
  sourceFiles,
  withLock,
} from '../../harness/setup/steps.mjs';

const setupFolder = fileURLToPath(new URL('../../harness/setup', import.meta.url));
let root = '';

const FAKE_TSC = `
const { appendFileSync, existsSync, mkdirSync, writeFileSync } = require('node:fs');
appendFileSync('log', 'tsc\\n');
if (existsSync('break-tsc')) { console.log('a.ts(1,1): error TS1: broken'); process.exit(2); }
const out = process.argv[process.argv.indexOf('--outDir') + 1];
mkdirSync(out + '/harness', { recursive: true });
writeFileSync(out + '/harness/main.js', 'built');
`;
const FAKE_NPM = `
const { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } = require('node:fs');
appendFileSync('log', 'npm ' + process.argv.slice(2).join(' ') + '\\n');
rmSync('node_modules', { recursive: true, force: true });
mkdirSync('node_modules/typescript/bin', { recursive: true });
writeFileSync('node_modules/.package-lock.json', '{}');
writeFileSync('node_modules/typescript/bin/tsc', ${JSON.stringify(FAKE_TSC)});
if (existsSync('slow-npm')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
`;
const FAKE_GYP = `
const { appendFileSync, mkdirSync } = require('node:fs');
appendFileSync('log', 'node-gyp ' + process.argv.slice(2).filter((word) => !word.startsWith('--')).join(' ') + '\\n');
mkdirSync('build/Release', { recursive: true });
`;

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'model-t-setup-'));
  cpSync(setupFolder, join(root, 'harness/setup'), { recursive: true });
  for (const tool of ['make', 'g++', 'python3']) {
    put(`tools/${tool}`, '#!/bin/sh\n');
    chmodSync(join(root, 'tools', tool), 0o755);
  }
  put('fake/npm.js', FAKE_NPM);
  put('fake/node-gyp.js', FAKE_GYP);
  put('package-lock.json', '{}');
  put('package.json', '{"type": "commonjs"}');
  put('harness/setup/package.json', '{"type": "module"}');
  put('tsconfig.json', '{}');
  put('binding.gyp', '{}');
  put('stack/a.cc', 'int a;');
  put('stack/a.ts', 'a');
});
afterEach(() => rmSync(root, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly err: string;
  readonly out: string;
}

function start(words: readonly string[] = [], environment: Record<string, string> = {}): ChildProcess {
  const env = {
    PATH: join(root, 'tools'),
    npm_execpath: join(root, 'fake/npm.js'),
    npm_config_node_gyp: join(root, 'fake/node-gyp.js'),
    ...environment,
  };
  return spawn(process.execPath, [join(root, 'harness/setup/setup.mjs'), ...words], { cwd: tmpdir(), env });
}

function ended(child: ChildProcess): Promise<Ended> {
  let err = '';
  let out = '';
  child.stderr?.on('data', (text) => {
    err += text;
  });
  child.stdout?.on('data', (text) => {
    out += text;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, err, out })));
}

const setup = (words?: readonly string[], environment?: Record<string, string>): Promise<Ended> =>
  ended(start(words, environment));
const log = (): string[] => (existsSync(join(root, 'log')) ? readFileSync(join(root, 'log'), 'utf8').trim().split('\n') : []);
const clearLog = (): void => rmSync(join(root, 'log'), { force: true });
const NPM = 'npm ci --ignore-scripts --include=dev --no-audit --no-fund';

describe('a fresh checkout', () => {
  it('gets dependencies, addon and dist in this order, one line each; a current one gets silence', async () => {
    const first = await setup();
    expect(first).toMatchObject({ code: 0, out: '' });
    expect(first.err.trim().split('\n')).toEqual([
      'set-up: installing dependencies (npm ci)',
      'set-up: compiling the native addon (node-gyp)',
      'set-up: compiling TypeScript (tsc)',
    ]);
    expect(log()).toEqual([NPM, 'node-gyp configure build', 'tsc']);
    expect(readFileSync(join(root, 'dist/harness/main.js'), 'utf8')).toBe('built');
    expect(existsSync(join(root, 'dist.next'))).toBe(false);
    expect(await setup()).toEqual({ code: 0, out: '', err: '' });
    expect(log()).toHaveLength(3);
  });

  it('is set up once when two set-ups start at the same time', async () => {
    put('slow-npm', '');
    const [one, two] = await Promise.all([setup(), setup()]);
    expect([one.code, two.code]).toEqual([0, 0]);
    expect(log()).toEqual([NPM, 'node-gyp configure build', 'tsc']);
    expect([one.err, two.err].filter((text) => text.includes('waiting for another set-up'))).toHaveLength(1);
  });

  it('is taken over when the set-up that holds the lock is killed', async () => {
    put('slow-npm', '');
    const doomed = start();
    await new Promise((resolve) => doomed.stderr?.once('data', resolve));
    const second = setup();
    doomed.kill('SIGKILL');
    expect(await second).toMatchObject({ code: 0 });
    expect(existsSync(join(root, 'dist/harness/main.js'))).toBe(true);
  });
});

describe('what changed is what is done again', () => {
  beforeEach(async () => {
    expect((await setup()).code).toBe(0);
    clearLog();
  });

  it.each<[string, () => void, string[]]>([
    ['a C++ file', () => put('stack/a.cc', 'int b;'), ['node-gyp configure build']],
    ['a new header', () => put('replay/native/new.h', ''), ['node-gyp configure build']],
    ['binding.gyp', () => put('binding.gyp', '{"targets": []}'), ['node-gyp configure build']],
    ['a TypeScript file', () => put('stack/a.ts', 'b'), ['tsc']],
    ['a TypeScript file that goes', () => rmSync(join(root, 'stack/a.ts')), ['tsc']],
    ['package.json', () => put('package.json', '{"version": "2"}'), ['node-gyp configure build', 'tsc']],
    ['the lock file', () => put('package-lock.json', '{"lockfileVersion": 3}'), [NPM]],
    ['node_modules gone', () => rmSync(join(root, 'node_modules'), { recursive: true }), [NPM]],
    ['build gone', () => rmSync(join(root, 'build'), { recursive: true }), ['node-gyp configure build']],
    ['dist gone', () => rmSync(join(root, 'dist'), { recursive: true }), ['tsc']],
    ['a test', () => put('test/a.test.ts', ''), []],
  ])('%s', async (_name, change, expected) => {
    change();
    expect((await setup()).code).toBe(0);
    expect(log()).toEqual(expected);
    clearLog();
    await setup();
    expect(log()).toEqual([]);
  });

  it('a failed step shows its output, fails, keeps the old dist, and is tried again', async () => {
    put('stack/a.ts', 'c');
    put('break-tsc', '');
    const failed = await setup();
    expect(failed.code).toBe(1);
    expect(failed.err).toContain('error TS1: broken');
    expect(failed.err.trim().split('\n').at(-1)).toBe('set-up: tsc failed (exit code 2); its output is above');
    expect(readFileSync(join(root, 'dist/harness/main.js'), 'utf8')).toBe('built');
    rmSync(join(root, 'break-tsc'));
    clearLog();
    expect((await setup()).code).toBe(0);
    expect(log()).toEqual(['tsc']);
  });
});

describe('as npm runs it', () => {
  it('install compiles the addon, prepare dist, and both leave nothing to do', async () => {
    put('node_modules/typescript/bin/tsc', FAKE_TSC);
    put('node_modules/.package-lock.json', '{}');
    expect((await setup(['native'], { npm_command: 'ci' })).code).toBe(0);
    expect((await setup(['dist'], { npm_command: 'ci' })).code).toBe(0);
    expect(log()).toEqual(['node-gyp configure build', 'tsc']);
    expect(await setup()).toEqual({ code: 0, out: '', err: '' });
  });

  it('a package without TypeScript sources needs no tsc to compile its addon', async () => {
    rmSync(join(root, 'package-lock.json'));
    expect(await setup(['native'])).toMatchObject({ code: 0 });
  });
});

describe('what is missing is named with the package that brings it', () => {
  it('compilers', async () => {
    rmSync(join(root, 'tools/make'));
    rmSync(join(root, 'tools/g++'));
    const { code, err } = await setup(['native']);
    expect(code).toBe(1);
    expect(err).toBe('set-up: the native addon cannot be compiled without: make, g++. Try: apt-get install make g++\n');
  });

  it('TypeScript', async () => {
    const { code, err } = await setup(['dist']);
    expect(code).toBe(1);
    expect(err).toMatch(/^set-up: typescript is not installed.*npm ci --include=dev\n$/);
  });
});

describe('steps', () => {
  it('know which Node is too old', () => {
    expect(['18.20.0', '20.18.3', '20.19.0', '22.0.0'].map(isNodeSupported)).toEqual([false, false, true, true]);
  });

  it('find sources below folders, without node_modules', () => {
    put('stack/node_modules/x.cc', '');
    put('stack/ops/b.cc', '');
    expect(sourceFiles(root, ['stack', 'absent', 'binding.gyp'], ['.cc', '.gyp'])).toEqual([
      'binding.gyp',
      'stack/a.cc',
      'stack/ops/b.cc',
    ]);
  });

  it('honour CXX and the python npm was told of', () => {
    const path = join(root, 'tools');
    expect(missingPackages({ PATH: path })).toEqual([]);
    expect(missingPackages({ PATH: path, CXX: 'clang++ -v' })).toEqual(['g++']);
    expect(missingPackages({ PATH: path, npm_config_python: '/nonexistent/python3' })).toEqual(['python3']);
    expect(canRun('nothing', path)).toBe(false);
  });

  it('find node-gyp where npm keeps it, and headers only of this very version', () => {
    put('npm/bin/npm-cli.js', '');
    put('npm/node_modules/node-gyp/bin/node-gyp.js', '');
    const bundled = join(root, 'npm/node_modules/node-gyp/bin/node-gyp.js');
    expect(findNodeGyp({ npm_execpath: join(root, 'npm/bin/npm-cli.js') }, '/nonexistent/bin/node')).toBe(bundled);
    expect(findNodeGyp({}, '/nonexistent/bin/node')).toBeNull();
    put('prefix/include/node/node_api.h', '');
    put(
      'prefix/include/node/node_version.h',
      '#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 19\n#define NODE_PATCH_VERSION 4\n',
    );
    expect(findHeaders(join(root, 'prefix/bin/node'), '20.19.4')).toBe(join(root, 'prefix'));
    expect(findHeaders(join(root, 'prefix/bin/node'), '20.19.5')).toBeNull();
  });

  it('free the lock when the work throws', async () => {
    const broken = (): never => {
      throw new Error('broken');
    };
    const waits: string[] = [];
    await expect(withLock(root, () => waits.push('a'), broken)).rejects.toThrow('broken');
    await withLock(
      root,
      () => waits.push('b'),
      () => {},
    );
    expect(waits).toEqual([]);
  });
});
