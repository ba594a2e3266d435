/* The JavaScript class `Run`: one native replay. TypeScript shape: replay/native-run.ts. Called by the module init. */
#ifndef MODEL_T_REPLAY_BINDING_RUN_H
#define MODEL_T_REPLAY_BINDING_RUN_H

#include <napi.h>

namespace model_t {

void init_run(Napi::Env env, Napi::Object exports);

}  // namespace model_t

#endif
