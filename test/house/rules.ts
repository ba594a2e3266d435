/** The import rules of the house as a function over a tree of files, so that the rules themselves can be tested. */
import { dirname, join, normalize } from 'node:path';

/** Paths and texts of all source files, as `{'stack/index.ts': '…'}`. */
export type Tree = Readonly<Record<string, string>>;

/** What each folder may import from which others, always by index.ts; `test/` may import anything. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  stack: [],
  replay: ['stack'],
  harness: ['stack', 'replay'],
  traces: [],
};

/** Things that exactly one file may touch; none may where nothing uses them yet. Packages are matched as what is imported. */
const ONE_TOUCHER: readonly { readonly what: string; readonly pattern?: RegExp; readonly only: RegExp | null }[] = [
  { what: 'the .node file', pattern: /\.node['"`]/, only: /^stack\/native\.ts$/ },
  { what: 'process.exit', pattern: /\bprocess\.(exit|abort|reallyExit)\b/, only: /^harness\/main\.ts$/ },
  { what: 'pcap-parser', only: /^replay\/captures\/[a-z-]+\.ts$/ },
  { what: 'webgpu', only: /^replay\/webgpu\/dawn\.ts$/ },
  { what: 'uplot', only: null },
];

export const TOP_LEVEL: readonly string[] = [
  ...[
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.test.json',
    'vitest.config.ts',
    'biome.json',
    'binding.gyp',
  ],
  ...[
    'README.md',
    'LICENSE',
    '.gitignore',
    '.gitattributes',
    '.ci',
    '.clang-format',
    'stack',
    'replay',
    'harness',
    'traces',
    'test',
  ],
];

export function violations(tree: Tree): string[] {
  return [...Object.entries(tree).flatMap(([path, text]) => fileViolations(path, text)), ...toucherViolations(tree)];
}

export function topLevelViolations(entries: readonly string[]): string[] {
  return entries
    .filter((entry) => !TOP_LEVEL.includes(entry))
    .map((entry) => `${entry}: not among the top-level entries of the house`);
}

function fileViolations(path: string, text: string): string[] {
  const folder = path.split('/')[0] ?? '';
  if (!(folder in MAY_IMPORT)) return [];
  if (/\.(ts|mjs)$/.test(path)) return importedPaths(text).flatMap((target) => importViolation(path, folder, target));
  if (/\.(cc|h|c)$/.test(path)) return includedPaths(text).flatMap((target) => includeViolation(path, folder, target));
  return [];
}

/** Static, dynamic and type imports, re-exports, and require. */
function importedPaths(text: string): string[] {
  const patterns = [/\bfrom\s*['"]([^'"]+)['"]/g, /\bimport\s*\(?\s*['"]([^'"]+)['"]/g, /\brequire\s*\(\s*['"]([^'"]+)['"]/g];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ''));
}

function importViolation(path: string, folder: string, target: string): string[] {
  if (!target.startsWith('.')) return [];
  const resolved = normalize(join(dirname(path), target));
  const other = resolved.split('/')[0] ?? '';
  if (other === folder || !(other in MAY_IMPORT || other === 'test')) return [];
  if (!(MAY_IMPORT[folder] ?? []).includes(other)) return [`${path}: ${folder}/ may not import ${other}/ (${target})`];
  return resolved === `${other}/index.js` ? [] : [`${path}: imports ${target}, not the door ${other}/index.js`];
}

function includedPaths(text: string): string[] {
  return [...text.matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)].map((match) => match[1] ?? '');
}

/** C++ headers are named from the root of the repository or from the file's own folder. */
function includeViolation(path: string, folder: string, target: string): string[] {
  const resolved = target.startsWith('.') ? normalize(join(dirname(path), target)) : target;
  const other = resolved.split('/')[0] ?? '';
  if (!resolved.includes('/') || other === folder || !(other in MAY_IMPORT || other === 'test')) return [];
  const isPublicHeader = /^stack\/(native|include)\/[^/]+\.h$/.test(resolved);
  return folder === 'replay' && isPublicHeader ? [] : [`${path}: C++ of ${folder}/ may not include ${target}`];
}

function toucherViolations(tree: Tree): string[] {
  const found: string[] = [];
  for (const { what, pattern, only } of ONE_TOUCHER) {
    const touches = (text: string): boolean => pattern?.test(text) ?? importedPaths(text).includes(what);
    const touchers = Object.keys(tree).filter(
      (path) => /^(stack|replay|harness)\/.*\.(ts|mjs)$/.test(path) && touches(tree[path] ?? ''),
    );
    for (const path of touchers) if (!only?.test(path)) found.push(`${path}: may not touch ${what}`);
    const allowed = touchers.filter((path) => only?.test(path));
    if (allowed.length > 1) found.push(`${allowed.join(', ')}: more than one file touches ${what}`);
  }
  return found;
}
