/*
 * The JavaScript class `Trace`: a trace image and the ways to fill it. Its TypeScript shape is in
 * replay/captures/native-trace.ts. The addon's module init calls init_trace(); the engine's binding asks for images.
 */
#ifndef MODEL_T_REPLAY_BINDING_TRACE_H
#define MODEL_T_REPLAY_BINDING_TRACE_H

#include <napi.h>

#include <memory>

#include "image.h"

namespace model_t {

void init_trace(Napi::Env env, Napi::Object exports);

/* The image of a JS Trace; it outlives close() while the pointer is held. Throws Napi::TypeError for any other value. */
std::shared_ptr<TraceImage> trace_image_of(Napi::Value value);

}  // namespace model_t

#endif
