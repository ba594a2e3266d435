/* The stack's part of the addon: what the CPU offers, what memory gives, the digest. Called by the module init. */
#ifndef MODEL_T_STACK_BINDING_H
#define MODEL_T_STACK_BINDING_H

#include <napi.h>

namespace model_t {

void init_stack(Napi::Env env, Napi::Object exports);
/* Filters, for tests and comparisons; called by init_stack. */
void init_bpf(Napi::Env env, Napi::Object exports);
void init_match(Napi::Env env, Napi::Object exports); /* called by init_stack */

}  // namespace model_t

#endif
