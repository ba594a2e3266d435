/**
 * skeleton: the operation to copy when you write one of your own. It tells frames to a group (multicast, broadcast) from frames
 * to one station by the lowest bit of the first byte (IEEE 802, I/G bit). Body: skeleton.cc.
 *
 * Everything below is checked: against the text of the body, by the planner in every pipeline, and in `model-t ops`.
 */
import { kernelVariants, type Operation, PLAIN } from './operation.js';

export const skeleton: Operation = {
  ...PLAIN /* changes no packet, lets all rows pass, remembers nothing, takes no argument */,
  /* The name in pipelines, and of the files: lower case, dashes. */
  name: 'skeleton',
  summary: 'the example operation: class 1 for group addresses, 0 for individual ones',
  /* It looks at the first byte of the frame. */
  access: 'header',
  bytesTouched: 1,
  /* Columns that the body takes values from; the planner sees to it that somebody has written them. */
  reads: ['frames', 'lengths'],
  /* Columns that the body fills in, of every row: hence `rows: 'all'` above. */
  writes: ['classes'],
  /* What it counts, in the order of state.verdicts[] in the body. */
  verdicts: ['group', 'individual'],
  /* One text, compiled for each instruction set; what a packet is expected to cost (measured: `model-t ops --explain`). */
  variants: kernelVariants(1.5, 1.2, 1.2),
};
