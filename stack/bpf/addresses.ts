/** Addresses of a filter as numbers. Pure; called by generate.ts. */

/** An IPv4 address or its first bytes: the number, promoted to the left, and how many bits were written; null if it is none. */
export function ip4Prefix(text: string): { readonly address: number; readonly bits: number } | null {
  const parts = text.split('.').map(Number);
  if (parts.length > 4 || parts.some((part) => part > 255)) return null;
  const address = parts.reduce((sum, part, index) => sum + part * 2 ** (24 - 8 * index), 0);
  return { address, bits: 8 * parts.length };
}

export const prefixMask = (bits: number): number => (bits === 0 ? 0 : (0xffff_ffff << (32 - bits)) >>> 0);

function halves(text: string): number[] | null {
  if (text === '') return [];
  const found: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const prefix = ip4Prefix(group);
      if (index !== groups.length - 1 || prefix?.bits !== 32) return null;
      found.push(prefix.address >>> 16, prefix.address & 0xffff);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) found.push(Number.parseInt(group, 16));
    else return null;
  }
  return found;
}

/** An IPv6 address (RFC 4291 2.2) as four words; null if it is none. */
export function ip6Words(text: string): readonly number[] | null {
  const [first = '', last, ...more] = text.split('::');
  const head = halves(first);
  const tail = last === undefined ? [] : halves(last);
  if (!head || !tail || more.length > 0) return null;
  const missing = 8 - head.length - tail.length;
  if (last === undefined ? missing !== 0 : missing < 1) return null;
  const all = [...head, ...Array<number>(missing).fill(0), ...tail];
  return [0, 2, 4, 6].map((index) => (((all[index] ?? 0) << 16) | (all[index + 1] ?? 0)) >>> 0);
}

/** An Ethernet address in any of its spellings as six bytes. */
export function macBytes(text: string): readonly number[] {
  const groups = text.split(/[:.-]/);
  if (groups.length === 6) return groups.map((group) => Number.parseInt(group, 16));
  const digits = groups.map((group) => group.padStart(4, '0')).join('');
  return [0, 2, 4, 6, 8, 10].map((index) => Number.parseInt(digits.slice(index, index + 2), 16));
}
