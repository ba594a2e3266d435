/** The native tests (test/native/*.cc), built for every ISA without sanitizers and run; sanitize.mjs says how. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A first run compiles about 60 files: a minute on two cores, more while other tests use them. */
const TIMEOUT_MS = 240_000;

describe('native tests', () => {
  it(
    'pass for every ISA of this CPU',
    async () => {
      const [code, output] = await new Promise<[number, string]>((resolve) => {
        execFile(process.execPath, ['test/native/sanitize.mjs', '--plain'], { cwd: root }, (error, stdout, stderr) => {
          resolve([error ? 1 : 0, `${stderr}${stdout}`]);
        });
      });
      expect(code, output).toBe(0);
      expect(output).toMatch(/^ok native tests, plain .*: \d{2,} tests, 0 failed, 0 skipped/m);
    },
    TIMEOUT_MS,
  );
});
