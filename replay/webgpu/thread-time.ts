/** CPU time of the calling thread, from the kernel's own books. Used to show what the JavaScript thread costs a run. */
import { readFileSync } from 'node:fs';

/**
 * Seconds on a CPU so far; null where the kernel does not say. From the scheduler's nanoseconds: the ticks of /proc/…/stat, 10 ms
 * each, count a thread as busy that happens to wake with the tick, and one that naps does so often.
 */
export function threadSeconds(): number | null {
  try {
    const [onCpu = ''] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ');
    return /^\d+$/.test(onCpu) ? Number(onCpu) / 1e9 : null;
  } catch {
    return null;
  }
}
