/* The bodies of the operation bpf, for the list of operations (dispatch.cc). Bodies: stack/ops/bpf.cc. */
#ifndef MODEL_T_STACK_BPF_OPERATION_H
#define MODEL_T_STACK_BPF_OPERATION_H

#include "operation.h"

namespace model_t {

extern const OperationBody bpf_interpreter_body;
extern const OperationBody bpf_native_body;

}  // namespace model_t

#endif
