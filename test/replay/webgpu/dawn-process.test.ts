/**
 * Processes that use a GPU and end, in every state: with the code they should, nothing on standard output that is not theirs, and
 * no crash. Each is a child of its own, on the built files.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../helpers/files.js';
import { describeOnGpu } from '../../helpers/gpu.js';
import { type Ended, launch } from '../../helpers/programs.js';

const DAWN = join(ROOT, 'dist/replay/webgpu/dawn.js');
const isBuilt = existsSync(DAWN);

/** Opens a device and keeps copies and maps under way, `pending` at a time, until `scene` ends it. */
const streaming = (scene: string, pending = 3): string => `
  import { openDevice } from ${JSON.stringify(DAWN)};
  const open = await openDevice({ choice: 'software', robust: true });
  const { device } = open;
  const source = device.createBuffer({ size: 1 << 22, usage: GPUBufferUsage.COPY_SRC });
  let isOver = false;
  async function lane() {
    const target = device.createBuffer({ size: 1 << 22, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    while (!isOver) {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, 0, target, 0, 1 << 22);
      device.queue.submit([encoder.finish()]);
      await target.mapAsync(GPUMapMode.READ);
      target.getMappedRange();
      target.unmap();
    }
  }
  const lanes = Promise.all(Array.from({ length: ${pending} }, lane));
  lanes.catch(() => {});
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  ${scene}
`;

const start = (script: string): ReturnType<typeof launch> => launch(process.execPath, ['--input-type=module', '-e', script]);
const run = (script: string): Promise<Ended> => start(script).ended;

describe('a process without use for a GPU', () => {
  it.skipIf(!isBuilt)('does not load the library, not even to choose an engine', async () => {
    const ended = await run(`
      import { readFileSync } from 'node:fs';
      import { chooseEngine } from ${JSON.stringify(join(ROOT, 'dist/replay/index.js'))};
      const { engine } = await chooseEngine({ inputs: ['a'] }, '/nonexistent');
      console.log(engine, readFileSync('/proc/self/maps', 'utf8').includes('dawn.node'));
    `);
    expect(ended).toMatchObject({ code: 0, out: 'native false\n', err: '' });
  });
});

describeOnGpu('a process with a GPU', () => {
  it.skipIf(!isBuilt).each<[string, string, number]>([
    ['ends by itself, device left open', 'isOver = true;', 0],
    ['ends by itself, device closed with maps pending', 'await pause(30); open.close();', 0],
    ['ends by itself, a map done and never undone', 'isOver = true; await lanes; await source; globalThis.kept = device;', 0],
    ['exits with maps pending', 'await pause(30); process.exit(7);', 7],
    ['exits while another device is being opened', "void openDevice({ choice: 'software', robust: false }); process.exit(7);", 7],
    ['exits at once, with the first maps pending', 'process.exit(7);', 7],
    ['closes and exits in one go', 'await pause(30); open.close(); process.exit(7);', 7],
    ['throws with maps pending', 'await pause(30); throw new Error("as planned");', 1],
    [
      'rejects with maps pending',
      'await pause(30); setTimeout(() => Promise.reject(new Error("as planned")), 5); await pause(50);',
      1,
    ],
    [
      'loses its device and goes on',
      'await pause(30); open.onFailure((e) => process.exit(e.exitCode)); device.destroy(); await pause(9999);',
      4,
    ],
  ])('%s', async (_name, scene, code) => {
    const ended = await run(streaming(scene));
    expect(ended).toMatchObject({ code, signal: null, out: '' });
    if (code === 1) expect(ended.err).toContain('as planned');
    else expect(ended.err).toBe('');
  });

  it.skipIf(!isBuilt).each<[string, string, { code: number | null; signal: string | null }]>([
    ['without a handler', '', { code: null, signal: 'SIGINT' }],
    ['that closes and exits', "process.on('SIGINT', () => { open.close(); process.exit(130); });", { code: 130, signal: null }],
    [
      'that waits for its maps',
      "process.on('SIGINT', () => { isOver = true; lanes.then(() => process.exit(130)); });",
      { code: 130, signal: null },
    ],
  ])('is interrupted at any moment: a handler %s', async (_name, handler, expected) => {
    for (const delay of [0, 3, 17, 40]) {
      const child = start(streaming(`${handler} console.error('under way'); await pause(20000);`));
      while (!child.err().includes('under way')) await new Promise((resolve) => setTimeout(resolve, 2));
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.child.kill('SIGINT');
      expect(await child.ended).toMatchObject({ ...expected, out: '' });
    }
  });

  it.skipIf(!isBuilt)('refuses to open one on a thread that terminate() may end', async () => {
    const ended = await run(`
      import { Worker } from 'node:worker_threads';
      const open = "import(" + ${JSON.stringify(JSON.stringify(DAWN))} + ").then((dawn) => dawn.openDevice({ choice: 'software', robust: true }))";
      new Worker(open + ".catch((error) => console.log(error.code))", { eval: true });
    `);
    expect(ended).toMatchObject({ code: 0, signal: null, out: 'GPU_THREAD\n' });
  });

  it.skipIf(!isBuilt)('keeps standard output to itself when calls are refused and adapters are missing', async () => {
    const ended = await run(
      streaming(`
      isOver = true; await lanes;
      const failed = new Promise((resolve) => open.onFailure(resolve));
      device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
      device.createShaderModule({ code: 'fn broken( {' });
      await openDevice({ choice: 'Voodoo 2', robust: false }).catch((error) => console.error(error.code));
      await openDevice({ choice: 'hardware', robust: false }).then((other) => other.close(), () => {});
      console.log((await failed).code);
    `),
    );
    expect(ended).toMatchObject({ code: 0, signal: null, out: 'GPU_REFUSED\n' });
    expect(ended.err).toContain('GPU_UNKNOWN');
  });
});
