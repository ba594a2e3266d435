/** The house rules of the design: doors only, one toucher each, known top-level entries. They hold, and they bite. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Tree, topLevelViolations, violations } from './rules.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

function sources(): Tree {
  const tree: Record<string, string> = {};
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (/\.(ts|mjs|cc|h|c)$/.test(entry.name)) tree[path] = readFileSync(join(root, path), 'utf8');
    }
  };
  for (const folder of ['stack', 'replay', 'harness']) walk(folder);
  return tree;
}

/** What git holds or would add; a source archive without git is what it is. */
function topLevelEntries(): string[] {
  try {
    const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
      stdio: 'pipe',
    });
    return [
      ...new Set(
        files
          .split('\n')
          .filter(Boolean)
          .map((path) => path.split('/')[0] ?? ''),
      ),
    ];
  } catch {
    return readdirSync(root).filter((entry) => !['node_modules', 'build', 'dist'].includes(entry));
  }
}

describe('this repository', () => {
  it('keeps the import rules', () => {
    const tree = sources();
    expect(Object.keys(tree)).toContain('harness/main.ts');
    expect(violations(tree)).toEqual([]);
  });

  it('has no top-level entry that the design does not know', () => {
    const entries = topLevelEntries();
    expect(entries).toContain('package.json');
    expect(topLevelViolations(entries)).toEqual([]);
  });
});

describe('the rules catch', () => {
  it.each<[string, Tree]>([
    ['stack importing replay', { 'stack/a.ts': "import { x } from '../replay/index.js';" }],
    ['stack importing the harness for types', { 'stack/ops/a.ts': "import type { x } from '../../harness/cli.js';" }],
    ['replay importing the harness', { 'replay/a.ts': "export * from '../harness/cli.js';" }],
    ['replay importing past the door', { 'replay/a.ts': "import { x } from '../stack/errors.js';" }],
    ['harness importing past the door', { 'harness/commands/a.ts': "import type { x } from '../../replay/plan.js';" }],
    ['a multi-line import', { 'harness/a.ts': "import {\n  x,\n  y,\n} from '../replay/plan.js';" }],
    ['a dynamic import', { 'harness/a.ts': "const x = await import('../stack/native.js');" }],
    ['an import for its effect', { 'replay/a.ts': "import '../stack/native.js';" }],
    ['product code importing tests', { 'harness/a.ts': "import { x } from '../test/fake.js';" }],
    ['a second file loading the addon', { 'replay/a.ts': "require('../build/Release/model_t.node');" }],
    ['a second caller of process.exit', { 'harness/cli.ts': 'process.exit(1);' }],
    [
      'two importers of pcap-parser',
      { 'replay/captures/a.ts': "import p from 'pcap-parser';", 'replay/captures/b.ts': "import p from 'pcap-parser';" },
    ],
    ['pcap-parser outside the captures', { 'harness/a.ts': "import p from 'pcap-parser';" }],
    ['webgpu elsewhere', { 'replay/a.ts': "import { create } from 'webgpu';" }],
    ['C++ of the stack including replay', { 'stack/native/a.cc': '#include "replay/native/image.h"' }],
    ['the same by a relative path', { 'stack/native/a.h': '#include "../../replay/native/image.h"' }],
    ['C++ of replay including an operation', { 'replay/native/a.cc': '#include "stack/ops/tcp.h"' }],
  ])('%s', (_name, tree) => {
    expect(violations(tree)).toHaveLength(1);
  });

  it('an unknown top-level entry', () => {
    expect(topLevelViolations(['stack', 'scripts'])).toEqual(['scripts: not among the top-level entries of the house']);
  });
});

describe('the rules allow', () => {
  it.each<[string, Tree]>([
    [
      'the doors',
      {
        'replay/a.ts': "import { x } from '../stack/index.js';",
        'harness/b/c.ts': "import type { y } from '../../replay/index.js';",
      },
    ],
    [
      'imports within a folder, of packages and of Node',
      { 'stack/ops/a.ts': "import '../errors.js'; import 'commander'; import 'node:fs';" },
    ],
    ['the one importer of webgpu', { 'replay/webgpu/dawn.ts': "const dawn = await import('webgpu');" }],
    ['process.exitCode', { 'harness/setup/setup.mjs': 'process.exitCode = 1;' }],
    [
      'replay including the ring',
      { 'replay/native/a.cc': '#include "stack/native/ring.h"\n#include "image.h"\n#include <vector>' },
    ],
    ['tests importing anything', { 'test/a.ts': "import '../stack/native.js'; process.exit(1);" }],
  ])('%s', (_name, tree) => {
    expect(violations(tree)).toEqual([]);
  });
});
