/** `model-t ops`: what it lists, what it explains, what it refuses; and files of patterns on command lines. */
import { describe, expect, it } from 'vitest';
import { type Accelerator, BODIES, OPERATIONS } from '../../stack/index.js';
import { newFile } from '../helpers/files.js';
import { invoke } from './fake.js';

const text = async (...words: string[]): Promise<string> => (await invoke(['ops', ...words])).out.join('\n');
const json = async (...words: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await text(...words, '--json')) as Record<string, unknown>;

describe('the list', () => {
  it('has a line for every operation, with what it touches, keeps, and runs as here', async () => {
    const { out, exitCode } = await invoke(['ops']);
    expect(exitCode).toBe(0);
    expect(out).toHaveLength(OPERATIONS.length + 1);
    const lines = out.slice(1);
    expect(lines.map((line) => line.split(' ')[0])).toEqual(OPERATIONS.map(({ name }) => name));
    expect(lines.find((line) => line.startsWith('sample'))).toMatch(
      /^sample N +none +global +total +scalar avx2 +every N-th packet/,
    );
    expect(lines.find((line) => line.startsWith('port'))).toMatch(/^port \[dst\|src\] +header +none +any +scalar avx2 +class/);
    expect(new Set(lines.map((line) => /(none|header|payload) +(none|per-flow|global)/.exec(line)?.index)).size).toBe(1);
  });

  it('as JSON holds the whole declarations and what runs here', async () => {
    const { schema, operations } = (await json()) as { schema: string; operations: Record<string, unknown>[] };
    expect(schema).toBe('model-t/operations');
    expect(operations.map(({ name }) => name)).toEqual(OPERATIONS.map(({ name }) => name));
    const tcp = operations.find(({ name }) => name === 'tcp');
    expect(tcp).toMatchObject({
      onDemand: ['classes', 'payloads'],
      alternative: { argument: 'stream', operation: 'tcp-stream' },
    });
    expect(tcp?.variants).toMatchObject([
      { name: 'scalar', runsHere: true },
      { name: 'avx2', runsHere: true },
      { name: 'avx512', runsHere: false },
    ]);
  });
});

describe('one operation', () => {
  it('is told with columns, verdicts, argument and variants', async () => {
    const lines = await text('checksum-verify');
    expect(lines).toMatch(/^argument: +all or header \(default all\)$/m);
    expect(lines).toMatch(/^touches: +payload, any byte$/m);
    expect(lines).toMatch(/^packets: +all of them go on, unchanged$/m);
    expect(lines).toMatch(/^reads: +frames, types, networks, transports, ends, protocols, marks$/m);
    expect(lines).toMatch(/^writes: +none$/m);
    expect(lines).toMatch(/^verdicts: +good, bad, absent, unverifiable, other$/m);
    expect(lines).toMatch(/^variant: +avx512: .*; not on this CPU$/m);
    expect(lines).toMatch(/^variant: +wgsl: .*; on a GPU, when asked for$/m);
  });

  it.each([
    ['decrement-ttl', /^packets: +some of them leave; changes the packet's header$/m],
    ['sink', /^packets: +all of them leave$/m],
    ['http', /^packets: +rows of its own making go on$/m],
    ['udp', /^of: +udp packets$/m],
    ['udp', /^writes: +classes \(if read later\), payloads \(if read later\)$/m],
    ['tcp', /^other body: +tcp-stream, for `tcp stream`, and for `tcp` where a later step reads streams/m],
    ['tcp-stream', /^verdicts: +ok, malformed, other, delivered/m],
    ['sample', /^argument: +N: a whole number from 1 to 4294967295 \(needed\)$/m],
    ['bpf', /^variant: +native: .*, from x86-64 code$/m],
  ])('%s: %s', async (name, pattern) => {
    expect(await text(name)).toMatch(pattern);
  });

  it('every one can be told', async () => {
    for (const { name, summary } of BODIES) expect(await text(name)).toContain(`${name}: ${summary}`);
  });
});

describe('--explain', () => {
  it('prints the plan: header pass, tree, candidates, winner and why', async () => {
    const { out, exitCode } = await invoke([
      'ops',
      '--explain',
      'eth | ip4 | port |80 ( bpf udp | count@scalar ) + ( null ) | skeleton',
    ]);
    expect(exitCode).toBe(0);
    expect(out.slice(0, 5)).toEqual([
      'pipeline:      eth | ip4 | port |80 ( bpf udp | count@scalar ) + ( null ) | skeleton',
      'placement:     fused: all steps in one container',
      'given:         frames, lengths',
      'header pass 0: eth | ip4 | port as one pass, avx2; keeps classes only, as steps behind it read them',
      '',
    ]);
    const tree = out.slice(5).filter((line) => !/^ *[-*] /.test(line) && !/^ *\w+: /.test(line));
    expect(tree).toEqual([
      'eth',
      'ip4',
      'port',
      '|80 (',
      '    bpf udp',
      '    count@scalar',
      ') + (',
      '    null',
      ')',
      'skeleton',
    ]);
    const at = out.indexOf('    bpf udp');
    expect(out.slice(at + 1, at + 5)).toEqual([
      expect.stringMatching(/^ {8}native: lowest expected: /),
      expect.stringMatching(/^ {8}- interpreter {2}expected [\d.]+, not observed; by bpf expression -> bpf bytecode/),
      expect.stringMatching(
        /^ {8}\* native {7}expected [\d.]+, not observed; by .* -> bpf bytecode .*, bpf bytecode -> x86-64 code/,
      ),
      expect.stringMatching(/^ {8}- wgsl .*; nobody has looked for an accelerator$/),
    ]);
    expect(out[out.indexOf('    count@scalar') + 1]).toBe('        scalar: asked for: count@scalar');
  });

  it('observed costs come from whoever measures', async () => {
    const calibrate = (): number => 1.25;
    const { out } = await invoke(['ops', '--explain', 'count'], { calibrate });
    expect(out.join('\n')).toMatch(/\* avx2 +expected 0\.2, observed 1\.3/);
  });

  it('a GPU is opened only when a step or the user asks for one', async () => {
    const closed: string[] = [];
    const seconds = { upload: 1, kernels: 1, readBack: 1, steps: [0.001] };
    const accelerator: Accelerator = {
      ...{ name: 'Made-up Device', isSoftware: true, why: 'there is no other' },
      load: async ([step]) => ({
        run: async () => ({ results: new Uint32Array(0), sums: [null], batches: 1, seconds }),
        close: () => closed.push(`${step?.operation}`),
      }),
      close: () => closed.push('device'),
    };
    /* Time stamps run at 1 GHz: 1 ms for 16384 packets is 61.0 cycles for each. */
    const core = { cpu: 0, laps: 1, packets: 256, bytes: 0, seconds: 0.02, cycles: 20_000_000, windowCycles: 78_125, clock: 1 };
    const runQueue = async () => ({ problem: '', queueBytes: 0, digest: 0n, cores: [core], steps: [] });
    const fake = { accelerator, runQueue, calibrate: () => 7 };
    const unasked = await invoke(['ops', '--explain', 'count'], fake);
    expect(unasked.calls).not.toContain('accelerator');
    const asked = (await invoke(['ops', '--explain', 'bpf@wgsl udp | count | eth'], fake)).out.join('\n');
    expect(asked).toMatch(/^accelerator: +Made-up Device, which is this CPU; wgsl: time of its kernels/m);
    expect(asked).toMatch(/^bpf@wgsl udp\n {4}wgsl: asked for: bpf@wgsl$/m);
    expect(asked).toMatch(/\* wgsl +expected 20\.0, observed 61\.0; by [^;]*$/m);
    expect(asked).toMatch(/- wgsl +expected 10\.0, observed 61\.0; takes whole batches on an accelerator: only when asked for$/m);
    expect(closed).toEqual(['bpf', 'count', 'device']);
    const wanted = await invoke(['ops', '--explain', 'count', '--gpu', 'software', '--json'], fake);
    expect(JSON.parse(wanted.out.join('\n'))).toMatchObject({ accelerator: 'Made-up Device' });
    expect((await invoke(['ops', '--explain', 'count@wgsl'])).error).toMatchObject({ code: 'GPU_NONE', exitCode: 3 });
  });

  it('--isa and MODEL_T_ISA force', async () => {
    expect(await text('--explain', 'eth', '--isa', 'scalar')).toMatch(/scalar: scalar was asked for/);
    const { out } = await invoke(['ops', '--explain', 'eth'], { environment: { MODEL_T_ISA: 'scalar' } });
    expect(out.join('\n')).toMatch(/scalar was asked for/);
    expect((await invoke(['ops', '--explain', 'eth', '--isa', 'avx512'])).error?.message).toContain(
      'avx512 is not among what may run here',
    );
  });

  it('long steps are cut in the tree, not in the pipeline', async () => {
    const pattern = 'x'.repeat(100);
    const lines = await text('--explain', `match ${pattern}`);
    expect(lines).toContain(`pipeline:  match ${pattern}`);
    expect(lines).toMatch(/^match x{53}…$/m);
  });

  it('--json holds everything, data as base64', async () => {
    const plan = await json('--explain', 'eth | ip4 | tcp | bpf udp');
    expect(plan).toMatchObject({
      schema: 'model-t/pipeline-plan',
      text: 'eth | ip4 | tcp | bpf udp',
      placement: 'fused',
      passes: [{ first: 0, count: 3, variant: 'avx2', stores: 'none' }],
      needs: { times: false, payloads: false, streams: false },
    });
    expect((plan.records as { data: string | null }[]).map(({ data }) => typeof data)).toEqual([
      'object',
      'object',
      'object',
      'string',
    ]);
    expect(plan.choices).toHaveLength(4);
  });

  it('reads files of patterns', async () => {
    const file = newFile('patterns', Buffer.from('GET /\nHost: x\n'));
    expect(await text('--explain', `match @${file}`)).toContain('match "GET /" "Host: x"');
  });
});

describe('refusals', () => {
  it.each([
    [['ops', 'nope'], 'No operation is called "nope"', 'ops` lists all'],
    [['ops', '--isa', 'avx2'], '--isa, --placement and --gpu say how a pipeline runs', 'Add --explain'],
    [['ops', 'eth', '--explain', 'eth'], 'is left over', 'Quote the pipeline'],
    [['ops', '--explain', 'eth | ip5'], 'pipeline, column 7', "Did you mean 'ip4'?"],
    [
      ['ops', '--explain', 'sample 2', '--placement', 'replicated'],
      "pipeline, column 1: 'sample' has one state",
      'one container',
    ],
    [['ops', '--explain', 'eth', '--isa', 'sse'], '--isa does not know "sse"', 'Use one of'],
    [['ops', '--explain', 'match @/nowhere'], "pipeline, column 7: '/nowhere' cannot be read: ENOENT", 'Check the name'],
  ])('%j', async (words, message, remedy) => {
    const { exitCode, error, out } = await invoke(words);
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: [] });
    expect(error?.message).toContain(message);
    expect(error?.remedy).toContain(remedy);
  });
});

describe('replay --ops', () => {
  it('gets the lines of a file in place of its name', async () => {
    const file = newFile('patterns', Buffer.from('GET /\n\r\n"\r\n'));
    const { requests } = await invoke(['replay', 'a', '--ops', `eth |  match @${file} | count`]);
    expect(requests[0]?.pipeline).toBe('eth |  match "GET /" "\\"" | count');
  });

  it('says which file cannot be read', async () => {
    const { exitCode, error } = await invoke(['replay', 'a', '--ops', 'match @/nowhere']);
    expect(exitCode).toBe(2);
    expect(error?.message).toBe("pipeline, column 7: '/nowhere' cannot be read: ENOENT, in 'match @/nowhere'");
  });
});
