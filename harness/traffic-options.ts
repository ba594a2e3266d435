/**
 * The flags of `model-t trace gen` and the same fields in a JSON file, as a TrafficSpec. A flag wins over the file. Pure.
 */
import type { Protocol } from './frames.js';
import { DEFAULT_SPEC, MOST_FLOWS, MOST_HOSTS, PORTS_PER_HOST, type TrafficSpec } from './generate.js';
import { labelled, parseCount, parseDuration, parseSeed, parseShare, parseWeights, usageError } from './units.js';

const MOST_PACKETS = 2 ** 32 - 1;
const LARGEST_FRAME = 262144;

/** One reader of text per field; the names are those of the flags and of the JSON. */
const FIELDS = {
  packets: (text: string) => parseCount(text, 1, MOST_PACKETS),
  sizes: (text: string) => parseWeights(text).map(([size, weight]) => [parseCount(size, 1, LARGEST_FRAME), weight] as const),
  protocols: (text: string) => parseWeights(text).map(([name, weight]) => [protocol(name), weight] as const),
  hosts: (text: string) => parseCount(text, 1, MOST_HOSTS),
  flows: (text: string) => parseCount(text, 1, MOST_FLOWS),
  ipv6: parseShare,
  vlan: parseShare,
  seed: parseSeed,
  udpChecksum: (text: string) => oneOf(text, ['on', 'zero']),
  interval: (text: string) => Math.round(parseDuration(text) * 1e9),
} as const;

export type TrafficField = keyof typeof FIELDS;
export type TrafficTexts = Partial<Record<TrafficField, string>>;

export function trafficSpec(flags: TrafficTexts, specFile: string | null): TrafficSpec {
  const texts = { ...(specFile === null ? {} : specTexts(specFile)), ...flags };
  const read = <Field extends TrafficField>(field: Field): ReturnType<(typeof FIELDS)[Field]> | undefined => {
    const text = texts[field];
    return text === undefined ? undefined : (labelled(field, () => FIELDS[field](text)) as ReturnType<(typeof FIELDS)[Field]>);
  };
  const spec: TrafficSpec = {
    packets: read('packets') ?? DEFAULT_SPEC.packets,
    sizes: read('sizes') ?? DEFAULT_SPEC.sizes,
    protocols: read('protocols') ?? DEFAULT_SPEC.protocols,
    hosts: read('hosts') ?? DEFAULT_SPEC.hosts,
    flows: read('flows') ?? DEFAULT_SPEC.flows,
    ipv6: read('ipv6') ?? DEFAULT_SPEC.ipv6,
    vlan: read('vlan') ?? DEFAULT_SPEC.vlan,
    seed: read('seed') ?? DEFAULT_SPEC.seed,
    udpChecksum: read('udpChecksum') ?? DEFAULT_SPEC.udpChecksum,
    intervalNs: read('interval') ?? DEFAULT_SPEC.intervalNs,
  };
  if (spec.flows > spec.hosts * PORTS_PER_HOST) {
    throw usageError(
      `${spec.hosts} hosts cannot have ${spec.flows} flows; a host has ${PORTS_PER_HOST} ports`,
      'Ask for more --hosts or fewer --flows',
    );
  }
  return spec;
}

/** The JSON holds the same words as the flags; numbers may be numbers. */
function specTexts(json: string): TrafficTexts {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw usageError(
      `The spec is not JSON: ${(error as Error).message}`,
      'Write {"packets": 8192, "sizes": "60:7,590:4,1514:1"}',
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw usageError('The spec is not a JSON object', 'Write {"packets": 8192, "sizes": "60:7,590:4,1514:1"}');
  }
  const texts: TrafficTexts = {};
  for (const [name, field] of Object.entries(value)) {
    if (!Object.hasOwn(FIELDS, name))
      throw usageError(`The spec has no field "${name}"`, `Use ${Object.keys(FIELDS).join(', ')}`);
    if (typeof field !== 'string' && typeof field !== 'number') {
      throw usageError(
        `Field "${name}" of the spec is neither text nor a number`,
        'Write the same as after the flag of that name',
      );
    }
    texts[name as TrafficField] = String(field);
  }
  return texts;
}

function protocol(name: string): Protocol {
  return oneOf(name, ['udp', 'tcp', 'icmp']);
}

function oneOf<Word extends string>(text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text.toLowerCase());
  if (!word) throw usageError(`"${text}" is not one of ${words.join(', ')}`, `Use ${words.join(' or ')}`);
  return word;
}
