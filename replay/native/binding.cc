/* Module init of the addon: one .node file for stack and replay, because they share C++ objects. */
#include <napi.h>

#include "../../stack/native/binding.h"
#include "binding_device.h"
#include "binding_run.h"
#include "binding_trace.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  model_t::init_stack(env, exports);
  model_t::init_trace(env, exports);
  model_t::init_device(env, exports);
  model_t::init_run(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(model_t, init)
