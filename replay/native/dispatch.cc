/* The engine's kernels for an ISA. Compiled for the baseline. */
#include <cstring>

#include "../../stack/native/operation.h"
#include "kernels.h"

namespace model_t {

const ReplayKernels* find_replay_kernels(const char* isa) {
  if (!cpu_has_isa(isa)) return nullptr;
#if defined(__x86_64__)
  if (strcmp(isa, "avx512") == 0) return &avx512::replay_kernels;
  if (strcmp(isa, "avx2") == 0) return &avx2::replay_kernels;
#endif
  return &scalar::replay_kernels;
}

}  // namespace model_t
