/**
 * One lap of a native program over packets, seen from outside: verdicts, and a digest of the rows that reach the end, the same as
 * the native queue experiment's (stack/native/queue_run.cc). For rows that were chosen elsewhere and keep their numbers.
 */
import type { NativePackets, NativeProgram, NativeRow, Needs } from '../../stack/index.js';
import { packetsAt } from '../../stack/index.js';
import type { Context } from '../context.js';

export interface Seen {
  /** For each operation, depth first. */
  readonly verdicts: readonly (readonly number[])[];
  readonly digest: bigint;
}

export interface Look {
  readonly program: NativeProgram;
  readonly packets: NativePackets;
  /** Number of each packet in the queue; null = its place. */
  readonly rows: Uint32Array | null;
  readonly stateless: boolean;
  /** Columns that the pipeline reads beside those of headers. */
  readonly needs: Pick<Needs, 'payloads' | 'streams'>;
}

/** Rows come as objects, a microsecond each: so many packets at once, if nothing is remembered from one to the next. */
const PART = 16384;
const MASK = 2n ** 64n - 1n;

export function lookAt(native: Pick<Context['native'], 'runProgram'>, look: Look): Seen {
  const { program, packets, rows, stateless, needs } = look;
  const count = packets.lengths.length;
  const verdicts: number[][] = [];
  let digest = 0n;
  const step = stateless ? PART : Math.max(1, count);
  for (let first = 0; first < count; first += step) {
    const numbers = Uint32Array.from({ length: Math.min(step, count - first) }, (_, index) => first + index);
    const number = (place: number): number => (rows ? (rows[first + place] ?? 0) : first + place);
    if (program.records.length === 0) {
      for (const place of numbers.keys()) digest += mixed(placeOf(number(place), 0));
      continue;
    }
    const seen = native.runProgram({ program, packets: packetsAt(packets, numbers), collect: true, seconds: 0 });
    seen.steps.forEach((result, operation) => {
      const before = verdicts[operation] ?? [];
      verdicts[operation] = result.verdicts.map((verdict, index) => verdict + (before[index] ?? 0));
    });
    for (const row of seen.rows) digest += digestOf(row, number(row.packet), needs);
  }
  return { verdicts, digest: digest & MASK };
}

const mixed = (value: bigint): bigint => ((value ^ (value >> 32n)) * 0xd6e8_feb8_6659_fd93n) & MASK;
const placeOf = (packet: number, classNumber: number): bigint =>
  mixed((BigInt(packet + 1) * 0x9e37_79b9_7f4a_7c15n + BigInt(classNumber)) & MASK);

function digestOf(row: NativeRow, packet: number, needs: Look['needs']): bigint {
  let sum = placeOf(packet, row.class);
  if (needs.payloads) sum += mixed(hashOf(row.bytes));
  if (needs.streams) sum += mixed((row.stream * 0xbf58_476d_1ce4_e5b9n + BigInt(row.mark * 256 + row.encoding)) & MASK);
  return mixed(sum & MASK);
}

function hashOf(bytes: Uint8Array): bigint {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let hash = BigInt(bytes.length);
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) hash = mixed(hash ^ words.getBigUint64(at, true));
  for (; at < bytes.length; at++) hash = mixed(hash ^ BigInt(bytes[at] ?? 0));
  return hash;
}
