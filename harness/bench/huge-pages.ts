/** Reserves 2 MiB huge pages for the time of a comparison and gives back what it took. Writes /proc/sys/vm/nr_hugepages. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const RESERVED = 'proc/sys/vm/nr_hugepages';
const TWO_MEBIBYTES_IN_KB = 2048;

export interface HugePageLease {
  /** Null when the pages are there; otherwise what is wrong and how to put it right. */
  readonly problem: string | null;
  release(): void;
}

const NOTHING = (): void => {};

/** `root` is `/`, or a made-up tree in a test. */
export function leaseHugePages(pages: number, root = '/'): HugePageLease {
  const { free, sizeKb } = hugePageState(root);
  if (sizeKb !== TWO_MEBIBYTES_IN_KB) {
    return { problem: `huge pages here have ${sizeKb} KiB, not 2048; set default_hugepagesz=2M at boot`, release: NOTHING };
  }
  if (free >= pages) return { problem: null, release: NOTHING };
  const path = join(root, RESERVED);
  const before = Number(readFileSync(path, 'utf8'));
  const wanted = before + pages - free;
  const release = (): void => writeFileSync(path, `${before}\n`);
  try {
    writeFileSync(path, `${wanted}\n`);
  } catch {
    return { problem: `${pages} free huge pages are needed; run: echo ${wanted} | sudo tee /${RESERVED}`, release: NOTHING };
  }
  const got = hugePageState(root).free;
  if (got >= pages) return { problem: null, release };
  release();
  return {
    problem: `the kernel found room for ${got} of ${pages} huge pages; free some memory, or reserve them after boot`,
    release: NOTHING,
  };
}

function hugePageState(root: string): { free: number; sizeKb: number } {
  const text = readFileSync(join(root, 'proc/meminfo'), 'utf8');
  const field = (name: string): number => Number(text.match(new RegExp(`^${name}:\\s*(\\d+)`, 'm'))?.[1] ?? 0);
  return { free: field('HugePages_Free'), sizeKb: field('Hugepagesize') };
}

/** DPDK finds its pages through a mounted hugetlbfs; without one it can take them anonymously. */
export function hugetlbfsMounted(root = '/'): boolean {
  return /^\S+ \S+ hugetlbfs /m.test(readFileSync(join(root, 'proc/mounts'), 'utf8'));
}
