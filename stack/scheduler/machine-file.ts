/**
 * A machine model as a JSON file (harness/schema/machine.schema.json): checked by hand, each refusal with the file, the place in
 * it, the value and what would be right. Pure; called by commands.
 */
import { ModelTError } from '../errors.js';
import type { InstructionSet } from '../machine.js';
import type { Core, MachineModel } from './machine-model.js';
import { DEFAULT_MEASUREMENTS, type HopCurve, type Measurements, SHARING, type Sharing } from './measurements.js';

const SCHEMA = 'model-t/machine';
/** Readers refuse a higher one. */
const MAJOR = '1';
const MOST_CORES = 1024;
const ISAS: readonly string[] = ['scalar', 'avx2', 'avx512'] satisfies InstructionSet[];
const SHOWN = 40;

type Fields = Readonly<Record<string, unknown>>;

/** Throws ModelTError (MACHINE_INVALID, exit code 2). `file` is what messages call it. */
export function parseMachineModel(text: string, file: string): MachineModel {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ModelTError(
      'MACHINE_INVALID',
      `${file} is no JSON: ${(error as Error).message}`,
      2,
      'Correct it, or name a preset',
    );
  }
  return new Reader(file).machine(value);
}

class Reader {
  constructor(private readonly file: string) {}

  machine(value: unknown): MachineModel {
    const fields = this.object(value, '', [
      'schema',
      'schemaVersion',
      'name',
      'hz',
      'isas',
      'quota',
      'cores',
      'caches',
      'measurements',
    ]);
    if (fields.schema !== SCHEMA) this.refuse('schema', fields.schema, `must be "${SCHEMA}"`);
    if (String(fields.schemaVersion).split('.')[0] !== MAJOR)
      this.refuse('schemaVersion', fields.schemaVersion, `must be ${MAJOR}.x`);
    if (typeof fields.name !== 'string' || fields.name === '') this.refuse('name', fields.name, 'must be a text');
    return {
      name: fields.name as string,
      hz: this.number(fields.hz, 'hz', 1e6, 1e11),
      isas: this.isas(fields.isas),
      quota: fields.quota === undefined || fields.quota === null ? null : this.number(fields.quota, 'quota', 0.01, MOST_CORES),
      cores: this.cores(fields.cores),
      caches: this.caches(fields.caches),
      measurements: this.measurements(fields.measurements),
    };
  }

  private isas(value: unknown): readonly InstructionSet[] {
    if (value === undefined) return ['scalar', 'avx2'];
    const list = this.list(value, 'isas', 1, ISAS.length);
    list.forEach((isa, at) => {
      if (typeof isa !== 'string' || !ISAS.includes(isa)) this.refuse(`isas[${at}]`, isa, `must be one of ${ISAS.join(', ')}`);
    });
    return list as readonly InstructionSet[];
  }

  private cores(value: unknown): Core[] {
    const cores = this.list(value, 'cores', 1, MOST_CORES).map((each, at) => this.core(each, `cores[${at}]`, at));
    cores.forEach(({ cpu }, at) => {
      const first = cores.findIndex((core) => core.cpu === cpu);
      if (first !== at) this.refuse(`cores[${at}].cpu`, cpu, `is that of cores[${first}], too; each needs its own`);
    });
    if (cores.every(({ kind }) => kind === 'gpu')) this.refuse('cores', value, 'need at least one of kind "cpu"');
    return cores;
  }

  private core(value: unknown, path: string, at: number): Core {
    const fields = this.object(value, path, ['cpu', 'kind', 'speed', 'l2', 'l3', 'core', 'node']);
    const whole = (name: string, fallback: number): number =>
      fields[name] === undefined ? fallback : this.whole(fields[name], `${path}.${name}`);
    const group = (name: string): number | null =>
      fields[name] === undefined || fields[name] === null ? null : this.whole(fields[name], `${path}.${name}`);
    const kind = fields.kind ?? 'cpu';
    if (kind !== 'cpu' && kind !== 'gpu') this.refuse(`${path}.kind`, kind, 'must be "cpu" or "gpu"');
    const cpu = whole('cpu', at);
    return {
      cpu,
      kind: kind as Core['kind'],
      speed: fields.speed === undefined ? 1 : this.number(fields.speed, `${path}.speed`, 0.001, 1000),
      l2: group('l2'),
      l3: group('l3'),
      core: whole('core', cpu),
      node: whole('node', 0),
    };
  }

  private caches(value: unknown): MachineModel['caches'] {
    const fields = this.object(value ?? {}, 'caches', ['l1', 'l2', 'l3']);
    const bytes = (name: string): number => (fields[name] === undefined ? 0 : this.whole(fields[name], `caches.${name}`));
    return { l1: bytes('l1'), l2: bytes('l2'), l3: bytes('l3') };
  }

  private measurements(value: unknown): Measurements {
    const known = DEFAULT_MEASUREMENTS;
    const fields = this.object(value ?? {}, 'measurements', Object.keys(known));
    const path = (name: string): string => `measurements.${name}`;
    const plain = (name: 'smtFactor' | 'copyPerByte' | 'passShare' | 'switchSeconds', least: number): number =>
      fields[name] === undefined ? known[name] : this.number(fields[name], path(name), least, 1e6);
    const rate = (name: 'source' | 'intake'): Measurements['source'] => {
      const given = this.object(fields[name] ?? {}, path(name), ['perPacket', 'perByte']);
      const part = (each: 'perPacket' | 'perByte'): number =>
        given[each] === undefined ? known[name][each] : this.number(given[each], `${path(name)}.${each}`, 0, 1e6);
      return { perPacket: part('perPacket'), perByte: part('perByte') };
    };
    return {
      hops: this.bySharing(fields.hops, path('hops'), known.hops, (given, at) => this.curve(given, at)),
      lineCycles: this.bySharing(fields.lineCycles, path('lineCycles'), known.lineCycles, (given, at) =>
        this.number(given, at, 0, 1e6),
      ),
      smtFactor: plain('smtFactor', 1),
      source: rate('source'),
      intake: rate('intake'),
      copyPerByte: plain('copyPerByte', 0),
      passShare: plain('passShare', 0),
      switchSeconds: plain('switchSeconds', 0),
    };
  }

  private bySharing<Value>(
    value: unknown,
    path: string,
    known: Readonly<Record<Sharing, Value>>,
    read: (given: unknown, path: string) => Value,
  ): Readonly<Record<Sharing, Value>> {
    const fields = this.object(value ?? {}, path, SHARING);
    const one = (name: Sharing): Value => (fields[name] === undefined ? known[name] : read(fields[name], `${path}.${name}`));
    return { core: one('core'), l2: one('l2'), l3: one('l3'), none: one('none') };
  }

  private curve(value: unknown, path: string): HopCurve {
    const curve = this.list(value, path, 1, 16).map((point, at): readonly [number, number] => {
      const [burst, cycles] = this.list(point, `${path}[${at}]`, 2, 2);
      return [this.number(burst, `${path}[${at}][0]`, 1, 65536), this.number(cycles, `${path}[${at}][1]`, 0, 1e6)];
    });
    curve.forEach(([burst], at) => {
      if (at > 0 && burst >= (curve[at - 1]?.[0] ?? 0))
        this.refuse(`${path}[${at}][0]`, burst, 'must be below the burst before it');
    });
    return curve;
  }

  private object(value: unknown, path: string, known: readonly string[]): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.refuse(path, value, 'must be an object');
    const other = Object.keys(value as Fields).find((name) => !known.includes(name));
    if (other !== undefined) this.refuse(path, other, `has no such field; it has ${known.join(', ')}`);
    return value as Fields;
  }

  private list(value: unknown, path: string, least: number, most: number): readonly unknown[] {
    if (!Array.isArray(value) || value.length < least || value.length > most)
      this.refuse(path, value, `must be a list of ${least === most ? least : `${least} to ${most}`}`);
    return value as readonly unknown[];
  }

  private number(value: unknown, path: string, least: number, most: number): number {
    if (typeof value !== 'number' || !(value >= least && value <= most))
      this.refuse(path, value, `must be a number from ${least} to ${most}`);
    return value as number;
  }

  private whole(value: unknown, path: string): number {
    if (!Number.isSafeInteger(value) || (value as number) < 0) this.refuse(path, value, 'must be a whole number from 0');
    return value as number;
  }

  private refuse(path: string, value: unknown, what: string): never {
    const text = JSON.stringify(value) ?? 'missing';
    const shown = text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text;
    const remedy = 'The package has the schema: harness/schema/machine.schema.json';
    throw new ModelTError('MACHINE_INVALID', `${this.file}: ${path === '' ? 'the whole' : path}: ${shown} ${what}`, 2, remedy);
  }
}
