/* The stack's part of the addon: what the CPU offers, what memory gives, the digest. Called by the module init. */
#ifndef MODEL_T_STACK_BINDING_H
#define MODEL_T_STACK_BINDING_H

#include <napi.h>

namespace model_t {

void init_stack(Napi::Env env, Napi::Object exports);

}  // namespace model_t

#endif
