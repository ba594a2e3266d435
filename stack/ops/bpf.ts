/** bpf: packets that match a filter expression go on. Bodies: bpf.cc; for accelerators: stack/bpf/wgsl.ts. */
import { filterBytecode } from '../bpf/compile.js';
import { FilterError } from '../bpf/error.js';
import { type Operation, PLAIN, type RefuseArgument } from './operation.js';

/** Several words are one expression: `bpf udp port 53` and `bpf "udp port 53"` are the same. */
function compile(texts: readonly string[], refuse: RefuseArgument): Uint8Array {
  try {
    return filterBytecode(texts.join(' '));
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    let offset = error.offset;
    let text = 0;
    while (text < texts.length - 1 && offset > (texts[text]?.length ?? 0)) offset -= (texts[text++]?.length ?? 0) + 1;
    return refuse(error.problem, error.remedy, text, offset);
  }
}

export const bpf: Operation = {
  ...PLAIN,
  name: 'bpf',
  summary: 'packets that match a filter expression of tcpdump go on; the others leave',
  access: 'payload',
  bytesTouched: null,
  reads: ['frames', 'lengths'],
  drops: true,
  verdicts: ['match', 'other'],
  argument: { kind: 'texts', what: 'a filter expression', min: 1, max: 4096, compile },
  form: 'bpf expression',
  variants: [
    { name: 'interpreter', expectedCycles: { perPacket: 60, perByte: 0 }, form: 'bpf bytecode' },
    { name: 'native', expectedCycles: { perPacket: 8, perByte: 0 }, form: 'x86-64 code', architecture: 'x64' },
    { name: 'wgsl', expectedCycles: { perPacket: 20, perByte: 0 }, form: 'WGSL' },
  ],
};
