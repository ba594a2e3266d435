/** What two probes of an operation say against its declaration. Only tests may import this. */
import type { NativeBurst, NativeProbe, NativeProbed, Operation } from '../../stack/index.js';
import { columnsOf, type Pair, ROWS, WIDTHS } from './probe.js';

type Probed = { readonly one: NativeProbed; readonly two: NativeProbed };

const bytesOf = (burst: NativeBurst, column: string): Buffer => {
  const found = burst[column];
  return ArrayBuffer.isView(found) ? Buffer.from(found.buffer, found.byteOffset, found.byteLength) : Buffer.alloc(0);
};
/** `frames` and `payloads` are columns of pointers here. */
const widthOf = (column: string): number => WIDTHS[column] ?? 8;
const cell = (bytes: Uint8Array, column: string, row: number): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset + row * widthOf(column), widthOf(column));
const same = (one: Uint8Array, two: Uint8Array): boolean => Buffer.compare(one, two) === 0;

const POINTERS = ['frames', 'payloads'];
const ALL = [...Object.keys(WIDTHS), ...POINTERS];

/** What pointers are before the run: each row's own place. */
const pointersGiven = (column: string): Buffer =>
  Buffer.from(Float64Array.from({ length: ROWS }, (_, row) => row * 2 ** 20 + (column === 'payloads' ? 2 ** 28 : 0)).buffer);
const given = (probe: NativeProbe, column: string): Uint8Array =>
  POINTERS.includes(column) ? pointersGiven(column) : (probe.columns[column] ?? new Uint8Array());

/** Columns of the burst that the declaration lets it write. */
function writable(operation: Operation): Set<string> {
  const columns = operation.writes.flatMap((column) => [...columnsOf(column), ...(POINTERS.includes(column) ? [column] : [])]);
  return new Set([...columns, ...(operation.drops ? ['leaves'] : [])]);
}

/** Is the row one of those of which the operation writes columns? */
function covers(operation: Operation, probe: NativeProbe, row: number): boolean {
  const type = cell(probe.columns.types ?? new Uint8Array(), 'types', row).readUInt16LE();
  const protocol = probe.columns.protocols?.[row];
  switch (operation.rows) {
    case 'ip4':
      return type === 0x0800;
    case 'ip6':
      return type === 0x86dd;
    case 'tcp':
      return protocol === 6;
    case 'udp':
      return protocol === 17;
    case 'icmp':
      return protocol === 1 || protocol === 58;
    default:
      return true;
  }
}

/** It touched what it did not declare. */
function touched(operation: Operation, probe: NativeProbe, result: NativeProbed): string[] {
  const found: string[] = [];
  const may = writable(operation);
  for (const column of ALL) {
    const before = given(probe, column);
    const after = bytesOf(result, column);
    for (let row = 0; row < ROWS; row++) {
      const allowed = may.has(column) && (row >= probe.count || column === 'leaves' || covers(operation, probe, row));
      if (!allowed && !same(cell(before, column, row), cell(after, column, row))) found.push(`wrote ${column}`);
    }
  }
  if (!same(result.payloadBytes, probe.payloads.bytes)) found.push('wrote payloads');
  let at = 0;
  for (const size of probe.frames.sizes) {
    const own = operation.writesPacket === 'no' ? 0 : (operation.bytesTouched ?? size);
    if (!same(result.frameBytes.subarray(at + own, at + size), probe.frames.bytes.subarray(at + own, at + size)))
      found.push('wrote bytes of packets');
    at += size;
  }
  if (result.verdicts.slice(operation.verdicts.length).some((count) => count !== 0))
    found.push('counted verdicts without a name');
  if (result.drops !== operation.drops) found.push(`the body ${result.drops ? 'drops' : 'does not drop'}`);
  if (result.expands !== operation.expands) found.push(`the body ${result.expands ? 'expands' : 'does not expand'}`);
  return found;
}

/** Something that it did not declare to read made a difference. */
function influenced(operation: Operation, pair: Pair, { one, two }: Probed): string[] {
  const found: string[] = [];
  if (one.verdicts.join() !== two.verdicts.join()) found.push(`verdicts ${one.verdicts} and ${two.verdicts}`);
  for (const column of writable(operation)) {
    for (let row = 0; row < pair.one.count; row++) {
      const [first, second] = [cell(bytesOf(one, column), column, row), cell(bytesOf(two, column), column, row)];
      const untouched =
        same(first, cell(given(pair.one, column), column, row)) && same(second, cell(given(pair.two, column), column, row));
      if (!untouched && !same(first, second)) found.push(`${column} differ`);
    }
  }
  for (let at = 0; at < one.frameBytes.length; at++) {
    const changed = one.frameBytes[at] !== pair.one.frames.bytes[at] || two.frameBytes[at] !== pair.two.frames.bytes[at];
    if (changed && one.frameBytes[at] !== two.frameBytes[at]) found.push('bytes of packets differ');
  }
  return [...found, ...influencedRows(operation, pair, { one, two })];
}

/** Rows that the operation made: what it declares to write, the packet's own columns, and nothing else. */
function influencedRows(operation: Operation, pair: Pair, { one, two }: Probed): string[] {
  const found: string[] = [];
  if (one.emitted.map(({ count }) => count).join() !== two.emitted.map(({ count }) => count).join())
    return ['numbers of rows differ'];
  const may = writable(operation);
  const passed = new Set(['frames', 'slots', 'lengths', 'times']);
  for (const [index, burst] of one.emitted.entries()) {
    const other = two.emitted[index] ?? burst;
    for (let row = 0; row < burst.count; row++) {
      const own = (burst.frames[row] ?? 0) < 0;
      for (const column of ALL) {
        const [first, second] = [cell(bytesOf(burst, column), column, row), cell(bytesOf(other, column), column, row)];
        const slot = bytesOf(burst, 'slots')[row] ?? 0;
        const handed =
          !own &&
          passed.has(column) &&
          same(first, cell(given(pair.one, column), column, slot)) &&
          same(second, cell(given(pair.two, column), column, slot));
        /* As programs give columns to their first operation: no protocol, else zero. */
        const nothing = column === 'protocols' ? first[0] === 255 || first[0] === 0 : first.every((byte) => byte === 0);
        const empty = column === 'payloads' ? burst.payloads[row] === -2 : nothing;
        if (!may.has(column) && !passed.has(column) && !empty) found.push(`wrote ${column} of rows it made`);
        else if (!handed && !same(first, second)) found.push(`${column} of rows it made differ`);
      }
    }
  }
  if (!same(Buffer.concat(one.emittedBytes), Buffer.concat(two.emittedBytes))) found.push('bytes of rows it made differ');
  return found;
}

/** Each kind of violation once; empty = the body keeps to its declaration. */
export function violations(operation: Operation, pair: Pair, probed: Probed): string[] {
  const all = [
    ...touched(operation, pair.one, probed.one),
    ...touched(operation, pair.two, probed.two),
    ...influenced(operation, pair, probed),
  ];
  return [...new Set(all)];
}
