/* What the x86-64 compiler wants to know about a verified BPF program before it writes code. Pure; used by bpf_x64_code.cc. */
#ifndef MODEL_T_STACK_BPF_ANALYSIS_H
#define MODEL_T_STACK_BPF_ANALYSIS_H

#include "bpf_code.h"

namespace model_t {

struct BpfFlow {
  /* Index of instructions behind a jump, or of the next one for others; equal when there is one. RET: the program's size. */
  uint32_t yes, no;
};

struct BpfAnalysis {
  std::vector<BpfFlow> flow;
  std::vector<bool> reachable;
  /* Some jump leads here, so what stands before is not all that came before. */
  std::vector<bool> target;
  /* A, X is read before it is written from here on; one more than instructions, for what follows the last. */
  std::vector<bool> live_a, live_x;
  /* A holds bytes as they lie in the packet (2 or 4 of them) before the instruction; 0: A holds a number. What loads such
   * a value leaves it unswapped, since all that is done with it is comparing, masking, testing bits with constants. */
  std::vector<uint8_t> raw_before, raw_after;
  /* Loads at constant places end here at most, as far as that is within `limit`. */
  uint32_t certain_bytes = 0;
  bool uses_memory = false;
};

/* `limit`: frame bytes that most packets have. */
BpfAnalysis analyse_bpf(const BpfProgram& program, uint32_t limit);

}  // namespace model_t

#endif
