/* Which ISA this CPU runs, and the stack's kernels for it. Compiled for the baseline. */
#include <cstring>

#include "burst.h"

namespace model_t {

bool cpu_has_isa(const char* isa) {
  if (strcmp(isa, "scalar") == 0) return true;
#if defined(__x86_64__)
  /* __builtin_cpu_supports also asks the operating system (XGETBV) whether it saves the registers. */
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
  if (strcmp(isa, "avx2") == 0) return avx2;
  if (strcmp(isa, "avx512") == 0) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  }
#endif
  return false;
}

const StackKernels* find_stack_kernels(const char* isa) {
  if (!cpu_has_isa(isa)) return nullptr;
#if defined(__x86_64__)
  if (strcmp(isa, "avx512") == 0) return &avx512::stack_kernels;
  if (strcmp(isa, "avx2") == 0) return &avx2::stack_kernels;
#endif
  return &scalar::stack_kernels;
}

}  // namespace model_t
