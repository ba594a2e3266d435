/**
 * Named rings left in /dev/shm and whether their producer still lives. Reads the header page as a file, by the offsets of
 * stack/layout.ts; never attaches. Called by `doctor`.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fieldOffsets, RING_HEADER, RING_MAGIC } from '../stack/index.js';

const PREFIX = 'model-t.';

export interface RingFile {
  readonly path: string;
  readonly bytes: number;
  readonly producerPid: number | null;
  /** live: its producer runs · stale: it does not · foreign: not a ring of ours, or not ours to read. */
  readonly state: 'live' | 'stale' | 'foreign';
}

export function listRings(sharedMemory = '/dev/shm', processes = '/proc'): RingFile[] {
  let names: string[] = [];
  try {
    names = readdirSync(sharedMemory);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.startsWith(PREFIX))
    .sort()
    .map((name) => ringFile(join(sharedMemory, name), processes));
}

function ringFile(path: string, processes: string): RingFile {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const header = readHeader(path);
  const at = fieldOffsets(RING_HEADER);
  if (header === null || header.readBigUInt64LE(at.magic) !== RING_MAGIC)
    return { path, bytes, producerPid: null, state: 'foreign' };
  const producerPid = header.readInt32LE(at.producer_pid);
  const startTicks = header.readBigUInt64LE(at.producer_pid_start);
  return { path, bytes, producerPid, state: processStart(processes, producerPid) === startTicks ? 'live' : 'stale' };
}

function readHeader(path: string): Buffer | null {
  let file: number | null = null;
  try {
    // A name in a folder everybody may write to: no links followed, no pipe waited for.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const header = Buffer.alloc(RING_HEADER.bytes);
    return readSync(file, header, 0, header.length, 0) === header.length ? header : null;
  } catch {
    return null;
  } finally {
    if (file !== null) closeSync(file);
  }
}

/** Start of a process in clock ticks since boot, field 22 of its stat line; null when there is no such process. */
function processStart(processes: string, pid: number): bigint | null {
  try {
    const stat = readFileSync(join(processes, String(pid), 'stat'), 'utf8');
    // The second field is a name in parentheses that may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null; // a zombie never comes back
    const ticks = fields[19];
    return ticks === undefined ? null : BigInt(ticks);
  } catch {
    return null;
  }
}
