/*
 * The ways a burst's packets get to where its descriptors will say they are; one call per burst, on the engine's threads.
 *
 *   CopyFilling   copies them from the trace image into the ring and patches them on the way: the native engine
 *   PullFilling   copies them from staging memory, where a device has put them, into the ring
 *   PushFilling   nothing: readers read them in staging memory
 */
#ifndef MODEL_T_REPLAY_FILLING_H
#define MODEL_T_REPLAY_FILLING_H

#include "../../stack/native/ring.h"
#include "kernels.h"
#include "mutation.h"
#include "planner.h"
#include "staging.h"

namespace model_t {

class Filling {
 public:
  virtual ~Filling() = default;
  /* Before bursts of packets below `end` of the image. False: out of memory. A live image has one thread. */
  virtual bool prepare(uint64_t /* end */) { return true; }
  /* Returns the slot bytes that it copied. */
  virtual uint64_t fill(const Burst& burst) = 0;
};

struct CopyOptions {
  const ReplayKernels* kernels = nullptr;
  bool resident = false; /* payload is written while lap < resident_copies, later laps rewrite headers in place */
  uint64_t resident_copies = 0;
};

class CopyFilling final : public Filling {
 public:
  CopyFilling(const TraceImage& image, Mutation& mutation, RingMemory& ring, CopyOptions options)
      : image_(image), mutation_(mutation), ring_(ring), options_(options) {}
  bool prepare(uint64_t end) override { return mutation_.extend_to(end); }
  uint64_t fill(const Burst& burst) override;

 private:
  void fill_tiles(const Burst& burst, uint8_t* target, bool copy);

  const TraceImage& image_;
  Mutation& mutation_;
  RingMemory& ring_;
  const CopyOptions options_;
};

class PullFilling final : public Filling {
 public:
  PullFilling(Staging& staging, RingMemory& ring, const ReplayKernels& kernels) : staging_(staging), ring_(ring), kernels_(kernels) {}
  uint64_t fill(const Burst& burst) override;

 private:
  Staging& staging_;
  RingMemory& ring_;
  const ReplayKernels& kernels_;
};

class PushFilling final : public Filling {
 public:
  uint64_t fill(const Burst&) override { return 0; }
};

}  // namespace model_t

#endif
