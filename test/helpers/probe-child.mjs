// @ts-check
/** Runs the probes of a file (v8.serialize of [label, probe][]) through the addon; says each label before it runs that probe. */
import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { deserialize } from 'node:v8';

const [addon = '', file = ''] = process.argv.slice(2);
const native = createRequire(import.meta.url)(addon);
for (const [label, probe] of deserialize(readFileSync(file))) {
  writeSync(1, `${label}\n`);
  if (native.probeOperation(probe) === null) throw new Error('no such body');
}
writeSync(1, 'done\n');
