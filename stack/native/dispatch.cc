/* Which ISA this CPU runs, the stack's kernels for it, and the list of all operations. Compiled for the baseline. */
#include <cstring>

#include "bpf_operation.h"
#include "operation.h"

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

extern const OperationBody defrag_operation;
extern const OperationBody burn_operation;
extern const OperationBody flow_operation;
extern const OperationBody order_operation;
extern const OperationBody tcp_stream_operation;
extern const OperationBody http_operation;
[[gnu::weak]] extern const OperationBody gunzip_operation; /* not there in builds without zlib: tests */

namespace {

/* Operations with one body for every CPU; null for one that this build is without. */
const OperationBody* const kGeneralOperations[] = {
    &bpf_interpreter_body, &bpf_native_body, &burn_operation, &defrag_operation, &flow_operation,
    &order_operation, &tcp_stream_operation, &http_operation, &gunzip_operation,
};

bool same(const OperationBody& body, const char* name, const char* variant) {
  return strcmp(body.name, name) == 0 && strcmp(body.variant, variant) == 0;
}

}  // namespace

const OperationBody* find_operation(const char* name, const char* variant) {
  for (const OperationBody* body : kGeneralOperations) {
    if (body && same(*body, name, variant)) return body;
  }
  const StackKernels* const kernels = find_stack_kernels(variant);
  for (uint32_t i = 0; kernels && i < kernels->operation_count; i++) {
    if (same(kernels->operations[i], name, variant)) return &kernels->operations[i];
  }
  return nullptr;
}

}  // namespace model_t
