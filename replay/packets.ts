/** Packets of a trace as the stack's queue experiment and calibration take them. Copies; for set-up, never on the data path. */
import { ModelTError, type NativePackets } from '../stack/index.js';
import { nativeOf, type Trace } from './trace.js';

/** What a 32-bit offset reaches, with room for one more frame. */
const MOST_BYTES = 2 ** 32 - 2 ** 18;

/** The first `limit` packets of a trace that is loaded; those of link types that are no Ethernet included, as they are replayed. */
export function tracePackets(trace: Trace, limit = Number.MAX_SAFE_INTEGER): Required<NativePackets> {
  const native = nativeOf(trace);
  const count = Math.min(trace.info().packets, limit);
  const lengths = new Uint32Array(count);
  const offsets = new Uint32Array(count);
  const times = new BigUint64Array(count);
  const frames: Uint8Array[] = [];
  let used = 0;
  for (let index = 0; index < count; index++) {
    const packet = native.packet(index);
    if (!packet) throw new RangeError(`packet ${index} of ${count} is missing`);
    lengths[index] = packet.data.length;
    offsets[index] = used;
    times[index] = packet.timeNs;
    frames.push(packet.data);
    used += packet.data.length;
    if (used > MOST_BYTES) {
      const remedy = 'Take fewer packets, or a smaller capture';
      throw new ModelTError('TRACE_TOO_LARGE', `${index + 1} packets have more than 4 GiB`, 2, remedy);
    }
  }
  const bytes = new Uint8Array(used);
  for (const [index, frame] of frames.entries()) bytes.set(frame, offsets[index]);
  return { bytes, offsets, lengths, times };
}
