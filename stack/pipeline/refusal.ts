/** How a pipeline is refused: one line with the column, what is wrong, the text around it, and a remedy. Pure. */
import { ModelTError } from '../errors.js';

/** Characters of the text that a message shows on either side of the column. */
const SHOWN = 48;

/** `at` is an offset in the text, from 0. */
export function refuse(text: string, at: number, problem: string, remedy: string): never {
  const column = [...text.slice(0, at)].length + 1;
  throw new ModelTError('PIPELINE_INVALID', `pipeline, column ${column}: ${problem} in '${excerpt(text, at)}'`, 2, remedy);
}

/** What a user wrote, as a part of one printable line. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).padStart(2, '0')}`;
  });
}

/** At most `most` characters of it. */
export function shortened(text: string, most = 32): string {
  const characters = [...text];
  return printable(characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : text);
}

function excerpt(text: string, at: number): string {
  const from = at <= SHOWN ? 0 : at - SHOWN;
  const to = text.length - at <= SHOWN ? text.length : at + SHOWN;
  return printable(`${from > 0 ? '…' : ''}${text.slice(from, to)}${to < text.length ? '…' : ''}`);
}

/** The candidate that a user may have meant, or null: the nearest by insertions, deletions, replacements and swaps. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const lower = word.toLowerCase();
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(lower, candidate) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate ?? null;
}

/** Damerau and Levenshtein, restricted: no substring is edited twice. Infinite for lengths too far apart. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return Number.POSITIVE_INFINITY;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((rows[i - 1]?.[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (rows[i - 1]?.[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}
