/** Which drivers Vulkan is told of on machines with and without a loader, SwiftShader, privileges; nothing is really loaded. */
import { beforeEach, describe, expect, it, vi } from 'vitest';

const machine = { package: true, systemLoader: true, bundledLoader: true, privileged: false, unpackable: true };
const loaded: string[] = [];
/** Of the same copy of the modules as what is tested. */
let error = (code: string): Error => new Error(code);
vi.mock('../../../replay/webgpu/swiftshader.js', () => ({
  findSwiftShader: () => (machine.package ? { version: '1', archive: '/a' } : null),
  unpackSwiftShader: () => {
    if (!machine.unpackable) throw error('SWIFTSHADER_BROKEN');
    return '/unpacked';
  },
  driverFile: (folder: string) => `${folder}/icd.json`,
  ignoresEnvironment: () => machine.privileged,
  loadBundledLoader: () => {
    if (!machine.bundledLoader) throw error('SWIFTSHADER_UNLOADABLE');
    loaded.push('bundled');
  },
  loadSystemLoader: () => {
    if (machine.systemLoader) loaded.push('system');
    return machine.systemLoader;
  },
}));

/** What is loaded stays loaded, so each test has a process of its own, as it were. */
async function driversFor(scope: 'software' | 'all', changes: Partial<typeof machine> = {}): Promise<unknown> {
  Object.assign(machine, changes);
  const { ModelTError } = await import('../../../stack/index.js');
  error = (code) => new ModelTError(code, 'as planned', 3);
  return (await import('../../../replay/webgpu/drivers.js')).driversFor(scope);
}

beforeEach(() => {
  Object.assign(machine, { package: true, systemLoader: true, bundledLoader: true, privileged: false, unpackable: true });
  loaded.length = 0;
  vi.resetModules();
  vi.unstubAllEnvs();
  for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES']) vi.stubEnv(name, undefined);
});

const ALONE = { VK_DRIVER_FILES: '/unpacked/icd.json', VK_ICD_FILENAMES: '/unpacked/icd.json' };
const ADDED = { VK_ADD_DRIVER_FILES: '/unpacked/icd.json' };

describe('software', () => {
  it('is SwiftShader alone, with its own loader, whatever the user has set', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/users.json');
    expect(await driversFor('software')).toEqual(ALONE);
    expect(loaded).toEqual(['bundled']);
  });

  it('takes the loader that is there already', async () => {
    await driversFor('all');
    expect(await driversFor('software')).toEqual(ALONE);
    expect(loaded).toEqual(['system']);
  });

  it.each([
    ['without the package', { package: false }, 'SWIFTSHADER_MISSING', /npm install @sparticuz\/chromium@147\.0\.0/],
    ['in a privileged process', { privileged: true }, 'SWIFTSHADER_PRIVILEGED', /getcap/],
  ])('is refused %s', async (_name, changes, code, remedy) => {
    await expect(driversFor('software', changes)).rejects.toMatchObject({
      code,
      exitCode: 3,
      remedy: expect.stringMatching(remedy),
    });
    expect(loaded).toEqual([]);
  });
});

describe('everything', () => {
  it.each<[string, Partial<typeof machine>, object, string[]]>([
    ["is the system's drivers and SwiftShader", {}, ADDED, ['system']],
    ['works without a loader of the system', { systemLoader: false }, ADDED, ['bundled']],
    ['works without the package', { package: false }, {}, ['system']],
    ['works with a package that is broken', { unpackable: false }, {}, ['system']],
    ['is what the system has in a privileged process', { privileged: true }, {}, ['system']],
  ])('%s', async (_name, changes, drivers, loaders) => {
    expect(await driversFor('all', changes)).toEqual(drivers);
    expect(loaded).toEqual(loaders);
  });

  it.each([
    ['VK_DRIVER_FILES', {}],
    ['VK_ICD_FILENAMES', {}],
    ['VK_ADD_DRIVER_FILES', { VK_ADD_DRIVER_FILES: '/users.json:/unpacked/icd.json' }],
  ])("respects the user's %s", async (name, drivers) => {
    vi.stubEnv(name, '/users.json');
    expect(await driversFor('all')).toEqual(drivers);
  });

  it.each([
    ['neither loader nor package', { systemLoader: false, package: false }, 'GPU_NO_VULKAN'],
    ['a package that is broken', { systemLoader: false, unpackable: false }, 'SWIFTSHADER_BROKEN'],
    ['a loader that is not for this machine', { systemLoader: false, bundledLoader: false }, 'SWIFTSHADER_UNLOADABLE'],
  ])('is refused with %s and nothing else', async (_name, changes, code) => {
    await expect(driversFor('all', changes)).rejects.toMatchObject({ code, exitCode: 3 });
  });
});
