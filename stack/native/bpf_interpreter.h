/*
 * Runs a verified BPF program over a packet. A load beyond the captured length ends it: no match, as with libpcap; so do
 * divisions by an X of zero. The length a program can ask for is the captured one: rings hold no other. Any thread.
 */
#ifndef MODEL_T_STACK_BPF_INTERPRETER_H
#define MODEL_T_STACK_BPF_INTERPRETER_H

#include "bpf_code.h"

namespace model_t {

/* What the program returns; 0 = no match. */
uint32_t interpret_bpf(const BpfInstruction* program, const uint8_t* frame, uint32_t length);

}  // namespace model_t

#endif
