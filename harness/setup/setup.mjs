// @ts-check
/**
 * Makes a checkout ready to run: dependencies (npm ci), native addon (node-gyp), dist/ (tsc). Each step is skipped when the
 * fingerprint of what it was made from is the one of the last good build, so that a current checkout costs a few file reads.
 *
 *   node harness/setup/setup.mjs           all three steps; before `npm start`, `npm test`, `npm run model-t`
 *   node harness/setup/setup.mjs native    the addon only; npm's install script
 *   node harness/setup/setup.mjs dist      dist/ only; npm's prepare script
 *
 * One line on stderr for each thing it does, nothing when all is current; stdout is never written to.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  findHeaders,
  findNodeGyp,
  fingerprint,
  isCurrent,
  isNodeSupported,
  missingPackages,
  OLDEST_NODE,
  sourceFiles,
  withLock,
} from './steps.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const abi = [process.versions.modules, process.arch, process.platform];

class SetupError extends Error {}

/** @param {string} line */
const say = (line) => process.stderr.write(`set-up: ${line}\n`);

/**
 * Runs a program; its output is shown only when it fails.
 * @param {string} what
 * @param {string} program
 * @param {readonly string[]} programArguments
 */
function runOrFail(what, program, programArguments) {
  const result = spawnSync(program, programArguments, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  const reason = result.error?.message ?? (result.signal ? `ended by ${result.signal}` : `exit code ${result.status}`);
  throw new SetupError(`${what} failed (${reason}); its output is above`);
}

/** @typedef {{ name: string, stamp: string, fingerprint: () => string, ready: () => boolean, run: () => void }} Step */

/** @type {Step} */
const dependencies = {
  name: 'dependencies',
  stamp: join(root, 'node_modules/.model-t-dependencies'),
  fingerprint: () => fingerprint(root, ['package-lock.json'], abi),
  ready: () => true,
  run() {
    say('installing dependencies (npm ci)');
    const npmScript = process.env.npm_execpath;
    // Scripts are left out: the next two steps are ours, and no dependency needs one.
    const flags = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'];
    if (npmScript?.endsWith('.js')) runOrFail('npm ci', process.execPath, [npmScript, ...flags]);
    else runOrFail('npm ci', 'npm', flags);
  },
};

/** @type {Step} */
const native = {
  name: 'native addon',
  stamp: join(root, 'build/.model-t-native'),
  // package.json, because it pins node-addon-api, whose headers are compiled in.
  fingerprint: () =>
    fingerprint(root, [...sourceFiles(root, ['stack', 'replay'], ['.cc', '.h', '.c']), 'binding.gyp', 'package.json'], abi),
  ready: () => existsSync(join(root, 'build/Release')),
  run() {
    const missing = missingPackages(process.env);
    if (missing.length > 0) {
      throw new SetupError(
        `the native addon cannot be compiled without: ${missing.join(', ')}. Try: apt-get install ${missing.join(' ')}`,
      );
    }
    const nodeGyp = findNodeGyp(process.env, process.execPath);
    if (!nodeGyp)
      throw new SetupError('node-gyp was not found. It comes with npm; try: apt-get install npm, or npm install -g npm');
    const headers = process.env.npm_config_nodedir ?? findHeaders(process.execPath, process.versions.node);
    const flags = [
      ...(headers ? [`--nodedir=${headers}`] : []),
      ...(process.env.JOBS ? [] : [`--jobs=${availableParallelism()}`]),
    ];
    say('compiling the native addon (node-gyp)');
    // Configure and build, not rebuild: make knows which objects are still good.
    runOrFail('node-gyp', process.execPath, [nodeGyp, 'configure', 'build', ...flags]);
  },
};

/** @type {Step} */
const dist = {
  name: 'dist',
  stamp: join(root, 'dist/.model-t-dist'),
  fingerprint: () =>
    fingerprint(root, sourceFiles(root, ['stack', 'replay', 'harness', 'tsconfig.json', 'package.json'], ['.ts', '.json']), []),
  ready: () => true,
  run() {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    if (!existsSync(compiler))
      throw new SetupError('typescript is not installed, so dist/ cannot be built. Try: npm ci --include=dev');
    say('compiling TypeScript (tsc)');
    const next = join(root, 'dist.next');
    const old = join(root, 'dist.old');
    rmSync(next, { recursive: true, force: true });
    runOrFail('tsc', process.execPath, [compiler, '-p', 'tsconfig.json', '--outDir', next]);
    // Swapped in whole, so that no process ever loads half of an old and half of a new dist/.
    rmSync(old, { recursive: true, force: true });
    if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
    renameSync(next, join(root, 'dist'));
    rmSync(old, { recursive: true, force: true });
    // npm makes a package's own programs executable when it installs it; a checkout is not installed.
    chmodSync(join(root, 'dist/harness/main.js'), 0o755);
  },
};

/** @param {Step} step */
const current = (step) => step.ready() && isCurrent(step.stamp, step.fingerprint());

/** @param {readonly Step[]} steps */
function bringUpToDate(steps) {
  for (const step of steps) {
    if (current(step)) continue;
    // Taken before the work: what is edited meanwhile is built by the next call.
    const wanted = step.fingerprint();
    rmSync(step.stamp, { force: true });
    step.run();
    mkdirSync(dirname(step.stamp), { recursive: true });
    writeFileSync(step.stamp, `${wanted}\n`);
  }
}

/** `npm ci` has just installed what the lock file says when it calls our prepare script: record it, or it would run twice. */
function recordDependencies() {
  if (process.env.npm_command === 'ci' && existsSync(join(root, 'node_modules/.package-lock.json'))) {
    writeFileSync(dependencies.stamp, `${dependencies.fingerprint()}\n`);
  }
}

async function main() {
  if (!isNodeSupported(process.versions.node)) {
    throw new SetupError(`Node ${process.versions.node} is too old; Model-T needs ${OLDEST_NODE.join('.')} or newer`);
  }
  const only = process.argv[2];
  const steps = only === 'native' ? [native] : only === 'dist' ? [dist] : [dependencies, native, dist];
  if (!steps.every(current)) {
    await withLock(
      root,
      () => say('waiting for another set-up of this folder'),
      () => bringUpToDate(steps),
    );
  }
  if (only === 'dist') recordDependencies();
}

main().catch((error) => {
  say(error instanceof SetupError ? error.message : (error.stack ?? String(error)));
  process.exitCode = 1;
});
