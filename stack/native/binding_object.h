/* Typed reads of a config object that TypeScript made. For bindings only. */
#ifndef MODEL_T_STACK_BINDING_OBJECT_H
#define MODEL_T_STACK_BINDING_OBJECT_H

#include <initializer_list>
#include <string>

#include <napi.h>

namespace model_t {

/* Typed reads of a config object that TypeScript has already validated: a wrong type here is a bug, hence TypeError. */
class ConfigObject {
 public:
  explicit ConfigObject(const Napi::Object& object) : object_(object) {}
  double number(const char* key) const { return get(key, napi_number).As<Napi::Number>().DoubleValue(); }
  uint64_t big(const char* key) const {
    bool lossless = false;
    return get(key, napi_bigint).As<Napi::BigInt>().Uint64Value(&lossless);
  }
  uint32_t small(const char* key) const { return static_cast<uint32_t>(number(key)); }
  bool has(const char* key) const { return object_.Has(key) && !object_.Get(key).IsUndefined(); }
  bool flag(const char* key) const { return get(key, napi_boolean).As<Napi::Boolean>().Value(); }
  std::string text(const char* key) const { return get(key, napi_string).As<Napi::String>().Utf8Value(); }
  Napi::Array list(const char* key) const { return get(key, napi_object).As<Napi::Array>(); }
  Napi::Object object(const char* key) const { return get(key, napi_object).As<Napi::Object>(); }
  /* Index of the text in `names`. */
  uint32_t choice(const char* key, std::initializer_list<const char*> names) const {
    const std::string value = text(key);
    uint32_t index = 0;
    for (const char* name : names) {
      if (value == name) return index;
      index++;
    }
    throw Napi::TypeError::New(object_.Env(), std::string(key) + " cannot be '" + value + "'");
  }

 private:
  Napi::Value get(const char* key, napi_valuetype type) const {
    const Napi::Value value = object_.Get(key);
    if (value.Type() != type) throw Napi::TypeError::New(object_.Env(), std::string("wrong type of ") + key);
    return value;
  }
  Napi::Object object_;
};

}  // namespace model_t

#endif
