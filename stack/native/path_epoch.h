/* What a path is made of inside: placements as epochs, their stages, the agents. For the path's own .cc files. */
#ifndef MODEL_T_STACK_PATH_EPOCH_H
#define MODEL_T_STACK_PATH_EPOCH_H

#include "burst_ring.h"
#include "path.h"

namespace model_t {

/*
 * What a placement gives to one container of intake and units. Written by that container only, and gone with its epoch: a
 * container that has not yet seen that another placement holds touches nothing that somebody else has taken over.
 */
struct alignas(128) Path::Stage {
  Path* path = nullptr;
  const PathPlacement* placement = nullptr;
  std::unique_ptr<ProgramRange> range;
  bool first = false; /* with the intake */
  bool final = false; /* what is through here is through */
  bool vertical = false;
  BurstRing* in = nullptr;
  uint32_t place = 0;       /* among the stages that go over `in` */
  BurstRing* out = nullptr; /* where rows are copied to, as stage 0 of that ring; null: the next stage goes on in `in` */
  uint64_t index = 0;       /* of the slot of `in` to work on next */
  uint64_t published = 0;
  uint64_t through = 0;     /* of the final stage: bursts that are */
  bool stopped = false;     /* of the first stage: takes no more in, another placement starts */
  BurstSlot* working = nullptr;
  bool owed = false;        /* the burst at `index` was run, and has not got its last slot of `out` */

  /* Of `out`. */
  uint64_t out_index = 0;
  uint64_t out_published = 0;
  BurstSlot* open = nullptr;
  uint32_t part = 0;
};

struct Path::Epoch {
  static constexpr uint64_t kNotYet = UINT64_MAX;

  uint64_t number = 0;
  PathPlacement placement;
  std::vector<Stage> stages;
  std::vector<std::unique_ptr<BurstRing>> rings;
  std::vector<int32_t> stage_of; /* by container; -1 = none */
  uint64_t requested_ns = 0;
  uint64_t at_packet = 0; /* written before `start` */
  /* First burst of this placement; written once, by who runs the intake of the one before. */
  std::atomic<uint64_t> start{kNotYet};
};

class Path::ContainerAgent final : public Agent {
 public:
  ContainerAgent(Path& path, uint32_t container) : path_(path), container_(container) {}
  int64_t do_work(uint32_t slice) override { return path_.work(*this, slice); }
  uint32_t container() const { return container_; }

  /* Epochs before this one are not looked at any more: release, so that who frees them comes after the last look. */
  void see(uint64_t epoch) {
    if (epoch != seen_.load(std::memory_order_relaxed)) seen_.store(epoch, std::memory_order_release);
  }
  uint64_t seen() const { return seen_.load(std::memory_order_acquire); }

 private:
  Path& path_;
  const uint32_t container_;
  alignas(128) std::atomic<uint64_t> seen_{0};
};

/* Of statistics blocks: one writer at a time, and readers that only want a recent value. */
inline void set_value(uint64_t* to, uint64_t value) { __atomic_store_n(to, value, __ATOMIC_RELAXED); }
inline void add_value(uint64_t* to, uint64_t value) { set_value(to, *to + value); }

/* One in eight, by chance (xorshift), and the first: what is timed, as program.cc does it. */
inline bool chosen(uint64_t& chance, bool first) {
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return first || chance % 8 == 0;
}

}  // namespace model_t

#endif
