/**
 * Whole programs: every one of a list of pipelines, fused and unfused, in every instruction set, gives the rows and verdicts that it
 * must, whatever stood in the columns before. Packets of all kinds stand side by side, so that what belongs to one is missed in another.
 */
import { describe, expect, it } from 'vitest';
import { ModelTError, type NativePackets, native, parsePipeline, planPipeline, programOf } from '../../stack/index.js';
import { newFile } from '../helpers/files.js';
import { judgedPackets } from '../helpers/packets.js';
import { isas, loaded, replay } from '../helpers/replay.js';
import { pcap } from '../replay/captures/writer.js';

/** IPv4 with a right header checksum, protocol and payload as asked. */
function ip4(protocol: number, rest: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(34 + rest.length);
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame.writeUInt16BE(20 + rest.length, 16);
  frame[22] = 64;
  frame[23] = protocol;
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += frame.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~sum & 0xffff, 24);
  frame.set(rest, 34);
  return frame;
}

function tcp(port: number, sequence: number, payload: string): Uint8Array {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(40000, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt32BE(sequence, 4);
  header[12] = 0x50;
  header[13] = 0x10;
  return ip4(6, Buffer.concat([header, Buffer.from(payload)]));
}

function udp(port: number, payload: string): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(port, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return ip4(17, Buffer.concat([header, Buffer.from(payload)]));
}

const arp = (): Uint8Array => {
  const frame = Buffer.alloc(60);
  frame.writeUInt16BE(0x0806, 12);
  return frame;
};

function packetsOf(frames: readonly Uint8Array[]): NativePackets {
  const lengths = Uint32Array.from(frames, ({ length }) => length);
  const offsets = new Uint32Array(frames.length);
  for (let index = 1; index < frames.length; index++) offsets[index] = (offsets[index - 1] ?? 0) + (lengths[index - 1] ?? 0);
  return { bytes: Buffer.concat(frames), offsets, lengths };
}

function run(text: string, frames: readonly Uint8Array[], isa: (typeof isas)[number], fuse: boolean) {
  const pipeline = parsePipeline(text);
  const { records } = planPipeline(pipeline, {
    isas: isas as never,
    isa: isa as never,
    fuse,
    placement: 'fused',
    memoryWritable: false,
  });
  const { steps, rows } = native.runProgram({
    program: programOf(records),
    packets: packetsOf(frames),
    collect: true,
    seconds: 0,
  });
  const verdicts = steps.map(({ verdicts: counts }, index) => {
    const names = pipeline.steps[index]?.operation.verdicts ?? [];
    return Object.fromEntries(names.map((name, at) => [name, counts[at] ?? 0]).filter(([, count]) => count !== 0));
  });
  return {
    verdicts,
    rows: rows.map(({ packet, class: type, bytes }) => ({ packet, type, bytes: Buffer.from(bytes).toString('latin1') })),
  };
}

const mixed = Array.from({ length: 200 }, (_, index) =>
  index % 4 === 3 ? arp() : udp(index % 2 ? 53 : 5353, `payload ${index}`),
);
const ways = isas.flatMap((isa) => [true, false].map((fuse) => [isa, fuse] as const));

describe.each(ways)('%s, fused: %s', (isa, fuse) => {
  it('a second look at headers sees nothing of the packets before', () => {
    const text = 'eth | ip4 | checksum-verify header | sample 1 | eth | ip4 | udp | match "payload" | count';
    const { verdicts } = run(text, mixed, isa, fuse);
    expect(verdicts[6]).toEqual({ ok: 150, other: 50 });
    expect(verdicts[8]).toMatchObject({ packets: 150 });
  });

  it('classes of what defrag hands on are its own', () => {
    const frames = Array.from({ length: 300 }, (_, index) => (index % 3 ? udp(9, 'x') : tcp(80, index, 'y')));
    const { verdicts } = run('eth | defrag | ip4 | tcp headers |80 count', frames, isa, fuse);
    expect(verdicts.at(-1)).toMatchObject({ packets: 100 });
  });

  it('rows that a stream made have no headers of other packets', () => {
    const frames = [...mixed, tcp(80, 1, 'one'), tcp(80, 4, 'two'), arp(), tcp(80, 100, 'far')];
    const { verdicts } = run('eth | ip4 | tcp stream | eth | ip4 | tcp headers | count', frames, isa, fuse);
    /* The last comes at the end, when nobody has its packet any more. */
    expect(verdicts[5]).toEqual({ ok: 3, other: 1 });
  });

  it('a group tells rows of one packet apart', () => {
    const frames = [tcp(80, 1, 'GET /aaa HTTP/1.1\r\n\r\nGET /bbb HTTP/1.1\r\n\r\nGET /ccc HTTP/1.1\r\n\r\n')];
    const { rows } = run('eth | ip4 | tcp | http | ( match "aaa" ) + ( match "zzz" ) | count', frames, isa, fuse);
    expect(rows.map(({ bytes }) => bytes)).toEqual(['GET /aaa HTTP/1.1\r\n\r\n']);
  });

  it('rows that an operation of a branch made end there', () => {
    const frames = [tcp(80, 1, 'abc'), tcp(80, 4, 'def'), udp(53, 'x')];
    const { verdicts } = run('eth | ip4 | ( tcp stream | count ) + ( udp |53 count ) | count', frames, isa, fuse);
    expect(verdicts.slice(-2).map(({ packets }) => packets)).toEqual([1, 1]);
  });

  it('protocol 255 is none', () => {
    const { verdicts } = run('eth | ip4 | checksum-verify header | count', Array(16).fill(ip4(255, Buffer.alloc(30))), isa, fuse);
    expect(verdicts[2]).toEqual({ unverifiable: 16 });
  });

  it('judged packets get their verdicts, many at once', () => {
    const judged = judgedPackets().flatMap((packet) => Array<typeof packet>(16).fill(packet));
    const tally: Record<string, number> = {};
    for (const { verdicts } of judged) tally[verdicts.tcp ?? ''] = (tally[verdicts.tcp ?? ''] ?? 0) + 1;
    const frames = judged.map(({ frame }) => frame);
    expect(run('eth | ip4 | ip6 | tcp headers | udp | port | count', frames, isa, fuse).verdicts[3]).toEqual(tally);
  });
});

describe('a lag reader', () => {
  it('is refused where an operation keeps what it sees', async () => {
    const trace = await loaded(
      newFile('lag.pcap', pcap(mixed.map((data) => ({ data, timeNs: 0n, originalLength: data.length })))),
    );
    for (const pipeline of [
      'eth | ip4 | tcp stream | count',
      'eth | defrag | ip4',
      'eth | ip4 | flow',
      'eth | ip4 | decrement-ttl',
    ]) {
      await expect(async () => await replay(trace, { pipeline, readerPolicy: 'lag' })).rejects.toMatchObject({ exitCode: 2 });
    }
    trace.close();
  });
});

describe('refusals', () => {
  it.each(['http | count', 'eth | ip4 | udp | http', 'eth | ip4 | tcp headers |80 http'])('%s: no stream is there', (text) => {
    expect(() => parsePipeline(text)).toThrow("reads the column 'streams'");
  });

  it('groups in groups of a JSON pipeline have an end', () => {
    let spec: unknown = [{ op: 'count' }];
    for (let depth = 0; depth < 5000; depth++) spec = [{ fork: [spec, [{ op: 'null' }]] }];
    expect(() => parsePipeline(spec as never)).toThrow(ModelTError);
  });

  it('a filter of a thousand terms is refused with a sentence', () => {
    const hosts = Array.from({ length: 1000 }, (_, index) => `host 10.0.${index >> 8}.${index & 255}`).join(' or ');
    expect(() => parsePipeline(`bpf "${hosts}"`)).toThrow(ModelTError);
  });
});
