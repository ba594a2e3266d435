/**
 * Rewrites as data: CIDR text to bytes and back. Pure; used by the planner and by the run.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { ModelTError } from '../stack/index.js';

export interface Prefix {
  /** 4 or 16 bytes, network order, host bits zero. */
  readonly address: Uint8Array;
  readonly length: number;
}

function bytesOfIp6(text: string): Uint8Array {
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
          return [(a << 8) | b, (c << 8) | d];
        });
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const words = tail === undefined ? left : [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255]));
}

function textOf(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  const words = Array.from({ length: 8 }, (_, i) => (((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0)).toString(16));
  const text = words.join(':');
  /* RFC 5952: the longest run of zero groups, two or more, becomes "::". */
  const runs = [...text.matchAll(/(?:^|:)(0(?::0)+)(?=:|$)/g)].map((match) => match[1] ?? '');
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  if (longest === '') return text;
  const at = text.search(new RegExp(`(^|:)${longest}(:|$)`));
  const start = text[at] === ':' ? at + 1 : at;
  return `${text.slice(0, start).replace(/:$/, '')}::${text.slice(start + longest.length).replace(/^:/, '')}`;
}

/** Parses `10.0.0.0/8` or `fd00::/64`; host bits are cleared. Throws ModelTError (exit code 2) that names the value. */
export function parsePrefix(text: string): Prefix {
  const [ip = '', bits, ...rest] = text.split('/');
  const widest = isIPv4(ip) ? 32 : isIPv6(ip) && !ip.includes('%') ? 128 : 0;
  const length = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (widest === 0 || rest.length > 0 || length < 0 || length > widest) {
    throw new ModelTError('CIDR_INVALID', `'${text}' is no address prefix`, 2, 'Write for example 10.0.0.0/8 or fd00::/64');
  }
  const address = widest === 32 ? Uint8Array.from(ip.split('.').map(Number)) : bytesOfIp6(ip);
  for (let bit = length; bit < widest; bit++) address[bit >> 3] = (address[bit >> 3] ?? 0) & ~(128 >> (bit & 7));
  return { address, length };
}

/** Canonical text of a prefix. */
export function formatPrefix(prefix: Prefix): string {
  return `${textOf(prefix.address)}/${prefix.length}`;
}
