// @ts-check
/**
 * Builds the C++ of binding.gyp without its bindings, together with test/native, and runs it.
 *
 *   node test/native/sanitize.mjs            under AddressSanitizer with UBSan, then under ThreadSanitizer (npm run test:sanitize)
 *   node test/native/sanitize.mjs --plain    without; what native.test.ts does
 *   node test/native/sanitize.mjs --fuzz [PACKETS [SEED]]    only hostile packets through every operation under AddressSanitizer
 *                                            with UBSan, 1,000,000 for each if not told otherwise (npm run test:fuzz)
 *
 * One line per run on stdout, output of what failed on stderr; exit code 1 on any failure or report. Objects are kept under
 * build/sanitize/ by the hash of what they were made from. At most two compilers at once. CXX chooses the compiler.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const compiler = (process.env.CXX ?? 'g++').split(' ');
const zlibHeaders = [join(dirname(dirname(process.execPath)), 'include/node'), '/usr/include'].find((folder) =>
  existsSync(join(folder, 'zlib.h')),
);

/** @typedef {{ name: string, flags: string[], environment: Record<string, string>, tests: string[], captures: number, packets: number }} Variant */

/**
 * `captures`: mutations per capture file, 0 = no captures. `packets`: hostile packets for each operation. Lag readers are left out under ThreadSanitizer: they read bytes
 * that the producer may be overwriting and find out afterwards (a sequence lock), which is a data race by definition.
 * @type {Record<string, Variant>}
 */
const VARIANTS = {
  plain: { name: 'plain', flags: ['-O1'], environment: {}, tests: [], captures: 0, packets: 0 },
  address: {
    name: 'address',
    flags: ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'],
    environment: {
      ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_string_checks=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    },
    tests: ['--quick'],
    captures: 10,
    packets: 32768,
  },
  thread: {
    name: 'thread',
    // -Wno-tsan: GCC warns that it does not understand fences; only lag readers rest on them.
    flags: ['-O1', '-g', '-fsanitize=thread', ...(compiler[0]?.includes('clang') ? [] : ['-Wno-tsan'])],
    environment: { TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1' },
    tests: ['--quick', '--skip', 'lag,'],
    captures: 1,
    packets: 0,
  },
};

/** binding.gyp is a Python literal; ours is JSON but for comments and trailing commas. */
function readBuildFile() {
  const text = readFileSync(join(root, 'binding.gyp'), 'utf8')
    .replace(/^\s*#.*$/gm, '')
    .replace(/,(\s*[\]}])/g, '$1');
  const build = JSON.parse(text);
  /** @type {{ target_name: string, sources: string[], defines: string[], cflags?: string[] }[]} */
  const targets = [...build.targets, ...(process.arch === 'x64' ? build.conditions[0][1].targets : [])];
  const core = targets.find((target) => target.target_name === 'model_t');
  if (!core) throw new Error('binding.gyp has no target model_t');
  return {
    warnings: /** @type {string[]} */ (build.target_defaults.cflags).filter((flag) => flag.startsWith('-W')),
    kernels: /** @type {string[]} */ (build.variables.kernel_sources),
    isas: targets
      .filter((target) => target.target_name.startsWith('kernels_'))
      .map((target) => [...target.defines.map((define) => `-D${define}`), ...(target.cflags ?? [])]),
    core: core.sources.filter((source) => !/\/binding[^/]*$/.test(source)),
  };
}

const build = readBuildFile();
const needsZlib = (/** @type {string} */ source) =>
  /gzip_source|capture_file|captures_fuzz|operations_fuzz_captures|gunzip|inflaters/.test(source);
/** What the native tests take of that; the rest is for captures. */
const inflates = (/** @type {string} */ source) => /gunzip|inflaters/.test(source);
const testSources = readdirSync(join(root, 'test/native'))
  .filter((file) => file.endsWith('.cc') && !/^(captures|operations)_fuzz/.test(file))
  .map((file) => `test/native/${file}`);
const fuzzSources = ['', '_captures', '_chains', '_packets'].map((part) => `test/native/operations_fuzz${part}.cc`);
/** What reads captures. */
const captureSources = build.core.filter((source) =>
  /\/(image|reserved_memory|builder|link_type|capture_|gzip_)[^/]*$/.test(source),
);
/** Files that operations_fuzz shares with the native tests. */
const fuzzHelpers = /^test\/native\/(support|frames|talk)\.cc$/;

/** Hash of every header and of the compiler: a change of any makes all objects anew, which is simple and never wrong. */
const surroundings = (() => {
  const hash = createHash('sha256').update(compiler.join(' '));
  const folders = ['stack/include', 'stack/native', 'stack/ops', 'replay/native', 'test/native'];
  for (const folder of folders) {
    for (const file of readdirSync(join(root, folder)).sort()) {
      if (file.endsWith('.h')) hash.update(`${folder}/${file}\0`).update(readFileSync(join(root, folder, file)));
    }
  }
  return hash.digest('hex');
})();

/**
 * Runs a program; its output, both streams together, and whether it ended well.
 * @param {string} program
 * @param {readonly string[]} programArguments
 * @param {Record<string, string>} [environment]
 * @returns {Promise<{ good: boolean, output: string, seconds: number }>}
 */
function run(program, programArguments, environment = {}) {
  const start = performance.now();
  return new Promise((resolve) => {
    const child = spawn(program, programArguments, { cwd: root, env: { ...process.env, ...environment } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += bytes));
    const done = (/** @type {boolean} */ good) => resolve({ good, output, seconds: (performance.now() - start) / 1000 });
    child.on('error', (error) => {
      output += error.message;
      done(false);
    });
    child.on('close', (code, signal) => {
      if (signal) output += `ended by ${signal}\n`;
      done(code === 0);
    });
  });
}

class BuildError extends Error {}

/**
 * The object of one source; compiled only if there is none for exactly this content and these flags.
 * @param {string} folder
 * @param {string} source
 * @param {readonly string[]} flags
 */
async function compile(folder, source, flags) {
  const all = ['-std=c++20', ...build.warnings, ...flags, ...(needsZlib(source) ? ['-idirafter', zlibHeaders ?? ''] : [])];
  const hash = createHash('sha256').update(surroundings).update(all.join('\0')).update(source);
  hash.update(readFileSync(join(root, source)));
  const object = join(folder, `${hash.digest('hex').slice(0, 32)}.o`);
  if (existsSync(object)) return object;
  const partial = `${object}.${process.pid}`;
  const [program = 'g++', ...first] = compiler;
  const { good, output } = await run(program, [...first, ...all, '-c', source, '-o', partial]);
  if (!good) throw new BuildError(`${source}: ${output}`);
  renameSync(partial, object);
  return object;
}

/**
 * Two workers over a list of tasks; results in order.
 * @template T
 * @param {readonly (() => Promise<T>)[]} tasks
 * @returns {Promise<T[]>}
 */
async function twoAtOnce(tasks) {
  /** @type {T[]} */
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < tasks.length) {
      const index = next++;
      const task = tasks[index];
      if (task) results[index] = await task();
    }
  };
  await Promise.all([worker(), worker()]);
  return results;
}

/**
 * Compiles and links a program of a variant.
 * @param {Variant} variant
 * @param {string} name
 * @param {readonly string[]} sources
 * @param {readonly string[]} libraries
 * @param {readonly string[]} [kernelSources]
 */
async function link(variant, name, sources, libraries, kernelSources = build.kernels) {
  const folder = join(root, 'build/sanitize', variant.name);
  mkdirSync(folder, { recursive: true });
  const flags = ['-pthread', ...variant.flags];
  // Without sanitizers the kernels are optimised as in the product: what the compiler makes of them is under test, too.
  const level = variant.name === 'plain' ? ['-O3'] : [];
  const kernels = build.isas.flatMap((isa) => kernelSources.map((source) => ({ source, flags: [...flags, ...level, ...isa] })));
  const wanted = [...sources.map((source) => ({ source, flags })), ...kernels];
  const objects = await twoAtOnce(wanted.map((one) => () => compile(folder, one.source, one.flags)));
  const program = join(folder, name);
  const [linker = 'g++', ...first] = compiler;
  const partial = `${program}.${process.pid}`;
  const { good, output } = await run(linker, [...first, ...flags, ...objects, ...libraries, '-o', partial]);
  if (!good) throw new BuildError(`linking ${name}: ${output}`);
  renameSync(partial, program);
  return program;
}

/** Can a program be linked with zlib here? The header alone comes with Node, the library does not. */
async function hasZlib() {
  const [program = 'g++', ...first] = compiler;
  const { output } = await run(program, [...first, '-print-file-name=libz.so']);
  return output.includes('/');
}

/**
 * A few captures of every format that matters to a parser: good, cut, and packed.
 * @param {string} folder
 */
function writeCaptures(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  /** @param {boolean} big @param {number} magic */
  const pcap = (big, magic) => {
    const bytes = Buffer.alloc(24 + 20 * (16 + 90));
    let at = 0;
    /** @param {number} value */
    const put = (value) => {
      at = big ? bytes.writeUInt32BE(value, at) : bytes.writeUInt32LE(value, at);
    };
    for (const value of [magic, big ? 0x00020004 : 0x00040002, 0, 0, 65535, 1]) put(value);
    for (let packet = 0; packet < 20; packet++) {
      const length = 40 + ((packet * 7) % 50);
      for (const value of [1600000000 + packet, packet, length, length]) put(value);
      for (let byte = 0; byte < length; byte++) at = bytes.writeUInt8((packet * 31 + byte * 7) & 255, at);
    }
    return bytes.subarray(0, at);
  };
  /** @param {number} type @param {number[]} words */
  const block = (type, words) => [type, words.length * 4 + 12, ...words, words.length * 4 + 12];
  const words = [...block(0x0a0d0d0a, [0x1a2b3c4d, 1, 0xffffffff, 0xffffffff]), ...block(1, [1, 0])];
  for (let packet = 0; packet < 20; packet++)
    words.push(...block(6, [0, 5, packet, 16, 60, 1, 2, 3, 4]), ...block(3, [60, 1, 2, 3]));
  const pcapng = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) pcapng.writeUInt32LE(word, index * 4);
  const little = pcap(false, 0xa1b2c3d4);
  writeFileSync(join(folder, 'little.pcap'), little);
  writeFileSync(join(folder, 'big-ns.pcap'), pcap(true, 0xa1b23c4d));
  writeFileSync(join(folder, 'cut.pcap'), little.subarray(0, 1001));
  writeFileSync(join(folder, 'blocks.pcapng'), pcapng);
  writeFileSync(join(folder, 'packed.pcap.gz'), Buffer.concat([gzipSync(little), gzipSync(Buffer.alloc(0))]));
}

/**
 * @param {string} what
 * @param {{ good: boolean, output: string, seconds: number }} result
 */
function tell(what, { good, output, seconds }) {
  if (!good) process.stderr.write(output);
  const last = output.trim().split('\n').at(-1) ?? '';
  process.stdout.write(`${good ? 'ok' : 'FAILED'} ${what}: ${good ? `${last}, ` : ''}${seconds.toFixed(1)} s\n`);
  return good;
}

/**
 * Hostile packets through every operation; all output if `words` is set.
 * @param {Variant} variant
 * @param {number} packets
 * @param {number} seed
 * @param {boolean} [words]
 */
async function fuzz(variant, packets, seed, words = false) {
  if (!zlibHeaders || !(await hasZlib())) {
    process.stdout.write(`skipped hostile packets, ${variant.name}: zlib was not found\n`);
    return true;
  }
  const shared = testSources.filter((source) => fuzzHelpers.test(source));
  const stack = build.core.filter((source) => source.startsWith('stack/'));
  const program = await link(variant, 'operations_fuzz', [...stack, ...captureSources, ...shared, ...fuzzSources], ['-lz']);
  const bodies = readdirSync(join(root, 'stack/ops')).filter((file) => file.endsWith('.cc'));
  const names = bodies.map((file) => file.slice(0, -3).replaceAll('_', '-'));
  const given = [String(packets), String(seed), process.env.MODEL_T_TRACES ?? '', ...names];
  const result = await run(program, given, variant.environment);
  if (words && result.good) process.stdout.write(result.output);
  return tell(`hostile packets, ${variant.name}`, result);
}

/** @param {Variant} variant */
async function runVariant(variant) {
  const start = performance.now();
  const zlib = zlibHeaders !== undefined && (await hasZlib());
  if (!zlib) process.stdout.write(`skipped tests of gunzip, ${variant.name}: zlib was not found\n`);
  const sources = [...build.core, ...testSources].filter((source) => !needsZlib(source) || (zlib && inflates(source)));
  const tests = await link(variant, 'native_tests', sources, zlib ? ['-lz'] : []);
  const built = ((performance.now() - start) / 1000).toFixed(1);
  let good = tell(`native tests, ${variant.name} (built in ${built} s)`, await run(tests, variant.tests, variant.environment));
  if (variant.packets > 0 && !(await fuzz(variant, variant.packets, 1))) good = false;
  if (variant.captures === 0) return good;
  if (!zlibHeaders) {
    process.stdout.write(`skipped captures, ${variant.name}: zlib.h was not found\n`);
    return good;
  }
  const captures = await link(variant, 'captures_fuzz', [...captureSources, 'test/native/captures_fuzz.cc'], ['-lz'], []);
  const made = join(root, 'build/sanitize/captures');
  writeCaptures(made);
  const corpus = process.env.MODEL_T_TRACES ?? '';
  for (const [what, folder, mutations] of /** @type {[string, string, number][]} */ ([
    ['made-up captures', made, variant.captures * 20],
    ['corpus', corpus, variant.captures],
  ])) {
    if (!existsSync(folder)) process.stdout.write(`skipped ${what}, ${variant.name}: ${folder} is not there\n`);
    else if (!tell(`${what}, ${variant.name}`, await run(captures, [String(mutations), '1', folder], variant.environment)))
      good = false;
  }
  return good;
}

const chosen = process.argv.includes('--plain') ? ['plain'] : ['address', 'thread'];
const fuzzing = process.argv.indexOf('--fuzz');
let allGood = true;
try {
  if (fuzzing > 0 && VARIANTS.address) {
    const [packets = 1_000_000, seed = 1] = process.argv.slice(fuzzing + 1).map(Number);
    allGood = await fuzz(VARIANTS.address, packets, seed, true);
    chosen.length = 0;
  }
  for (const name of chosen) {
    const variant = VARIANTS[name];
    if (variant && !(await runVariant(variant))) allGood = false;
  }
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  process.stderr.write(`${error.message}\n`);
  allGood = false;
}
process.exitCode = allGood ? 0 : 1;
