/** `model-t replay` against made-up doors: flags become requests, runs become exit codes, results go where they belong. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ReplayRequest } from '../../replay/index.js';
import { ModelTError } from '../../stack/index.js';
import { type FakeRun, invoke, outcomeOf, planOf, SOURCE } from './fake.js';

const folder = mkdtempSync(join(tmpdir(), 'model-t-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

const totals = outcomeOf(planOf({ inputs: [] })).totals;

async function request(words: string, environment: Record<string, string> = {}): Promise<ReplayRequest | undefined> {
  return (await invoke(['replay', ...words.split(' ')], { environment })).requests[0];
}

describe('flags become a request', () => {
  it.each<[string, Partial<ReplayRequest>]>([
    ['a.pcap', { inputs: ['a.pcap'], isa: 'auto' }],
    ['a.pcap folder -', { inputs: ['a.pcap', 'folder', '-'] }],
    ['-t a', { inputs: ['a'] }],
    ['a -l 0 -L 5', { loop: 0, limit: 5 }],
    ['a --loop 3 --limit 70', { loop: 3, limit: 70 }],
    ['a --duration 500ms', { durationSeconds: 0.5 }],
    ['a -w out.pcap', { target: { kind: 'pcap', path: 'out.pcap' } }],
    ['a --to pcap:x:y', { target: { kind: 'pcap', path: 'x:y' } }],
    ['a --to ring:r', { target: { kind: 'ring', name: 'r' } }],
    ['a --to null', { target: { kind: 'null' } }],
    ['a --to stack', { target: { kind: 'stack' } }],
    ['a --engine native --isa avx512', { engine: 'native', isa: 'avx512' }],
    ['a --engine webgpu --gpu software', { engine: 'webgpu', gpu: { choice: 'software' } }],
    [
      'a --engine webgpu --insert pull --batch 2MiB --buffers 6 --gpu-memory 1GiB --kernel k.wgsl --checked',
      {
        engine: 'webgpu',
        gpu: { insert: 'pull', batchBytes: 2 ** 21, buffers: 6, memoryBytes: 2 ** 30, kernel: 'k.wgsl', checked: true },
      },
    ],
    [
      'a --rewrite src=10.0.0.0/8 --rewrite src=fd00::/16',
      {
        rewrites: [
          { field: 'src', cidr: '10.0.0.0/8' },
          { field: 'src', cidr: 'fd00::/16' },
        ],
      },
    ],
    [
      'a --unique packet --payload resident --seed 7 --digest headers',
      { unique: 'packet', payload: 'resident', seed: 7, digest: 'headers' },
    ],
    ['a --cores 1,0 --threads 2 --ring-size 512k', { cores: [1, 0], threads: 2, ringBytes: 524288 }],
    ['a --ring-size auto:64MiB', { ringBytes: 2 ** 26, ringSizing: 'self' }],
    ['a --ring-size AUTO --reader drop --readers 2', { ringBytes: 'auto', readerPolicy: 'drop', readers: 2 }],
  ])('%s', async (words, expected) => {
    expect(await request(words)).toMatchObject(expected);
  });

  it('asks for nothing that was not given, so that the planner decides', async () => {
    expect(await request('a')).toEqual({ inputs: ['a'], isa: 'auto', engine: 'native' });
  });

  it('passes a pipeline on as it is', async () => {
    const { requests } = await invoke(['replay', 'a', '--ops', 'eth | ip4 |6 tcp']);
    expect(requests[0]?.pipeline).toBe('eth | ip4 |6 tcp');
  });

  it('takes MODEL_T_ISA, and the flag over it', async () => {
    expect((await request('a', { MODEL_T_ISA: 'scalar' }))?.isa).toBe('scalar');
    expect((await request('a --isa avx2', { MODEL_T_ISA: 'scalar' }))?.isa).toBe('avx2');
    expect((await request('a', { MODEL_T_ISA: '' }))?.isa).toBe('auto');
  });
});

/** Every refusal: exit code 2, names the culprit, opens nothing. */
const USAGE_ERRORS: [string, string][] = [
  ['replay', 'capture'],
  ['replay a --nonsense', '--nonsense'],
  ['replay a -p 5', '-p'],
  ['replay a -M 5', '-M'],
  ['replay a -x 2', '-x'],
  ['replay a --rate 10Gbps', '--rate'],
  ['replay a --clones 2', '--clones'],
  ['replay a --loop', '--loop'],
  ['replay a --loop x', '"x"'],
  ['replay a --loop 1.5', '"1.5"'],
  ['replay a --limit 0', '"0"'],
  ['replay a --duration 0s', '"0s"'],
  ['replay a --stats never', '"never"'],
  ['replay a --to', '--to'],
  ['replay a --to nowhere', '"nowhere"'],
  ['replay a --to ring:', '"ring:"'],
  ['replay a --to pcap:', '"pcap:"'],
  ['replay a --to stack:x', '"stack:x"'],
  ['replay a -w -', 'standard output'],
  ['replay a -w x --to null', '--to'],
  ['replay a --engine webgpu --insert sideways', 'sideways'],
  ['replay a --engine webgpu --batch none', '"none"'],
  ['replay a --engine webgpu --buffers 0', '"0"'],
  ['replay a --engine webgpu --gpu-memory x', '"x"'],
  ['replay a --engine cuda', '"cuda"'],
  ['replay a --isa sse', '"sse"'],
  ['replay a --rewrite src', '"src"'],
  ['replay a --rewrite dst=10.0.0.0/8', '"dst"'],
  ['replay a --unique maybe', 'maybe'],
  ['replay a --payload none', 'none'],
  ['replay a --seed -1', '--seed'],
  ['replay a --seed 4294967296', '"4294967296"'],
  ['replay a --cores 0,0', 'CPU 0'],
  ['replay a --threads 0', '"0"'],
  ['replay a --ring-size big', '"big"'],
  ['replay a --ring-size auto:', '"" is not a size'],
  ['replay a --ring-size auto:big', '"big"'],
  ['replay a --reader fast', 'fast'],
  ['replay a --readers 17', '"17"'],
  ['replay a --digest md5', 'md5'],
  ['replay a --json /nonexistent/r.json', '/nonexistent/r.json'],
  ['trace', 'command'],
  ['trace info', 'capture'],
  ['trace gen', '--output'],
  ['trace gen -o x --packets 0', '"0"'],
  ['trace gen -o x --sizes 10', '10 bytes'],
  ['trace gen -o x --sizes 70000', '70000 bytes'],
  ['trace gen -o x --protocols sctp', '"sctp"'],
  ['trace gen -o x --hosts 65535', '"65535"'],
  ['trace gen -o x --hosts 1 --flows 40000', '40000'],
  ['trace gen -o x --ipv6 2', '"2"'],
  ['trace gen -o x --udp-checksum maybe', '"maybe"'],
  ['trace gen -o x --interval soon', '"soon"'],
  ['trace gen -o x --spec /nonexistent.json', '/nonexistent.json'],
  ['trace gen -o /nonexistent/x', '/nonexistent/x'],
  ['doctor now', 'argument'],
  ['fly', 'fly'],
  ['', 'command'],
];

describe('usage errors', () => {
  it.each(USAGE_ERRORS)('%s', async (words, culprit) => {
    const result = await invoke(words.split(' ').filter(Boolean));
    expect(result).toMatchObject({ exitCode: 2, out: [], err: [], calls: [] });
    expect(result.error?.message).toContain(culprit);
    expect(result.error?.message).not.toContain('\n');
    expect(result.error?.remedy).toMatch(/\w/);
  });

  it('MODEL_T_ISA is named when it is the culprit', async () => {
    const result = await invoke(['replay', 'a'], { environment: { MODEL_T_ISA: 'neon' } });
    expect(result.error?.message).toBe('MODEL_T_ISA does not know "neon"');
  });
});

describe('what is printed', () => {
  it('the summary has the lines that tcpreplay users grep for, and every rate names its layer', async () => {
    const { out, exitCode } = await invoke(['replay', 'a', '--rewrite', 'src=10.0.0.0/8']);
    expect(exitCode).toBe(0);
    expect(out[0]).toBe('Actual: 1000 packets (60000 bytes) sent in 0.500 seconds');
    expect(out[1]).toBe('Rated: 120000.0 Bps, 0.96 Mbps, 2000.00 pps (L2: captured bytes)');
    for (const line of out.filter((text) => /bps|bit\/s/i.test(text))) expect(line).toMatch(/L1|L2|wire/);
    expect(out).toContain('conserved: yes (offered 1000, delivered 1000, dropped 0)');
    expect(out).toContain('digest: 0123456789abcdef (full)');
    expect(out).toContain('period: a source address returns after 4,194,304 laps');
  });

  it('counts what was not rewritten by reason', async () => {
    const changes = { trace: { packets: 1000, bytes: 60000, unchanged: { arp: 3, fragment: 2 }, periodLaps: 9 } };
    const { out } = await invoke(['replay', 'a', '--rewrite', 'src=10.0.0.0/8'], { changes });
    expect(out).toContain('rewritten: 995 of 1,000 packets per lap; unchanged: arp 3, fragment 2');
  });

  it('resident payload is never passed off as bytes moved', async () => {
    const { out } = await invoke(['replay', 'a', '--payload', 'resident']);
    expect(out[1]).toContain('resident: headers rewritten, payload left in place: not bytes moved');
  });

  it('warnings about the captures go to standard error, unless quiet', async () => {
    const trace = {
      sources: [{ ...SOURCE, truncated: { offset: 1234, packet: 17, reason: 'the file ends inside a packet' } }],
      snaplenTruncated: 4,
      backwardTimestamps: 1,
      headerGiven: 5,
    };
    const loud = await invoke(['replay', 'a'], { trace });
    expect(loud.err).toEqual([
      'model-t: warning: a.pcap: truncated at offset 1234, in packet 17: the file ends inside a packet; what is whole is replayed',
      'model-t: warning: 4 packets captured in part only (snaplen); replayed as captured',
      'model-t: warning: 1 timestamp earlier than the one before',
    ]);
    expect(loud.out).toContain('given an Ethernet header: 5 packets per lap');
    expect((await invoke(['replay', 'a', '-q'], { trace })).err).toEqual([]);
  });

  it('--json - leaves nothing but JSON on standard output', async () => {
    const { out } = await invoke(['replay', 'a', '--json', '-']);
    expect(JSON.parse(out.join('\n'))).toMatchObject({ schema: 'model-t/run', conserved: true });
  });

  it('--json FILE writes the result besides the summary, and leaves no temporary file', async () => {
    const path = join(folder, 'result.json');
    const { out } = await invoke(['replay', 'a', '--json', path]);
    expect(out[0]).toMatch(/^Actual:/);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ digest: '0123456789abcdef' });
    expect(readdirSync(folder)).toEqual(['result.json']);
  });

  it('--dry-run prints the plan and opens nothing', async () => {
    const { out, calls, exitCode } = await invoke(['replay', 'a', '--dry-run', '--loop', '3']);
    expect(JSON.parse(out.join('\n'))).toEqual(planOf({ inputs: ['a'], loop: 3 }));
    expect({ calls, exitCode }).toEqual({ calls: [], exitCode: 0 });
  });

  it('--help and --version go to standard output with exit code 0', async () => {
    expect(await invoke(['--version'])).toMatchObject({ exitCode: 0, out: ['1.2.3'] });
    const help = await invoke(['replay', '--help']);
    expect(help).toMatchObject({ exitCode: 0, calls: [] });
    expect(help.out.join('\n')).toContain('--ring-size');
  });
});

describe('exit codes', () => {
  const lost = { conserved: false, totals: { ...totals, delivered: 990 } };
  const drops = { totals: { ...totals, delivered: 900, dropped: { 'ring full': 100 } } };
  it.each<[string, FakeRun['changes'], number]>([
    ['done and accounted for', {}, 0],
    ['dropped, but by policy and counted', drops, 0],
    ['not conserved', lost, 4],
    ['wrong bytes', { verified: { laps: 1, packets: 1000, ok: false } }, 4],
    ['a reader died', { stopped: 'reader-died' }, 4],
    ['failed', { stopped: 'failed' }, 4],
  ])('%s', async (_name, changes, exitCode) => {
    const result = await invoke(['replay', 'a'], { changes: changes ?? {} });
    expect(result.exitCode).toBe(exitCode);
    expect(result.calls.at(-1)).toBe('close');
    const text = result.out.join('\n');
    if (exitCode === 0) expect(text).toMatch(/pps/);
    else {
      expect(text).not.toMatch(/\d (Bps|Mbps|pps)|bit\/s|cycles/);
      expect(result.err.at(-1)).toMatch(/^model-t: \w/);
    }
  });

  it('says how many packets are missing', async () => {
    const { err } = await invoke(['replay', 'a'], { changes: { conserved: false, totals: { ...drops.totals, delivered: 890 } } });
    expect(err).toEqual([expect.stringMatching(/^model-t: 10 packets offered but neither delivered nor counted/)]);
  });

  it('says that bursts came out of turn, where nothing is missing', async () => {
    const { placement } = outcomeOf(planOf({ inputs: ['a'] }));
    const { out, err } = await invoke(['replay', 'a'], {
      changes: { conserved: false, placement: { ...placement, disordered: 3 } },
    });
    expect(out).toContain('disordered: 3 bursts came to the end of a path out of turn');
    expect(err).toEqual([expect.stringMatching(/^model-t: 3 bursts came to the end of a path out of turn/)]);
  });

  it('cycles of paths side by side are weighted by their packets', async () => {
    const { placement, operations } = outcomeOf(planOf({ inputs: ['a'] }));
    const lane = (packets: number, cyclesPerPacket: number) => operations.map((one) => ({ ...one, packets, cyclesPerPacket }));
    const changes = {
      placement: { ...placement, paths: 3 },
      operations: [...lane(900, 10), ...lane(100, 20), ...lane(500, 0)],
    };
    const { out } = await invoke(['replay', 'a'], { changes });
    expect(out).toContainEqual(expect.stringMatching(/^operation eth: 1,500 packets, 11\.0 cycles per packet/));
  });

  it.each([
    ['--threads 2', '--threads 2'],
    ['--to null', '--to null'],
    ['--payload resident', '--payload resident'],
  ])('--ring-size auto with %s says that the ring keeps its size', async (flags, why) => {
    const words = ['replay', 'a', '--ring-size', 'auto', ...flags.split(' ')];
    expect((await invoke(words)).err).toEqual([expect.stringContaining(`the ring keeps its size with ${why}`)]);
    expect((await invoke([...words, '-q'])).err).toEqual([]);
  });

  it('drops are counted by reason', async () => {
    expect((await invoke(['replay', 'a'], { changes: drops })).out).toContain('Delivered: 900, dropped: 100 (ring full 100)');
  });

  it('one signal drains, prints once and exits 130', async () => {
    const result = await invoke(['replay', 'a', '--loop', '0'], { hang: true }, 1);
    expect(result).toMatchObject({ exitCode: 130, calls: ['open', 'start', 'stop', 'close'] });
    expect(result.out.filter((line) => line.startsWith('Actual:'))).toHaveLength(1);
  });

  it('a second signal aborts', async () => {
    const result = await invoke(['replay', 'a', '--loop', '0'], { hang: true }, 2);
    expect(result).toMatchObject({ exitCode: 130, calls: ['open', 'start', 'stop', 'abort', 'close'] });
  });

  it('a signal while captures are loaded ends it: nothing was replayed, 130', async () => {
    const result = await invoke(['replay', 'a'], { loadForever: true });
    expect(result).toMatchObject({ exitCode: 130, calls: ['open'], out: [] });
    expect(result.error?.message).toContain('nothing was replayed');
  });

  it('a live capture that breaks is reported as far as it came, and is an error', async () => {
    const breaks = new ModelTError('CAPTURE_BROKEN', 'standard input: bad record at offset 100', 2);
    const result = await invoke(['replay', '-'], { breaks, endAfterMs: 10 });
    expect(result).toMatchObject({ exitCode: 2, error: breaks, calls: ['open', 'start', 'close'] });
    expect(result.out[0]).toMatch(/^Actual:/);
  });

  it('an interrupted run that lost packets says so rather than 130', async () => {
    expect((await invoke(['replay', 'a'], { hang: true, changes: lost }, 1)).exitCode).toBe(4);
  });
});

describe('progress', () => {
  const line = /^2\.0 s: 2,000 packets, lap 0, 1\.0 kpps, 480\.0 kbit\/s L2, 672\.0 kbit\/s wire$/;

  it('--stats gives a line per interval on standard error', async () => {
    const { err } = await invoke(['replay', 'a', '--stats', '20ms'], { endAfterMs: 200 });
    expect(err.length).toBeGreaterThan(2);
    expect(err[0]).toMatch(line);
  });

  it('a terminal gets a line that overwrites itself and is cleared at the end', async () => {
    const { err } = await invoke(['replay', 'a'], { endAfterMs: 1200, terminal: true });
    expect(err).toEqual([expect.stringMatching(/^status 2\.0 s: 2,000 packets/), 'status null']);
  });

  it('is silent when quiet, and without a terminal', async () => {
    expect((await invoke(['replay', 'a', '-q'], { endAfterMs: 1200, terminal: true })).err).toEqual([]);
    expect((await invoke(['replay', 'a'], { endAfterMs: 1200 })).err).toEqual([]);
  });
});

describe('demo', () => {
  it('replays the capture of the package with unique sources for three seconds, and says what next', async () => {
    const { requests, out, exitCode } = await invoke(['demo'], { packageRoot: '/p' });
    expect(exitCode).toBe(0);
    expect(requests).toEqual([
      {
        engine: 'native',
        inputs: ['/p/traces/demo.pcapng'],
        rewrites: [{ field: 'src', cidr: '10.0.0.0/8' }],
        unique: 'packet',
        durationSeconds: 3,
      },
    ]);
    expect(out.join('\n')).toMatch(/conserved: yes[\s\S]*Next:/);
  });

  it('does not send users on after a run that lost packets', async () => {
    const { out, exitCode } = await invoke(['demo'], { changes: { conserved: false } });
    expect(exitCode).toBe(4);
    expect(out).not.toContain('Next:');
  });
});
