// @ts-check
/**
 * What the set-up needs to know, as functions without output: hashes of what was built from what, where node-gyp and the
 * headers are, which tools are missing, and the lock. Plain JavaScript without dependencies, because it runs before there
 * are any. Called by setup.mjs only; tested in test/harness/setup.test.ts.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';

/** First version of the Node 20 line that the tools run on, as `engines` in package.json says. */
export const OLDEST_NODE = [20, 19];

/** @param {string} version such as `20.19.0` */
export function isNodeSupported(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/**
 * Files below the given entries (files or folders) whose names end in one of `extensions`, sorted, as relative paths.
 * @param {string} root
 * @param {readonly string[]} entries
 * @param {readonly string[]} extensions
 * @returns {string[]}
 */
export function sourceFiles(root, entries, extensions) {
  /** @type {string[]} */
  const found = [];
  /** @param {string} path */
  const walk = (path) => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      if (entry.isDirectory() && entry.name !== 'node_modules') walk(join(path, entry.name));
      else if (entry.isFile() && extensions.some((end) => entry.name.endsWith(end))) found.push(join(path, entry.name));
    }
  };
  for (const entry of entries) {
    if (extensions.some((end) => entry.endsWith(end)) && existsSync(join(root, entry))) found.push(entry);
    else if (existsSync(join(root, entry))) walk(entry);
  }
  return found.sort();
}

/**
 * One hash over names and contents of files, and over `facts` (versions and the like).
 * @param {string} root
 * @param {readonly string[]} files
 * @param {readonly string[]} facts
 */
export function fingerprint(root, files, facts) {
  const hash = createHash('sha256');
  for (const fact of facts) hash.update(`${fact}\0`);
  for (const file of files) {
    const bytes = readFileSync(join(root, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/**
 * @param {string} stamp file that holds the fingerprint of the last good build
 * @param {string} wanted
 */
export function isCurrent(stamp, wanted) {
  try {
    return readFileSync(stamp, 'utf8').trim() === wanted;
  } catch {
    return false;
  }
}

/**
 * Whether a program can be run: an absolute path, or a name looked up in PATH.
 * @param {string} program
 * @param {string} path
 */
export function canRun(program, path) {
  const places = program.includes('/') ? [program] : path.split(delimiter).map((folder) => join(folder, program));
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Debian packages to install before the native addon can be compiled; empty when all is there.
 * @param {NodeJS.ProcessEnv} environment
 */
export function missingPackages(environment) {
  const path = environment.PATH ?? '';
  const python = environment.npm_config_python ?? environment.PYTHON ?? 'python3';
  const compiler = (environment.CXX ?? 'g++').split(' ')[0] ?? 'g++';
  const wanted = [
    { program: 'make', package: 'make' },
    { program: compiler, package: 'g++' },
    { program: python, package: 'python3' },
  ];
  return wanted.filter((tool) => !canRun(tool.program, path)).map((tool) => tool.package);
}

/**
 * node-gyp's entry file: the one npm names, else the copy that comes with npm. Null when there is none.
 * @param {NodeJS.ProcessEnv} environment
 * @param {string} nodeBinary
 */
export function findNodeGyp(environment, nodeBinary) {
  const prefix = dirname(dirname(nodeBinary));
  const npmFolder = environment.npm_execpath ? dirname(dirname(environment.npm_execpath)) : null;
  const candidates = [
    environment.npm_config_node_gyp,
    npmFolder && join(npmFolder, 'node_modules/node-gyp/bin/node-gyp.js'),
    join(prefix, 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js'),
    join(prefix, 'share/nodejs/node-gyp/bin/node-gyp.js'),
  ];
  return candidates.find((candidate) => candidate && existsSync(candidate)) ?? null;
}

/**
 * Folder whose include/node holds the headers of exactly this Node, so that nothing is downloaded. Null when there is none.
 * @param {string} nodeBinary
 * @param {string} version such as `20.19.0`
 */
export function findHeaders(nodeBinary, version) {
  const prefix = dirname(dirname(nodeBinary));
  try {
    const header = readFileSync(join(prefix, 'include/node/node_version.h'), 'utf8');
    const parts = ['MAJOR', 'MINOR', 'PATCH'].map((part) => header.match(`#define NODE_${part}_VERSION (\\d+)`)?.[1]);
    return parts.join('.') === version && existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : null;
  } catch {
    return null;
  }
}

/**
 * Runs `work` while no other set-up of the same folder does. The lock is an abstract Unix socket named after the folder: the
 * kernel frees it with the process that holds it, so there is no stale lock to judge. `onWait` is called once if it is taken.
 * @param {string} root
 * @param {() => void} onWait
 * @param {() => void} work
 */
export async function withLock(root, onWait, work) {
  const address = `\0model-t-setup-${createHash('sha256').update(root).digest('hex').slice(0, 32)}`;
  for (let waited = false; ; waited = true) {
    const server = await listen(address);
    if (server) {
      try {
        return work();
      } finally {
        server.close();
      }
    }
    if (!waited) onWait();
    await untilClosed(address);
  }
}

/**
 * @param {string} address
 * @returns {Promise<import('node:net').Server | null>} null when somebody else listens there
 */
function listen(address) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen(address, () => resolve(server));
  });
}

/**
 * Resolves when the holder of the lock is gone; it never answers, so a connection ends only with it. The pause keeps two
 * processes that lose the same race from spinning.
 * @param {string} address
 * @returns {Promise<void>}
 */
function untilClosed(address) {
  return new Promise((resolve) => {
    const socket = connect(address);
    const done = () => setTimeout(resolve, 50);
    socket.once('close', done);
    socket.on('error', () => socket.destroy());
    socket.resume();
  });
}
