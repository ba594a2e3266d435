/**
 * A folder of files that only this user can have written, for shared libraries that are about to be loaded: in the user's
 * cache if that can be written, else a fresh one below the temporary folder, which goes when the process ends.
 *
 * Writes there and nowhere else; several processes may do so at once. Called by swiftshader.ts.
 */
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, type Stats, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

export type FileContents = ReadonlyMap<string, Uint8Array>;

/** Lists the files and their lengths; written last, so that a folder that has it was whole once. */
const MANIFEST = 'manifest.json';
/** Another process may put its folder where ours was to go, or take a broken one away; each time the look starts over. */
const ATTEMPTS = 4;

/** The folder at `path`, or a temporary one when that cannot be had; `make` is called only if there is something to write. */
export function privateFolder(path: string, make: () => FileContents): string {
  let made: FileContents | null = null;
  const contents = (): FileContents => {
    made ??= make();
    return made;
  };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const state = folderState(path);
    if (state === 'whole') return path;
    if (state === 'foreign') break;
    const files = contents();
    try {
      makeFolders(dirname(path));
      if (!isOurs(dirname(path))) break;
      if (state === 'broken' && folderState(path) === 'broken') moveAway(path);
      putInPlace(path, files);
    } catch (error) {
      if (!isRace(error)) break;
    }
  }
  return temporaryFolder(contents());
}

/** One by one: Node's own recursive mkdir never returns where a parent can neither be made nor is there (/proc/x/y). */
function makeFolders(path: string): void {
  const missing: string[] = [];
  for (let folder = path; status(folder) === null && dirname(folder) !== folder; folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Written elsewhere first, then renamed: nobody ever sees half of it. */
function putInPlace(path: string, contents: FileContents): void {
  const folder = mkdtempSync(join(dirname(path), '.new-'));
  try {
    writeFiles(folder, contents);
    renameSync(folder, path);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Processes that have loaded the old files keep them: a mapping outlives its name. */
function moveAway(path: string): void {
  const grave = mkdtempSync(join(dirname(path), '.old-'));
  try {
    renameSync(path, join(grave, basename(path)));
  } finally {
    rmSync(grave, { recursive: true, force: true });
  }
}

function temporaryFolder(contents: FileContents): string {
  const folder = mkdtempSync(join(tmpdir(), 'model-t-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  writeFiles(folder, contents);
  return folder;
}

function writeFiles(folder: string, contents: FileContents): void {
  const sizes: Record<string, number> = {};
  for (const [name, bytes] of contents) {
    writeFileSync(join(folder, name), bytes, { mode: 0o600, flag: 'wx' });
    sizes[name] = bytes.length;
  }
  writeFileSync(join(folder, MANIFEST), JSON.stringify(sizes), { mode: 0o600, flag: 'wx' });
}

/** `foreign`: another user could have written it, so nothing in it may be loaded, and it is not ours to replace. */
function folderState(path: string): 'missing' | 'whole' | 'broken' | 'foreign' {
  if (status(path) === null) return 'missing';
  if (!isOurs(path)) return 'foreign';
  try {
    const sizes = JSON.parse(readFileSync(join(path, MANIFEST), 'utf8')) as Record<string, number>;
    const files = Object.entries(sizes);
    const whole = files.every(([name, bytes]) => isOwnFile(join(path, name), bytes));
    return whole && files.length > 0 ? 'whole' : 'broken';
  } catch {
    return 'broken';
  }
}

/** Links are not followed; null = not there, or not for us to see, and then it is the writing that fails. */
function status(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}

/** Nobody else can have put it there, or can change it. */
function isOnlyOurs(found: Stats | null): found is Stats {
  return found !== null && found.uid === process.geteuid?.() && (found.mode & 0o022) === 0;
}

function isOurs(path: string): boolean {
  const found = status(path);
  return isOnlyOurs(found) && found.isDirectory();
}

function isOwnFile(path: string, bytes: number): boolean {
  const found = status(path);
  return isOnlyOurs(found) && found.isFile() && found.size === bytes;
}

function isRace(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return ['EEXIST', 'ENOTEMPTY', 'ENOENT'].includes(code);
}
