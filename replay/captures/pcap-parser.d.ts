/** What stream.ts uses of the package `pcap-parser` 0.2.1, which brings no types. */
declare module 'pcap-parser' {
  import type { EventEmitter } from 'node:events';
  import type { Readable } from 'node:stream';

  export interface PacketHeader {
    readonly timestampSeconds: number;
    readonly timestampMicroseconds: number;
    readonly capturedLength: number;
    readonly originalLength: number;
  }
  interface Events {
    globalHeader: [header: { readonly linkLayerType: number }];
    packetHeader: [header: PacketHeader];
    packet: [packet: { readonly header: PacketHeader; readonly data: Buffer }];
    end: [];
    error: [error: Error];
  }
  const parser: { parse(input: Readable): EventEmitter<Events> };
  export default parser;
}
