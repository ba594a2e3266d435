/**
 * SwiftShader, the software GPU: found in the optional package @sparticuz/chromium (only its bin/swiftshader.tar.br is looked
 * at, none of its code is run), unpacked once per user, and loaded together with the Vulkan loader that lies beside it. So the
 * webgpu engine runs where there is neither a GPU nor Vulkan.
 *
 * Touches the user's cache folder, and the environment of this process while Vulkan starts. Called by dawn.ts.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, homedir, tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { ModelTError } from '../../stack/index.js';
import { unpackArchive } from './archive.js';
import { privateFolder } from './private-folder.js';

const PACKAGE = '@sparticuz/chromium';
const LOADER = 'libvulkan.so.1';
const DRIVER = 'vk_swiftshader_icd.json';
const FILES = [LOADER, DRIVER, 'libvk_swiftshader.so'] as const;
/** RTLD_NODELETE: Node closes what is no addon again, and this flag keeps it. Node does not name it; Linux has one value. */
const RTLD_NODELETE = 0x1000;
/** Entry of the auxiliary vector that says whether the process gained privileges when it was started. */
const AT_SECURE = 23n;

export interface SwiftShader {
  readonly version: string;
  readonly archive: string;
}

/** The installed package, or null. */
export function findSwiftShader(packageFolder: string | null = chromiumFolder()): SwiftShader | null {
  if (packageFolder === null) return null;
  const archive = join(packageFolder, 'bin/swiftshader.tar.br');
  if (!existsSync(archive)) return null;
  const manifest = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version?: unknown };
  return { version: String(manifest.version), archive };
}

/** The package does not export its package.json, so the folder is found from its main file upwards. */
function chromiumFolder(): string | null {
  let folder: string;
  try {
    folder = dirname(createRequire(import.meta.url).resolve(PACKAGE));
  } catch {
    return null;
  }
  while (!existsSync(join(folder, 'bin'))) {
    const parent = dirname(folder);
    if (parent === folder) return null;
    folder = parent;
  }
  return folder;
}

/** Folder with the loader, the driver and its description; unpacked on first use. */
export function unpackSwiftShader(found: SwiftShader, environment: NodeJS.ProcessEnv = process.env): string {
  try {
    return unpackInto(cacheFolder(environment), found);
  } catch (error) {
    if (error instanceof ModelTError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ModelTError(
      'SWIFTSHADER_NOT_UNPACKED',
      `${found.archive} cannot be unpacked: ${reason}`,
      3,
      `Make 7 MB of room in ${tmpdir()}, or name another folder in XDG_CACHE_HOME`,
    );
  }
}

function unpackInto(cache: string, found: SwiftShader): string {
  const compressed = readFileSync(found.archive);
  const hash = createHash('sha256').update(compressed).digest('hex').slice(0, 16);
  const version = found.version.replace(/[^0-9A-Za-z.-]/g, '_');
  const path = join(cache, 'model-t', `swiftshader-${version}-${hash}`);
  return privateFolder(path, () => unpackArchive(compressed, FILES, found.archive));
}

/** Relative values of XDG_CACHE_HOME are to be ignored, says its specification. */
function cacheFolder(environment: NodeJS.ProcessEnv): string {
  const cache = environment.XDG_CACHE_HOME ?? '';
  return isAbsolute(cache) ? cache : join(homedir(), '.cache');
}

export const driverFile = (folder: string): string => join(folder, DRIVER);

/** Loads the Vulkan loader that came with SwiftShader; Dawn then finds it by its name. */
export function loadBundledLoader(folder: string): void {
  const path = join(folder, LOADER);
  const problem = loadLibrary(path);
  if (problem === null) return;
  throw new ModelTError(
    'SWIFTSHADER_UNLOADABLE',
    `${path} cannot be loaded: ${problem}`,
    3,
    'It needs x86-64 Linux with glibc and a folder from which programs may be run; XDG_CACHE_HOME chooses another',
  );
}

/** Whether the system has a Vulkan loader of its own; it is loaded by this. */
export function loadSystemLoader(): boolean {
  return loadLibrary(LOADER) === null;
}

/** The reason why not, or null when it is loaded and stays so. Node complains about every library that is not an addon. */
function loadLibrary(path: string): string | null {
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE);
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return /did not self-register/.test(reason) ? null : (reason.split('\n')[0] ?? reason);
  }
}

/**
 * Whether the Vulkan loader will ignore the environment, as it does in a process that gained privileges (set-uid, or file
 * capabilities such as cap_net_raw on the node binary). Then no driver can be named, and SwiftShader cannot be reached.
 */
export function ignoresEnvironment(root = ''): boolean {
  if (process.getuid?.() !== process.geteuid?.() || process.getgid?.() !== process.getegid?.()) return true;
  try {
    return secureEntry(readFileSync(join(root || '/', 'proc/self/auxv')));
  } catch (error) {
    // A process with file capabilities may not even read this about itself.
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** Pairs of 64-bit words: type and value. */
function secureEntry(vector: Buffer): boolean {
  for (let offset = 0; offset + 16 <= vector.length; offset += 16) {
    if (vector.readBigUInt64LE(offset) === AT_SECURE) return vector.readBigUInt64LE(offset + 8) !== 0n;
  }
  return false;
}
