/* The machine code of a verified BPF program, as BpfNative's function; position-independent. Pure; used by bpf_x64.cc. */
#ifndef MODEL_T_STACK_BPF_X64_CODE_H
#define MODEL_T_STACK_BPF_X64_CODE_H

#include "bpf_code.h"

namespace model_t {

std::vector<uint8_t> bpf_x64_code(const BpfProgram& program);

}  // namespace model_t

#endif
