/**
 * Bodies of the stack's operations for accelerators: WGSL pieces from replay/kernels put together, and of a filter the function
 * that stack/bpf/wgsl.ts makes of its bytecode. Text only: touches no device. Used by accelerator-program.ts.
 */
import { type DeviceStep, decodeFilter, FILTER_HELPERS, filterShader, ModelTError } from '../../stack/index.js';
import { compose, type Kernel, type KernelBinding } from './kernels.js';

export type BatchBinding = 'packets' | 'places' | 'results' | 'sums';

export interface StepKernel extends Kernel<BatchBinding> {
  /** It gives packets and bytes of the batch in `sums`. */
  readonly hasSums: boolean;
}

/** Words of a step in `sums`: packets and bytes. */
export const SUM_WORDS = 2;

const BINDINGS: readonly KernelBinding<BatchBinding>[] = [
  { name: 'packets', number: 0, type: 'read-only-storage' },
  { name: 'places', number: 1, type: 'read-only-storage' },
  { name: 'results', number: 2, type: 'storage' },
  { name: 'sums', number: 3, type: 'storage' },
];

/** A word and a shift per packet: the sums are added up once for all of an invocation's packets. */
const SIMPLE_PACKETS = 16;
/** Loops and branches inside a loop over packets take SwiftShader's compiler seconds. */
const ONE_PACKET = 1;

/** SwiftShader's compiler takes 0.2 s for 50 instructions, 1 s for 130, 15 s for 560. */
const MOST_SOFTWARE_INSTRUCTIONS = 400;

/** Throws ModelTError for an operation that has no such body, and for a filter that a software device would take minutes for. */
export function stepKernel({ operation, data }: DeviceStep, isSoftware: boolean): StepKernel {
  const kernel = (label: string, pieces: string, packetsPerInvocation: number, hasSums = false): StepKernel => ({
    label,
    text: `${compose(['batch'])}\n${pieces}`,
    bindings: BINDINGS,
    packetsPerInvocation,
    hasSums,
  });
  switch (operation) {
    case 'count':
      return kernel('count', compose(['count']), SIMPLE_PACKETS, true);
    case 'checksum-verify':
      return kernel('checksum-verify', compose(['checksum-verify']), ONE_PACKET);
    case 'bpf': {
      const program = decodeFilter(data ?? new Uint8Array());
      if (isSoftware && program.length > MOST_SOFTWARE_INSTRUCTIONS) throw tooLong(program.length);
      const filter = filterShader(program, 'bpf_match');
      return kernel('bpf', [compose(['bpf-words']), FILTER_HELPERS, filter, compose(['bpf'])].join('\n'), ONE_PACKET);
    }
    default:
      throw new ModelTError('ACCELERATOR_STEP', `No accelerator runs '${operation}'`, 2, `Leave out @wgsl`);
  }
}

function tooLong(instructions: number): ModelTError {
  const problem = `A filter of ${instructions} instructions takes a software GPU too long to compile`;
  return new ModelTError(
    'ACCELERATOR_FILTER',
    problem,
    3,
    `Use at most ${MOST_SOFTWARE_INSTRUCTIONS}, a real GPU, or leave out @wgsl`,
  );
}
