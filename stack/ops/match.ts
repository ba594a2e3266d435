/** match: literal patterns in payloads, and in streams across rows. Body: match.cc. */
import { kernelVariants, type Operation, PLAIN, type RefuseArgument } from './operation.js';

/** As in match_matcher.h. */
const MAX_PATTERNS = 65534;
const MAX_PATTERN_BYTES = 65535;

/** u32 count, then per pattern u32 length and its bytes, little-endian. Texts are byte strings: one character per byte. */
export function compilePatterns(texts: readonly string[], refuse: RefuseArgument): Uint8Array {
  const blob = Buffer.alloc(texts.reduce((sum, text) => sum + 4 + text.length, 4));
  blob.writeUInt32LE(texts.length, 0);
  let at = 4;
  for (const [index, text] of texts.entries()) {
    if (text.length === 0) refuse('an empty pattern is everywhere', 'Give at least one byte', index);
    if (text.length > MAX_PATTERN_BYTES) {
      refuse(`pattern ${index + 1} has ${text.length} bytes`, `A pattern holds at most ${MAX_PATTERN_BYTES}`, index);
    }
    blob.writeUInt32LE(text.length, at);
    blob.write(text, at + 4, 'latin1');
    at += 4 + text.length;
  }
  return blob;
}

export const match: Operation = {
  ...PLAIN,
  name: 'match',
  summary: 'rows that hold one of the patterns go on, also across the rows of a stream; class: 1 + number of the first found',
  access: 'payload',
  bytesTouched: null,
  reads: ['payloads'],
  readsIfWritten: ['streams'],
  writes: ['classes'],
  drops: true,
  state: 'per-flow',
  order: 'per-flow',
  verdicts: ['matched', 'unmatched', 'occurrencesSum', 'bytesSum', 'evictedSum'],
  argument: { kind: 'texts', what: 'a pattern', min: 1, max: MAX_PATTERNS, compile: compilePatterns },
  variants: kernelVariants(20, 10, 10, [3, 0.25, 0.25]),
};
