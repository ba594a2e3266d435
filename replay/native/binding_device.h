/* The JavaScript class `DeviceImage`. TypeScript shape: replay/native-run.ts. Called by the module init and the run's binding. */
#ifndef MODEL_T_REPLAY_BINDING_DEVICE_H
#define MODEL_T_REPLAY_BINDING_DEVICE_H

#include <napi.h>

#include "device_image.h"

namespace model_t {

struct DeviceHandle {
  std::shared_ptr<const DeviceImage> image;
  std::shared_ptr<const DeviceLayout> layout; /* the last one; null before the first */
};

void init_device(Napi::Env env, Napi::Object exports);

/* Of a JS DeviceImage; outlives it. Throws Napi::TypeError for any other value. */
DeviceHandle device_image_of(Napi::Value value);

}  // namespace model_t

#endif
