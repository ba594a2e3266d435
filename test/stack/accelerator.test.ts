/** What the stack knows of accelerators: which steps may run there, what is left for the CPU, and how results are read. */
import { describe, expect, it } from 'vitest';
import {
  type DeviceResult,
  goesOn,
  hostPath,
  hostReference,
  type PlanRecord,
  packetsAt,
  parsePipeline,
  planPipeline,
  rowsThatGoOn,
  shareOut,
  verdictCounts,
  verdictOf,
} from '../../stack/index.js';
import { refusal, refusalOf } from '../helpers/pipelines.js';

const planned = (text: string, accelerator = true): readonly PlanRecord[] =>
  planPipeline(parsePipeline(text), { isas: ['scalar'], placement: 'fused', memoryWritable: false, accelerator }).records;
const shown = (records: readonly PlanRecord[]): string =>
  records.map(({ kind, name, variant }) => (kind === 'operation' ? `${name}@${variant}` : kind)).join(' ');

describe('steps of an accelerator', () => {
  it.each([
    ['bpf@wgsl udp | count@wgsl | eth | ip4 | count', 2, 'eth@scalar ip4@scalar count@scalar'],
    ['checksum-verify@wgsl header', 1, ''],
    ['eth | count', 0, 'eth@scalar count@scalar'],
    ['count@wgsl | ( eth ) + ( count )', 1, 'fork branch eth@scalar branch count@scalar join'],
  ])('%s: %i of them, the rest on the CPU', (text, steps, rest) => {
    const { device, host } = shareOut(planned(text));
    expect(device).toHaveLength(steps);
    expect(shown(host)).toBe(rest);
  });

  it('carry parameter and data', () => {
    const [verify, filter] = shareOut(planned('checksum-verify@wgsl header | bpf@wgsl udp')).device;
    expect(verify).toEqual({ operation: 'checksum-verify', parameter: 1, data: null });
    expect(filter?.data?.length).toBeGreaterThan(8);
  });

  it.each([
    ['eth | ip4 | count@wgsl', 13, "the CPU runs 'eth' (column 1) before it", "Put 'count@wgsl' before every step"],
    ['count@wgsl | count | bpf@wgsl udp', 22, "the CPU runs 'count' (column 14) before it", "Put 'bpf@wgsl' before"],
    ['( count@wgsl ) + ( eth )', 3, 'groups are run by the CPU', 'or write count'],
    ['( eth ) + ( count@wgsl )', 13, "the CPU runs 'eth' (column 3) before it", 'or write count'],
    [Array(8).fill('count@wgsl').join(' | '), 92, 'an accelerator runs at most 7 steps', 'Leave @wgsl out from here on'],
  ])('%s is refused by name', (text, column, problem, remedy) => {
    const found = refusalOf(() => planned(text));
    expect(found).toMatchObject({ code: 'PIPELINE_INVALID', exitCode: 2, column });
    expect(found?.message).toContain(problem);
    expect(found?.remedy).toContain(remedy);
  });

  it('are refused without one', () => {
    expect(refusalOf(() => planned('count@wgsl', false))?.message).toContain('there is no accelerator');
  });

  it('need the columns that their own body reads, not those of the CPU', () => {
    expect(shown(planned('checksum-verify@wgsl'))).toBe('checksum-verify@wgsl');
    expect(refusal('checksum-verify').message).toContain("reads the column 'types'");
  });
});

describe('the same on the CPU', () => {
  it('finds headers in a branch of its own, so that columns stay as they were', () => {
    const { records, places } = hostReference(planned('checksum-verify@wgsl | bpf@wgsl udp | eth'));
    expect(shown(records)).toBe(
      'fork branch eth@scalar ip4@scalar ip6@scalar checksum-verify@scalar join bpf@interpreter eth@scalar',
    );
    expect(places).toEqual([3, 4, 5]);
  });

  it('on the way to a measured step: only what makes rows leave', () => {
    expect(shown(hostPath(planned('checksum-verify@wgsl | bpf@wgsl udp | count@wgsl | eth')))).toBe('bpf@interpreter eth@scalar');
  });
});

describe('results', () => {
  /* Verdict + 1 of step 0 in bits 4 to 7, of step 1 above; bit 0: left. */
  const result: DeviceResult = {
    results: Uint32Array.of(0x010, 0x121, 0x110, 0x021, 0x510),
    sums: [null, [3n, 5_000_000_000n]],
    batches: 1,
    seconds: { upload: 0, kernels: 0, readBack: 0, steps: null },
  };

  it('are verdicts by step, and whether the row goes on', () => {
    const words = [...result.results];
    expect(words.map((word) => verdictOf(word, 0))).toEqual([0, 1, 0, 1, 0]);
    expect(words.map((word) => verdictOf(word, 1))).toEqual([-1, 0, 0, -1, 4]);
    expect(words.map(goesOn)).toEqual([true, false, true, false, true]);
    expect([...rowsThatGoOn(result)]).toEqual([0, 2, 4]);
  });

  it('are counted, with sums beyond 32 bits', () => {
    expect(
      verdictCounts(result, [
        ['match', 'other'],
        ['packets', 'bytesSum'],
      ]),
    ).toEqual([
      [3, 2],
      [3, 5_000_000_000],
    ]);
  });

  it('choose packets with their times', () => {
    const packets = {
      bytes: new Uint8Array(9),
      offsets: Uint32Array.of(0, 3, 6),
      lengths: Uint32Array.of(1, 2, 3),
      times: BigUint64Array.of(7n, 8n, 9n),
    };
    expect(packetsAt(packets, Uint32Array.of(0, 2))).toEqual({
      bytes: packets.bytes,
      offsets: Uint32Array.of(0, 6),
      lengths: Uint32Array.of(1, 3),
      times: BigUint64Array.of(7n, 9n),
    });
  });
});
