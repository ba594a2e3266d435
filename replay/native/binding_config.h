/*
 * JavaScript config objects to native ones; shapes in replay/native-run.ts. For the bindings. A wrong type is a bug of the
 * TypeScript that has validated them, hence Napi::TypeError.
 */
#ifndef MODEL_T_REPLAY_BINDING_CONFIG_H
#define MODEL_T_REPLAY_BINDING_CONFIG_H

#include <napi.h>

#include "run.h"

namespace model_t {

MutationPlan read_mutation(const Napi::Object& object);
PathPlacement read_placement(const Napi::Object& object);
RunConfig read_config(const Napi::Object& object);

}  // namespace model_t

#endif
