/*
 * Changes the size of a ring while packets flow: asks the sizer (stack/native/ring_sizer.h), and carries out what it wants.
 *
 *   engine, one producing thread:   publish -> published()      keeps count; every 50 us asks the sizer
 *                                   before the next burst: pending()? -> try_apply() until it is not `waiting`
 *
 * A change takes place between two bursts, when every block reader has consumed all that is published: why that, and the order of
 * the three stores, is at model_t_ring_load_mask() (stack/include/model_t_ring.h). The producer does not publish meanwhile; it
 * waits as long as readers need for what the ring holds, and polls, so that it may be an agent that must not block. Drop readers
 * are not waited for: one that is behind puts the change off, and so does a block reader that does not move at all.
 *
 * The paper looks when the producer wraps. A small ring wraps every few microseconds and a large one every ten milliseconds, so
 * here the time decides; a change starts again at offset 0, as a wrap does.
 *
 * All calls but events() from the producing thread; events() when that has ended.
 */
#ifndef MODEL_T_REPLAY_RESIZING_H
#define MODEL_T_REPLAY_RESIZING_H

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "../../stack/native/ring.h"
#include "../../stack/native/ring_sizer.h"
#include "../../stack/native/statistics_layout.h"
#include "planner.h"

namespace model_t {

/* The ring has this size from then on; distance and rate are of the time before, at the size before. */
struct RingEvent {
  uint64_t time_ns = 0; /* CLOCK_MONOTONIC */
  uint64_t bytes = 0;
  uint64_t distance = 0; /* positions between producer and slowest reader, moving average */
  uint64_t packets_per_second = 0;
  RingReason reason = RingReason::start;
};

/* A long run drops every second one when there are so many. */
constexpr size_t kMostRingEvents = 1024;

class Resizing {
 public:
  /* The ring starts with `start_bytes` in use. `readers` is guarded by `mutex`. `policy` null: a RingSizer. */
  Resizing(const TraceImage& image, RingMemory& ring, ReaderTable& readers, std::mutex& mutex, ProducerBlock* statistics, uint64_t start_bytes,
           SizePolicy* policy);

  /* Once, before the first burst is planned. */
  void begin(uint64_t now, BurstPlanner& planner);
  /* Behind every burst that was published. */
  void published(uint64_t now, const BurstPlanner& planner) {
    if (!pending_ && now - looked_ns_ >= kLookNs) look(now, planner);
  }
  bool pending() const { return pending_; }

  enum class Change { made, waiting, put_off };
  /*
   * Between two bursts, while pending(). `raise_floor` is the engine's; `waiting`: publish nothing and call again. Afterwards
   * pending() is false.
   */
  Change try_apply(uint64_t now, BurstPlanner& planner, const std::function<void(uint64_t)>& raise_floor);

  const std::vector<RingEvent>& events() const { return events_; }
  uint64_t bytes() const { return bytes_; }

 private:
  static constexpr uint64_t kLookNs = 50 * 1000;

  void look(uint64_t now, const BurstPlanner& planner);
  RingView view(uint64_t now, const BurstPlanner& planner, uint64_t consumed) const;
  void use(uint64_t bytes, BurstPlanner& planner);
  void note(uint64_t now, const BurstPlanner& planner, RingReason reason);

  RingMemory& ring_;
  ReaderTable& readers_;
  std::mutex& mutex_;
  ProducerBlock* const statistics_;
  std::unique_ptr<SizePolicy> own_;
  SizePolicy& policy_;
  uint64_t bytes_; /* in use */
  uint64_t wanted_ = 0;
  bool pending_ = false;
  uint64_t pending_since_ns_ = 0;
  uint64_t pending_tail_ = 0; /* of the slowest block reader, when it last moved */
  uint64_t looked_ns_ = 0;
  double distance_ = 0;
  double waited_ns_ = 0; /* before a full ring; the engine counts it in cycles */
  uint64_t waited_cycles_ = 0;
  uint64_t begun_ns_ = 0;
  uint64_t begun_cycles_ = 0;
  uint64_t noted_ns_ = 0;
  uint64_t noted_position_ = 0;
  std::vector<RingEvent> events_;
};

}  // namespace model_t

#endif
