/** Folders of libraries to be loaded: made once, repaired, never taken from anybody else, and safe among processes. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type FileContents, privateFolder } from '../../../replay/webgpu/private-folder.js';
import { newPath } from '../../helpers/files.js';

const CONTENTS: FileContents = new Map([
  ['a.so', Buffer.from('library')],
  ['b.json', Buffer.from('{}')],
]);
let made = 0;
const make = (): FileContents => {
  made++;
  return CONTENTS;
};
let cache: string;
let path: string;
beforeEach(() => {
  made = 0;
  cache = newPath('cache');
  path = join(cache, 'model-t/files-1');
});

function expectWhole(folder: string): void {
  expect(readFileSync(join(folder, 'a.so'), 'utf8')).toBe('library');
  expect(readFileSync(join(folder, 'b.json'), 'utf8')).toBe('{}');
  expect(statSync(folder).mode & 0o777).toBe(0o700);
}

/** A temporary folder goes with the process; here it goes at once. */
function expectTemporary(folder: string): void {
  expect(folder.startsWith(cache)).toBe(false);
  expectWhole(folder);
  process.listeners('exit').at(-1)?.call(process, 0);
  expect(existsSync(folder)).toBe(false);
}

describe('the folder', () => {
  it('is made once, with nothing left beside it', () => {
    expect(privateFolder(path, make)).toBe(path);
    expectWhole(path);
    expect(privateFolder(path, make)).toBe(path);
    expect(made).toBe(1);
    expect(readdirSync(join(cache, 'model-t'))).toEqual(['files-1']);
  });

  it.each<[string, () => void]>([
    ['a file is missing', () => rmSync(join(path, 'a.so'))],
    ['a file is shorter', () => writeFileSync(join(path, 'a.so'), 'lib')],
    [
      'a file is a link',
      () => {
        rmSync(join(path, 'a.so'));
        symlinkSync('/etc/hostname', join(path, 'a.so'));
      },
    ],
    ['others may write a file', () => chmodSync(join(path, 'a.so'), 0o666)],
    ['the manifest is missing', () => rmSync(join(path, 'manifest.json'))],
    ['the manifest is cut', () => writeFileSync(join(path, 'manifest.json'), '{"a.so":')],
    ['the manifest is empty', () => writeFileSync(join(path, 'manifest.json'), '{}')],
  ])('is made anew when %s', (_name, spoil) => {
    privateFolder(path, make);
    spoil();
    expect(privateFolder(path, make)).toBe(path);
    expectWhole(path);
    expect(made).toBe(2);
    expect(readdirSync(join(cache, 'model-t'))).toEqual(['files-1']);
  });

  it("is the other process's when that was faster", () => {
    const slow = (): FileContents => {
      privateFolder(path, make);
      return make();
    };
    expect(privateFolder(path, slow)).toBe(path);
    expectWhole(path);
    expect(readdirSync(join(cache, 'model-t'))).toEqual(['files-1']);
  });

  it('may be repaired by two processes at once', () => {
    privateFolder(path, make);
    rmSync(join(path, 'a.so'));
    const slow = (): FileContents => {
      privateFolder(path, make);
      return make();
    };
    expect(privateFolder(path, slow)).toBe(path);
    expectWhole(path);
  });
});

describe('a temporary folder takes its place when', () => {
  it.each<[string, () => void]>([
    ['the cache is a file', () => writeFileSync(cache, '')],
    [
      'it is a link',
      () => {
        mkdirSync(join(cache, 'model-t'), { recursive: true, mode: 0o700 });
        privateFolder(newPath('elsewhere'), make);
        symlinkSync(newPath('nowhere'), path);
      },
    ],
    [
      'it is a file',
      () => {
        mkdirSync(join(cache, 'model-t'), { recursive: true, mode: 0o700 });
        writeFileSync(path, '');
      },
    ],
    [
      'others may write it',
      () => {
        privateFolder(path, make);
        chmodSync(path, 0o777);
      },
    ],
    [
      'others may write the folder above',
      () => {
        mkdirSync(join(cache, 'model-t'), { recursive: true });
        chmodSync(join(cache, 'model-t'), 0o777);
      },
    ],
  ])('%s', (_name, prepare) => {
    prepare();
    expectTemporary(privateFolder(path, make));
  });

  it.skipIf(process.geteuid?.() !== 0)('somebody else owns it (only root can try)', () => {
    privateFolder(path, make);
    chownSync(path, 65534, 65534);
    expectTemporary(privateFolder(path, make));
  });

  it.skipIf(process.geteuid?.() !== 0)('somebody else owns a file in it: no, it is made anew (only root can try)', () => {
    privateFolder(path, make);
    chownSync(join(path, 'a.so'), 65534, 65534);
    expect(privateFolder(path, make)).toBe(path);
    expect(statSync(join(path, 'a.so')).uid).toBe(0);
  });
});
