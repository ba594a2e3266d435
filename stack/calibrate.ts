/**
 * Calibration: what an implementation of a step costs here, in time-stamp cycles per packet. Runs the path that leads to it, and
 * it, over sample packets for a few milliseconds. The one part of planning that is not pure; given to the planner by commands.
 */
import type { NativePackets, StackNative } from './native.js';
import { BODIES } from './operations.js';
import { DEVICE_VARIANT } from './planner/device-steps.js';
import { programOf } from './planner/plan.js';
import type { Calibrate, PlanRecord } from './planner/plan-types.js';

/** The best of three: what disturbs a measurement only ever makes it slower. */
const ROUNDS = 3;
const SECONDS = 0.001;
/** A hundred patterns or so. */
const MOST_DATA_BYTES = 4096;

/** Making it takes longer than measuring it, and its tables would be made for every step behind it anew. */
function isCostly({ name, data }: PlanRecord): boolean {
  const keeps = BODIES.some(
    (body) => body.name === name && (body.expands || (body.state === 'per-flow' && body.name !== 'match')),
  );
  return keeps || (data !== null && data.length > MOST_DATA_BYTES);
}

/** `sample` is asked for when the first measurement needs it. */
export function calibration(native: Pick<StackNative, 'runProgram'>, sample: () => NativePackets): Calibrate {
  let packets: NativePackets | null = null;
  return (before, candidate) => {
    if (candidate.variant === DEVICE_VARIANT) return null; /* takes whole batches, and no native program */
    if ([...before, candidate].some(isCostly)) return null;
    packets ??= sample();
    let best: number | null = null;
    for (let round = 0; round < ROUNDS; round++) {
      const program = programOf([...before, candidate]);
      try {
        const { steps } = native.runProgram({ program, packets, collect: false, seconds: SECONDS });
        const last = steps.at(-1);
        /* Conditions and filters on the way may leave nothing of the sample. */
        if (!last || last.packets === 0) return null;
        best = Math.min(best ?? Number.POSITIVE_INFINITY, last.cyclesPerPacket);
      } catch {
        return null; /* no body of that kind here: the planner falls back on what it expects */
      }
    }
    return best;
  };
}
