/**
 * What an operation declares about itself. The declaration is data: the planner checks pipelines with it, results are
 * labelled with it, and `test/stack/ops.test.ts` holds the C++ body (the .cc file beside it) to it. Pure; imported by every
 * declaration, the pipeline language and the planner.
 */

/** Columns of a burst (stack/native/burst.h), and bytes of a frame. */
export type Column =
  | 'frames'
  | 'lengths'
  | 'types'
  | 'networks'
  | 'transports'
  | 'ends'
  | 'protocols'
  | 'marks'
  | 'classes'
  | 'times'
  /** payloads and payload_lengths */
  | 'payloads'
  /** streams and stream_marks */
  | 'streams'
  | 'encodings';

/** Rows that an operation writes columns of, or that it makes. Two writes of one column collide if the later one's rows cover the earlier one's. */
export type Rows = 'all' | 'ip4' | 'ip6' | 'tcp' | 'udp' | 'icmp';

/**
 * Refuses the argument: what is wrong, what to do, and where. `text` is the index of the text, `offset` the byte in it; left
 * out, the whole argument is meant.
 */
export type RefuseArgument = (problem: string, remedy: string, text?: number, offset?: number) => never;

export type ArgumentKind =
  | { readonly kind: 'none' }
  /** One word of a few, or nothing: then the first. `value` is the parameter that the body gets. */
  | { readonly kind: 'choice'; readonly choices: readonly Choice[] }
  /** A whole number, which is the body's parameter. No default: it must be given. */
  | {
      readonly kind: 'number';
      readonly what: string;
      readonly min: number;
      readonly max: number;
      readonly default: number | null;
    }
  /**
   * `min` to `max` words or quoted strings, made into the body's data. Every character of a text is one byte (0 to 255):
   * `\xff` is that byte, and what is beyond ASCII arrives as its UTF-8 bytes.
   */
  | {
      readonly kind: 'texts';
      readonly what: string;
      readonly min: number;
      readonly max: number;
      compile(texts: readonly string[], refuse: RefuseArgument): Uint8Array;
    };

export interface Choice {
  readonly argument: string;
  readonly value: number;
  /** False: with this argument the operation is no part of a header pass. */
  readonly fusable?: false;
}

/** One implementation of an operation. */
export interface VariantDeclaration {
  /** scalar, avx2, avx512 (needs that CPU), wgsl (needs an accelerator), or a name of its own: interpreter, native, zlib. */
  readonly name: string;
  /** From the first-level cache: per packet of 60 bytes, for every byte beyond that, and for each one of a number as argument. */
  readonly expectedCycles: { readonly perPacket: number; readonly perByte: number; readonly perArgument?: number };
  /** What it executes, if not the step as it stands: something that compilers (planner/compilers.ts) make of it. */
  readonly form?: string;
  /** A processor it needs, as `process.arch` names it. */
  readonly architecture?: string;
  /** Columns it reads, if others than the operation's. */
  readonly reads?: readonly Column[];
  /** Operations whose work it does itself, for its own use: it needs none of them before it. */
  readonly includes?: readonly string[];
}

export interface Operation {
  /** As the native side knows it. */
  readonly name: string;
  readonly summary: string;
  /** How much of the frame, or of payloads, it touches. */
  readonly access: 'none' | 'header' | 'payload';
  /** Bytes of the packet that it changes, in place or behind its end. */
  readonly writesPacket: 'no' | 'header' | 'payload' | 'append';
  /** Frame bytes it may read per packet, from the frame's start; null = all. */
  readonly bytesTouched: number | null;
  readonly reads: readonly Column[];
  /** Columns that it looks at if somebody has written them, and does without otherwise: no reason to write them. */
  readonly readsIfWritten?: readonly Column[];
  readonly writes: readonly Column[];
  readonly rows: Rows;
  /** Of `writes`: filled in only if a later operation reads them. */
  readonly onDemand: readonly Column[];
  /** Rows may leave. */
  readonly drops: boolean;
  /** All rows leave: nothing can stand behind it. */
  readonly last?: true;
  /** Rows that go on are of its own making: they hold frames, lengths, times and what it writes, all else is gone. */
  readonly expands: boolean;
  /** What it remembers between packets, its verdict counters apart. */
  readonly state: 'none' | 'per-flow' | 'global';
  /** Which packets it must see in the order in which they were captured. */
  readonly order: 'any' | 'per-flow' | 'total';
  /** In the order of the native counters, at most 8; sums that are no packet counts end in `Sum`. */
  readonly verdicts: readonly string[];
  readonly argument: ArgumentKind;
  readonly variants: readonly VariantDeclaration[];
  /** May be part of the header pass. */
  readonly fusable: boolean;
  /** What a step of it is before any compiler has seen it (planner/compilers.ts); left out, variants execute it as it stands. */
  readonly form?: string;
  /** Another body under the same name: taken for `argument`, or without argument if a later step reads the column `whenRead`. */
  readonly alternative?: { readonly argument: string; readonly whenRead: Column; readonly operation: Operation };
}

/** A body that is compiled once per instruction set. */
export function kernelVariants(scalar: number, avx2: number, avx512: number, perByte = [0, 0, 0]): VariantDeclaration[] {
  return (
    [
      ['scalar', scalar],
      ['avx2', avx2],
      ['avx512', avx512],
    ] as const
  ).map(([name, perPacket], index) => ({ name, expectedCycles: { perPacket, perByte: perByte[index] ?? 0 } }));
}

/** What most operations are: they look, and change nothing. Spread it and say what differs. */
export const PLAIN = {
  writesPacket: 'no',
  writes: [],
  rows: 'all',
  onDemand: [],
  drops: false,
  expands: false,
  state: 'none',
  order: 'any',
  argument: { kind: 'none' },
  fusable: false,
} as const satisfies Partial<Operation>;
