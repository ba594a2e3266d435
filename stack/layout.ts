/**
 * Data layouts that TypeScript and C share, written once.
 *
 * `generateCLayouts()` turns the tables below into the C structs of `stack/include/model_t_ring.h` (between its markers)
 * and `stack/native/statistics_layout.h`; `test/stack/layout.test.ts` regenerates and compares. TypeScript reads the same
 * memory through the offsets here. Pure; anyone may import it through the door of `stack/`.
 */

/** A field: name, C type, bytes, and the sentence that goes into the C header. `count` makes an array. */
export interface Field {
  readonly name: string;
  readonly type: 'uint16_t' | 'uint32_t' | 'int32_t' | 'uint64_t';
  readonly doc: string;
  readonly count?: number;
  /** Starts on the next multiple of this; what the field before leaves free is padding. */
  readonly align?: number;
}

export interface Struct {
  readonly name: string;
  readonly doc: string;
  /** sizeof; the tail is padding. */
  readonly bytes: number;
  readonly fields: readonly Field[];
}

const WIDTH = { uint16_t: 2, uint32_t: 4, int32_t: 4, uint64_t: 8 } as const;

/** Every cursor sits alone on this many bytes: two lines, because the adjacent-line prefetcher fetches pairs. */
export const CURSOR_BYTES = 128;
export const RING_MAGIC = 0x474e_4952_5444_4f4dn; // "MODTRING", little endian
export const RING_ABI_VERSION = 2;
export const READER_SLOTS = 16;
/** 62 bytes of the first line are frame; the region never exceeds what a 32-bit offset reaches. */
export const FRAME_OFFSET = 2;

export const DESCRIPTOR: Struct = {
  name: 'model_t_descriptor',
  doc: 'One packet. memif layout (FD.io memif v2, memif_desc_t), so that memif peers can read it.',
  bytes: 16,
  fields: [
    { name: 'flags', type: 'uint16_t', doc: 'MODEL_T_END_OF_LAP, MODEL_T_END_OF_STREAM, MODEL_T_MARK' },
    { name: 'region', type: 'uint16_t', doc: 'index of the region that `offset` points into' },
    { name: 'length', type: 'uint32_t', doc: 'captured frame length in bytes' },
    { name: 'offset', type: 'uint32_t', doc: 'of the frame (slot + 2) from the start of the region' },
    { name: 'metadata', type: 'uint32_t', doc: 'low 32 bits of the packet sequence number; gaps are dropped packets' },
  ],
};

export const READER_SLOT: Struct = {
  name: 'model_t_reader_slot',
  doc: 'One reader. `state` is changed by compare-and-swap; the cursor and counters are written by the reader only.',
  bytes: 3 * CURSOR_BYTES,
  fields: [
    { name: 'state', type: 'uint32_t', doc: 'enum model_t_reader_state' },
    { name: 'policy', type: 'uint32_t', doc: 'enum model_t_policy' },
    { name: 'pid', type: 'int32_t', doc: 'process that reads' },
    { name: 'reserved', type: 'uint32_t', doc: 'zero' },
    { name: 'pid_start', type: 'uint64_t', doc: 'start time of that process in clock ticks (guards against reused pids)' },
    { name: 'start', type: 'uint64_t', doc: 'position at which the producer let the reader in' },
    { name: 'tail', type: 'uint64_t', doc: 'cursor: positions below are consumed', align: CURSOR_BYTES },
    { name: 'delivered', type: 'uint64_t', doc: 'packets consumed intact', align: CURSOR_BYTES },
    { name: 'lost', type: 'uint64_t', doc: 'packets overwritten before or while they were read (policy lag)' },
  ],
};

export const RING_HEADER: Struct = {
  name: 'model_t_ring_header',
  doc: 'Start of the shared memory. Geometry is written once, before `state` becomes MODEL_T_RING_OPEN; only `descriptor_mask` changes later.',
  bytes: 5 * CURSOR_BYTES,
  fields: [
    { name: 'magic', type: 'uint64_t', doc: 'MODEL_T_RING_MAGIC' },
    { name: 'abi_version', type: 'uint32_t', doc: 'MODEL_T_RING_ABI_VERSION; a reader refuses any other' },
    { name: 'descriptor_count', type: 'uint32_t', doc: 'a power of two' },
    { name: 'total_bytes', type: 'uint64_t', doc: 'of the shared memory' },
    { name: 'descriptors_offset', type: 'uint64_t', doc: 'array of model_t_descriptor' },
    { name: 'times_offset', type: 'uint64_t', doc: 'array of uint64_t: virtual capture time, ns since 1970' },
    { name: 'region_offset', type: 'uint64_t', doc: 'region 0' },
    { name: 'region_bytes', type: 'uint64_t', doc: 'at most 4 GiB' },
    { name: 'producer_pid_start', type: 'uint64_t', doc: 'start time of the producer in clock ticks' },
    { name: 'producer_pid', type: 'int32_t', doc: 'process that writes' },
    { name: 'reader_slots', type: 'uint32_t', doc: 'slots that follow this header' },
    { name: 'state', type: 'uint32_t', doc: 'enum model_t_ring_state', align: CURSOR_BYTES },
    { name: 'join_requests', type: 'uint32_t', doc: 'readers add one when they want to join; the producer compares' },
    {
      name: 'descriptor_mask',
      type: 'uint32_t',
      doc: 'position & this = index into descriptors[] and times[]; descriptor_count - 1, or less in a ring that sizes itself',
    },
    { name: 'head', type: 'uint64_t', doc: 'cursor: positions below are published', align: CURSOR_BYTES },
    { name: 'floor', type: 'uint64_t', doc: 'cursor: positions below may already be overwritten', align: CURSOR_BYTES },
    { name: 'dropped', type: 'uint64_t', doc: 'packets not written because a drop reader had no room', align: CURSOR_BYTES },
  ],
};

/** Statistics block of the producing side; `delivered` of the stack is in its path block. */
export const PRODUCER_BLOCK: Struct = {
  name: 'ProducerBlock',
  doc: 'Written by the producer thread whose turn it is, once per burst, with relaxed stores.',
  bytes: CURSOR_BYTES,
  fields: [
    { name: 'phase', type: 'uint64_t', doc: '0 waiting for readers, 1 running, 2 draining, 3 done' },
    { name: 'offered', type: 'uint64_t', doc: 'packets produced, dropped ones included' },
    { name: 'bytes', type: 'uint64_t', doc: 'captured frame bytes of those packets, once production has ended' },
    { name: 'laps', type: 'uint64_t', doc: 'laps completed' },
    { name: 'dropped', type: 'uint64_t', doc: 'packets dropped because a drop reader had no room' },
    { name: 'started_ns', type: 'uint64_t', doc: 'CLOCK_MONOTONIC when the first burst began' },
    { name: 'updated_ns', type: 'uint64_t', doc: 'CLOCK_MONOTONIC at the last update' },
    { name: 'ring_distance', type: 'uint64_t', doc: 'positions published and not consumed by the slowest reader' },
    { name: 'wait_cycles', type: 'uint64_t', doc: 'time-stamp cycles spent waiting for room' },
    { name: 'failed_readers', type: 'uint64_t', doc: 'readers that died or broke the ring' },
    { name: 'ring_bytes', type: 'uint64_t', doc: 'of the region, in use now (DESIGN 4.3: resizing)' },
    { name: 'resizes', type: 'uint64_t', doc: 'how often that changed' },
  ],
};

/** The stack's side of one path: what came out at its end. */
export const PATH_BLOCK: Struct = {
  name: 'PathBlock',
  doc: 'One path; written with relaxed stores, once per burst, by the container that runs its intake; `disordered` by the one that runs its last stage.',
  bytes: CURSOR_BYTES,
  fields: [
    { name: 'delivered', type: 'uint64_t', doc: 'packets consumed intact' },
    { name: 'bytes', type: 'uint64_t', doc: 'captured frame bytes of those packets' },
    { name: 'lost', type: 'uint64_t', doc: 'packets overwritten before they were read (policy lag)' },
    { name: 'bursts', type: 'uint64_t', doc: 'bursts consumed' },
    { name: 'in_flight', type: 'uint64_t', doc: 'bursts taken in and not yet through the last stage' },
    { name: 'switches', type: 'uint64_t', doc: 'placements changed while packets flowed' },
    { name: 'blocked_ns', type: 'uint64_t', doc: 'time during which intake stood still for switches, all of them together' },
    { name: 'longest_blocked_ns', type: 'uint64_t', doc: 'the longest of those times' },
    { name: 'disordered', type: 'uint64_t', doc: 'bursts that came to the end out of turn: 0, or there is a bug' },
  ],
};

/** One pinned thread. */
export const CONTAINER_BLOCK: Struct = {
  name: 'ContainerBlock',
  doc: 'Written by one container thread, once per turn over its agents, with relaxed stores.',
  bytes: CURSOR_BYTES,
  fields: [
    { name: 'state', type: 'uint64_t', doc: '0 starting, 1 running, 2 paused, 3 stopped' },
    { name: 'thread_id', type: 'uint64_t', doc: 'as the kernel knows it (/proc/self/task)' },
    { name: 'updated_ns', type: 'uint64_t', doc: 'CLOCK_MONOTONIC at the last look: a heartbeat' },
    { name: 'turns', type: 'uint64_t', doc: 'turns over the agents' },
    { name: 'idle_turns', type: 'uint64_t', doc: 'turns that found nothing to do' },
    { name: 'work', type: 'uint64_t', doc: 'what the agents say they did, packets mostly' },
    { name: 'busy_cycles', type: 'uint64_t', doc: 'time-stamp cycles of turns that did something' },
    { name: 'idle_cycles', type: 'uint64_t', doc: 'time-stamp cycles of turns that did not, and of waiting between them' },
  ],
};

/** Enough for every verdict an operation declares; `test/stack/ops.test.ts` holds declarations to it. */
export const MAX_VERDICTS = 8;

export const OPERATION_BLOCK: Struct = {
  name: 'OperationBlock',
  doc: 'One operation in one container; written by that container once per burst, with relaxed stores.',
  bytes: CURSOR_BYTES,
  fields: [
    { name: 'packets', type: 'uint64_t', doc: 'packets handed to the operation' },
    { name: 'calls', type: 'uint64_t', doc: 'bursts handed to the operation' },
    { name: 'cycles', type: 'uint64_t', doc: 'time-stamp cycles spent inside it on the timed packets' },
    { name: 'timed_packets', type: 'uint64_t', doc: 'packets of the bursts that were timed, one in eight' },
    { name: 'verdicts', type: 'uint64_t', doc: 'packets by verdict, in declared order', count: MAX_VERDICTS },
  ],
};

/** Byte offset of each field of a struct. */
export function fieldOffsets(struct: Struct): Readonly<Record<string, number>> {
  const offsets: Record<string, number> = {};
  let at = 0;
  for (const field of struct.fields) {
    const align = field.align ?? WIDTH[field.type];
    at = Math.ceil(at / align) * align;
    offsets[field.name] = at;
    at += WIDTH[field.type] * (field.count ?? 1);
  }
  if (at > struct.bytes) throw new RangeError(`${struct.name} needs ${at} bytes, declared ${struct.bytes}`);
  return offsets;
}

/** C text of a struct with explicit padding and a static assertion for every offset. `assertion` is the C or C++ keyword. */
function structText(struct: Struct, assertion: '_Static_assert' | 'static_assert', typedef: boolean): string {
  const offsets = fieldOffsets(struct);
  const lines: string[] = [`/* ${struct.doc} */`, typedef ? `typedef struct ${struct.name} {` : `struct ${struct.name} {`];
  const checks: string[] = [];
  let at = 0;
  const pad = (to: number): void => {
    if (to > at) lines.push(`  uint8_t pad_${at}[${to - at}];`);
    at = to;
  };
  for (const field of struct.fields) {
    const offset = offsets[field.name] as number;
    pad(offset);
    lines.push(`  ${field.type} ${field.name}${field.count ? `[${field.count}]` : ''}; /* ${field.doc} */`);
    checks.push(`${assertion}(offsetof(${struct.name}, ${field.name}) == ${offset}, "${struct.name}.${field.name}");`);
    at = offset + WIDTH[field.type] * (field.count ?? 1);
  }
  pad(struct.bytes);
  lines.push(typedef ? `} ${struct.name};` : '};');
  checks.push(`${assertion}(sizeof(${struct.name}) == ${struct.bytes}, "${struct.name}");`);
  return [...lines, ...checks].join('\n');
}

/** The generated texts: the section of the public C11 ring header, and the private statistics header. */
export function generateCLayouts(): { readonly ring: string; readonly statistics: string } {
  const c = (struct: Struct): string => structText(struct, 'MODEL_T_STATIC_ASSERT' as '_Static_assert', true);
  const ring = [
    `#define MODEL_T_RING_MAGIC 0x${RING_MAGIC.toString(16)}ull`,
    `#define MODEL_T_RING_ABI_VERSION ${RING_ABI_VERSION}u`,
    `#define MODEL_T_READER_SLOTS ${READER_SLOTS}u`,
    `#define MODEL_T_FRAME_OFFSET ${FRAME_OFFSET}u`,
    '',
    ...[DESCRIPTOR, RING_HEADER, READER_SLOT].map((struct) => `${c(struct)}\n`),
  ].join('\n');
  const statistics = [
    '/*',
    ' * Statistics page: one 128-byte block per thread and operation, written by C++, read by TypeScript while a run goes on.',
    ' * Generated from stack/layout.ts by `npm run layouts`; do not edit.',
    ' */',
    '#ifndef MODEL_T_STACK_STATISTICS_LAYOUT_H',
    '#define MODEL_T_STACK_STATISTICS_LAYOUT_H',
    '',
    '#include <cstddef>',
    '#include <cstdint>',
    '',
    'namespace model_t {',
    '',
    `constexpr uint32_t kMaxVerdicts = ${MAX_VERDICTS};`,
    '',
    ...[PRODUCER_BLOCK, PATH_BLOCK, CONTAINER_BLOCK, OPERATION_BLOCK].map((s) => `${structText(s, 'static_assert', false)}\n`),
    '}  // namespace model_t',
    '',
    '#endif',
    '',
  ].join('\n');
  return { ring, statistics };
}
