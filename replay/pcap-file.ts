/**
 * The file behind `-w`: written under a temporary name and renamed when it is whole, so that nobody ever reads half a
 * capture. What is no regular file (a FIFO, /dev/null) is opened as it is. Called by the run.
 */
import { closeSync, constants, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { ModelTError } from '../stack/index.js';
import type { TraceInfo } from './captures/native-trace.js';

export interface PcapFile {
  readonly descriptor: number;
  /** LINKTYPE_ value of the file header. */
  readonly linkType: number;
  /** The file is whole: closes it and gives it its name. */
  commit(): void;
  /** The run failed: closes it and removes what was written. */
  discard(): void;
}

const ETHERNET = 1;
/** Link types whose packets are given an Ethernet header when they are loaded (replay/native/link_type.cc). */
const GIVEN_ETHERNET = new Set([0, 12, 14, 101, 108, 113, 228, 229, 276]);

/** A pcap file has one link type: that of the trace if it is uniform. */
function linkTypeOf(info: TraceInfo): number {
  const found = info.sources.flatMap((source) => source.linkTypes);
  const types = new Set(found.map((type) => (GIVEN_ETHERNET.has(type.value) ? ETHERNET : type.value)));
  /* Packets of those types that could not be given a header (unknown version or family) stay what they were. */
  const convertible = found.filter((type) => GIVEN_ETHERNET.has(type.value));
  if (convertible.reduce((sum, type) => sum + type.packets, 0) > info.headerGiven) {
    for (const type of convertible) types.add(type.value);
    if (info.headerGiven === 0) types.delete(ETHERNET);
  }
  if (types.size <= 1) return [...types][0] ?? ETHERNET;
  const names = found.map((type) => type.name);
  const message = `The captures mix link types (${[...new Set(names)].join(', ')}); a pcap file holds one`;
  throw new ModelTError('LINK_TYPES_MIXED', message, 2, 'Write captures of one link type at a time');
}

function isSpecial(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status !== undefined && !status.isFile();
}

/** Throws ModelTError (exit code 2) when the file cannot be made. */
export function openPcapFile(path: string, info: TraceInfo): PcapFile {
  const linkType = linkTypeOf(info);
  try {
    const special = isSpecial(path);
    const temporary = special ? path : `${path}.${process.pid}.tmp`;
    const flags = special ? constants.O_WRONLY : constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    const descriptor = openSync(temporary, flags, 0o644);
    return {
      descriptor,
      linkType,
      commit: () => {
        closeSync(descriptor);
        if (!special) renameSync(temporary, path);
      },
      discard: () => {
        closeSync(descriptor);
        if (!special) rmSync(temporary, { force: true });
      },
    };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ModelTError(
      'OUTPUT_UNWRITABLE',
      `${path} cannot be written: ${reason}`,
      2,
      'Check that its folder exists and is writable',
    );
  }
}
