/* Plans of programs as they come from TypeScript (PlanRecord in stack/planner). For the bindings of stack and replay. */
#ifndef MODEL_T_STACK_BINDING_PROGRAM_H
#define MODEL_T_STACK_BINDING_PROGRAM_H

#include <napi.h>

#include "packet_queue.h"
#include "program.h"

namespace model_t {

/* {records: [{kind, name, variant, parameter, wants, data, condition, pass, stores}], needs}. Throws TypeError. */
ProgramPlan read_program(const Napi::Object& object);

/* {bytes, offsets, lengths, times?}; points into the arrays. Throws TypeError or RangeError. */
PacketSet read_packets(const Napi::Object& object);

void export_program(Napi::Env env, Napi::Object exports);
void export_queue(Napi::Env env, Napi::Object exports); /* binding_queue.cc */
void export_hop(Napi::Env env, Napi::Object exports);   /* binding_hop.cc */
void export_probe(Napi::Env env, Napi::Object exports); /* binding_probe.cc */

}  // namespace model_t

#endif
