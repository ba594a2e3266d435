/**
 * The native class `Trace` (replay/native/binding_trace.cc) as TypeScript sees it, and what it tells about its contents.
 *
 * Types only. The class itself comes from the addon, which one file of the project loads; whoever opens a trace passes
 * the object on to the loaders of this folder.
 */

/** One file, stream or directory entry, in the order of loading. */
export interface SourceInfo {
  readonly path: string;
  /** For example `pcap µs le`, `pcapng be`, `gzip(pcap ns be)`, `zstd(pcapng le)`; `not a capture` for a passed-over directory entry. */
  readonly format: string;
  readonly packets: number;
  /** Captured bytes, made-up Ethernet headers included. */
  readonly bytes: number;
  readonly linkTypes: readonly { readonly value: number; readonly name: string; readonly packets: number }[];
  /** Packets that are not replayed, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Where reading stopped early: byte offset (after decompression), number from 1 of the packet not read, and why. */
  readonly truncated: { readonly offset: number; readonly packet: number; readonly reason: string } | null;
}

export interface TraceInfo {
  readonly packets: number;
  readonly bytes: number;
  readonly slotBytes: number;
  readonly sources: readonly SourceInfo[];
  /** Smallest and largest time stamp; null while no packet carries one. */
  readonly firstTimeNs: bigint | null;
  readonly lastTimeNs: bigint | null;
  /** Packets earlier than their predecessor. */
  readonly backwardTimestamps: number;
  /** Packets captured shorter than they were. */
  readonly snaplenTruncated: number;
  /** Captured frame lengths; 0 when empty. */
  readonly smallest: number;
  readonly largest: number;
  /** Packets that were given an Ethernet header (raw IP, null/loop, Linux cooked). */
  readonly headerGiven: number;
}

/** A copy of one packet, for tests and inspection. `opaque`: not Ethernet and not convertible, replayed as it is. */
export interface PacketCopy {
  readonly data: Uint8Array;
  readonly timeNs: bigint;
  readonly originalLength: number;
  readonly kind: 'ethernet' | 'opaque';
}

/** How the bytes of a source arrive: undone compression (`wrapper`) before feed(), or a finished `format` before addPacket(). */
export type SourceOptions = { readonly wrapper?: 'zstd' } | { readonly format: string };

/**
 * Filled by one caller at a time: load(), or beginSource() … endSource() with either feed() or addPacket() between.
 * Failures are `Error`s with `code` and, where there is one, `remedy`.
 */
export interface NativeTrace {
  /** Reads a regular file (plain or gzip) on a pool thread. A damaged tail is noted in info(), not an error. */
  load(path: string): Promise<void>;
  beginSource(name: string, options?: SourceOptions): void;
  /** Any piece of a capture; returns false once no more is wanted, because the capture is damaged here. */
  feed(data: Uint8Array): boolean;
  /** One packet; returns false when it is longer than a frame may be. */
  addPacket(linkType: number, timeNs: bigint, originalLength: number, data: Uint8Array): boolean;
  /** `end` says why the source ended early. `offset` counts only for addPacket() sources; feed() knows where it is. */
  endSource(end?: { readonly reason: string; readonly offset?: number }): void;
  /** No source follows; the image is whole. */
  complete(): void;
  /** Grows while loading goes on. */
  info(): TraceInfo;
  packet(index: number): PacketCopy | undefined;
  /** Lets go of the image; memory is freed once no run holds it. Stops a load that is under way. */
  close(): void;
}

export interface NativeTraceClass {
  new (options?: { readonly reserveBytes?: number }): NativeTrace;
  /** Bytes this process may still touch, by /proc and /sys under `root`; for tests and `doctor`. */
  memoryHeadroom(root: string): number;
}
