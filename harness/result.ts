/**
 * Reads results back (`--json`). A result of a newer major version is refused, because its numbers may mean something else; a
 * newer minor only adds. The schema is harness/schema/run.schema.json. Pure.
 */
import type { RunOutcome } from '../replay/index.js';
import { usageError } from './units.js';

export const RUN_SCHEMA = 'model-t/run';
export const RUN_SCHEMA_MAJOR = 1;

/** `from` names the text in messages, a file for example. */
export function readResult(text: string, from: string): RunOutcome {
  const value = parse(text, from);
  if (typeof value !== 'object' || value === null || (value as { schema?: unknown }).schema !== RUN_SCHEMA) {
    throw usageError(
      `${from} is not a result of a run: its "schema" is not "${RUN_SCHEMA}"`,
      'Give a file that replay --json wrote',
    );
  }
  const version = (value as { schemaVersion?: unknown }).schemaVersion;
  const major = typeof version === 'string' ? Number(version.match(/^(\d+)\.\d+(?:\.\d+)?$/)?.[1] ?? Number.NaN) : Number.NaN;
  if (Number.isNaN(major)) throw usageError(`${from} has no readable "schemaVersion"`, 'Give a file that replay --json wrote');
  if (major > RUN_SCHEMA_MAJOR) {
    throw usageError(
      `${from} has schema version ${version}; this version reads up to ${RUN_SCHEMA_MAJOR}.x`,
      'Use a newer Model-T',
    );
  }
  return value as RunOutcome;
}

function parse(text: string, from: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(`${from} is not JSON: ${(error as Error).message}`, 'Give a file that replay --json wrote');
  }
}
