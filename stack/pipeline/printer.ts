/**
 * A pipeline as text, in the one form that parses to the same pipeline. The text is put together node by node, so that every
 * step learns at which column it stands. Pure; called by ../pipeline.ts.
 */
import type { Node, Sequence } from './tree.js';

/** Words that need no quotes: nothing that the lexer takes for something else. */
const BARE = /^[\w.:/=<>!&*,\-[\]{}^~#$%?;][\w.:/=<>!&*,\-[\]{}^~#$%?;@+']*$/;
const NAMED: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One argument from its bytes. */
export function printArgument(bytes: string): string {
  if (BARE.test(bytes)) return bytes;
  const escaped = bytes.replace(
    /["\\]|[^ -~]/g,
    (character) => NAMED[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${escaped}"`;
}

/** The text, and the same sequence with the columns of that text. */
export function place(sequence: Sequence): { readonly text: string; readonly sequence: Sequence } {
  let text = '';
  const placeNode = (node: Node, index: number): Node => {
    if (node.condition !== null) text += `${index > 0 ? ' ' : ''}|${node.condition} `;
    else if (index > 0) text += ' | ';
    const column = text.length + 1;
    if (node.kind === 'step') {
      text += node.text;
      return { ...node, column };
    }
    const branches = node.branches.map((branch, number) => {
      text += number === 0 ? '( ' : ' + ( ';
      const placed = branch.map(placeNode);
      text += ' )';
      return placed;
    });
    return { ...node, branches, column };
  };
  const placed = sequence.map(placeNode);
  return { text, sequence: placed };
}
