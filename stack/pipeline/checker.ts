/**
 * Pipelines whose declarations conflict are refused here, wherever they would run: columns that nobody wrote, columns that come
 * out of no branch, steps that nothing reaches, writes that nobody can see, packet bytes that change beside a reader.
 * Branches get copies of the columns (native/program.cc), so that only packet bytes are shared between them. Pure.
 */
import { OPERATIONS } from '../operations.js';
import type { Column } from '../ops/operation.js';
import { fateOf, GIVEN, GIVEN_TO_NEW_ROWS, readsOf } from './columns.js';
import { refuse } from './refusal.js';
import { type Group, type Node, type Sequence, type Step, stepsOf } from './tree.js';

/** A container's statistics page has room for so many. */
const MAX_STEPS = 64;

/** Throws ModelTError. Columns of the steps are offsets in `text` plus one. */
export function check(sequence: Sequence, text: string): void {
  const steps = stepsOf(sequence);
  if (steps.length > MAX_STEPS) {
    refuse(text, (steps[MAX_STEPS]?.column ?? 1) - 1, `${steps.length} operations`, `A container runs at most ${MAX_STEPS}`);
  }
  const start: Knowledge = {
    written: new Map(GIVEN.map((column) => [column, null])),
    inBranch: new Map(),
    maker: null,
    lost: new Set(),
  };
  const checker = new Checker(text);
  checker.sequence(sequence, start);
  checker.deadWrites(sequence);
}

/** What is known about the columns at one place. */
interface Knowledge {
  /** Columns that hold something, and who wrote it; null = it was given. */
  readonly written: Map<Column, Step | null>;
  /** Columns that branches before this place wrote, and nobody since. */
  readonly inBranch: Map<Column, Step>;
  /** The last operation that made rows of its own. */
  maker: Step | null;
  /** Columns that were written before that, and are gone since. */
  lost: ReadonlySet<Column>;
}

class Checker {
  constructor(private readonly text: string) {}

  private refuse(node: Node, problem: string, remedy: string): never {
    refuse(this.text, node.column - 1, problem, remedy);
  }

  /** Returns the step or group behind which nothing goes on, or null. */
  sequence(sequence: Sequence, knowledge: Knowledge): Node | null {
    let end: Node | null = null;
    for (const node of sequence) {
      if (end) this.refuseUnreached(node, end);
      if (node.condition !== null) this.read(node, 'classes', knowledge);
      end = node.kind === 'step' ? this.step(node, knowledge) : this.group(node, knowledge);
    }
    return end;
  }

  deadWrites(sequence: Sequence): void {
    sequence.forEach((node, index) => {
      if (node.kind === 'step') this.refuseDeadWrites(node, sequence.slice(index + 1));
      else for (const branch of node.branches) this.deadWrites(branch);
    });
  }

  private refuseUnreached(node: Node, end: Node): never {
    const reason =
      end.kind === 'step' ? `${nameOf(end)} lets nothing through` : 'no branch of the group before it lets its rows out';
    this.refuse(node, `nothing reaches ${nameOf(node)}: ${reason}`, `Put it before ${nameOf(end)}, or into a branch of its own`);
  }

  private step(step: Step, knowledge: Knowledge): Node | null {
    const { operation } = step;
    for (const column of readsOf(step)) this.read(step, column, knowledge);
    if (operation.expands) {
      knowledge.lost = new Set([...knowledge.lost, ...knowledge.written.keys()]);
      knowledge.written.clear();
      knowledge.inBranch.clear();
      for (const column of GIVEN_TO_NEW_ROWS) knowledge.written.set(column, null);
      knowledge.maker = step;
    }
    for (const column of operation.writes) {
      knowledge.written.set(column, step);
      knowledge.inBranch.delete(column);
    }
    return operation.last ? step : null;
  }

  private read(reader: Node, column: Column, { written, inBranch, maker, lost }: Knowledge): void {
    const subject = reader.condition !== null && column === 'classes' ? `'|${reader.condition}'` : nameOf(reader);
    const branchWriter = inBranch.get(column);
    if (branchWriter) this.refuseFromBranch(reader, subject, column, branchWriter);
    if (written.has(column)) return;
    if (maker && lost.has(column)) {
      const problem = `${subject} reads the column '${column}', which ${nameOf(maker)} does not give to the rows it makes,`;
      this.refuse(reader, problem, `Put it before ${nameOf(maker)}, or ${nameOf(maker)} into a branch of its own`);
    }
    const writers = OPERATIONS.filter(({ reads, writes }) => writes.includes(column) && !reads.includes(column));
    const simple = writers.filter(({ expands }) => !expands);
    const remedy = `Put ${listed((simple.length > 0 ? simple : writers).map(({ name }) => name))} before it`;
    this.refuse(reader, `${subject} reads the column '${column}', which nothing before it writes,`, remedy);
  }

  private refuseFromBranch(reader: Node, subject: string, column: Column, writer: Step): never {
    const why = writer.operation.expands ? 'for rows of its own, which end with their branch' : 'in a branch, where it stays';
    const problem = `${subject} reads the column '${column}', which ${nameOf(writer)} (column ${writer.column}) writes ${why},`;
    this.refuse(reader, problem, `Put ${subject} into that branch, or ${nameOf(writer)} before the group`);
  }

  /** Of operations that do nothing but write columns: all of it is lost, for the same rows, before anybody looks. */
  private refuseDeadWrites(step: Step, behind: Sequence): void {
    const { name, writes, onDemand, drops, expands, writesPacket, rows } = step.operation;
    const sure = writes.filter((column) => !onDemand.includes(column));
    if (sure.length === 0 || drops || expands || writesPacket !== 'no') return;
    const fates = sure.map((column) => fateOf(behind, column, rows));
    const [first] = fates;
    if (!first || first.kind === 'end' || fates.some(({ kind }) => kind === 'read' || kind === 'end')) return;
    const how = first.kind === 'gone' ? 'does not give to the rows it makes' : 'overwrites';
    const problem = `'${name}' writes ${listed(sure, 'and')}, which ${nameOf(first.by)} (column ${first.by.column}) ${how} before anything reads it,`;
    this.refuse(step, problem, `Leave out '${name}', or use what it writes before that`);
  }

  private group(group: Group, knowledge: Knowledge): Node | null {
    this.refuseSharedBytes(group);
    const made: (Node | null)[] = group.branches.map((branch) => {
      const copy = { ...knowledge, written: new Map(knowledge.written), inBranch: new Map(knowledge.inBranch) };
      const end = this.sequence(branch, copy);
      return end ?? stepsAlong(branch).find(({ operation }) => operation.expands) ?? null;
    });
    for (const branch of group.branches) this.noteWrites(branch, knowledge);
    return made.every((end) => end !== null) ? group : null;
  }

  /** What is written on demand counts only if somebody in the branch asks for it, or if behind it something else could be meant. */
  private noteWrites(branch: Sequence, { written, inBranch }: Pick<Knowledge, 'written' | 'inBranch'>): void {
    branch.forEach((node, index) => {
      if (node.kind === 'group') {
        for (const inner of node.branches) this.noteWrites(inner, { written, inBranch });
        return;
      }
      const { writes, onDemand, rows } = node.operation;
      for (const column of writes) {
        const asked = !onDemand.includes(column) || fateOf(branch.slice(index + 1), column, rows).kind === 'read';
        if ((asked || !written.get(column)) && !inBranch.has(column)) inBranch.set(column, node);
      }
    });
  }

  /** Bytes of packets are not copied: who changes them disturbs whoever looks at them in another branch. */
  private refuseSharedBytes({ branches }: Group): void {
    const all = branches.map((branch) => stepsOf(branch));
    all.forEach((steps, index) => {
      const writer = steps.find(({ operation }) => operation.writesPacket !== 'no');
      const reader = all
        .flatMap((others, other) => (other === index ? [] : others))
        .find(({ operation }) => operation.access !== 'none');
      if (!writer || !reader) return;
      const problem = `'${writer.operation.name}' changes packets while ${nameOf(reader)} (column ${reader.column}) looks at them in another branch,`;
      this.refuse(writer, problem, `Put '${writer.operation.name}' before or behind the group`);
    });
  }
}

/** Steps that every row of a sequence passes: those of its branches are not among them. */
function stepsAlong(sequence: Sequence): Step[] {
  return sequence.filter((node) => node.kind === 'step');
}

/** As the user wrote it: `tcp` for either of its bodies. */
function nameOf(node: Node): string {
  return node.kind === 'step' ? `'${node.text.split(/[\s@]/, 1)[0]}'` : 'the group';
}

function listed(words: readonly string[], joint = 'or'): string {
  return words.length < 2 ? (words[0] ?? 'nothing') : `${words.slice(0, -1).join(', ')} ${joint} ${words.at(-1)}`;
}
