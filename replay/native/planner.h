/*
 * Cuts a replay into bursts and gives each its place in the ring: a deterministic walk, the same for every engine thread.
 *
 *   trace image  |--- burst ---|--- burst ---|-- b --| lap end
 *   region       |--- burst ---|--- burst ---| skipped |      wraps to 0; no burst crosses the end
 *
 * The region, or how much of it is in use, may change between two bursts when nothing is unread (resize()).
 * A burst is up to 256 consecutive packets of one lap, at most a quarter of the region, so that a reader can work on one
 * while the next are written. Where bursts are cut depends on the image and the geometry only, never on timing (a live
 * image, dropped bursts and staged packets excepted: one thread then). Packets that a device makes are waited for; those that
 * readers read where they were staged have their place already, and only descriptors limit them. Owned by one thread.
 */
#ifndef MODEL_T_REPLAY_PLANNER_H
#define MODEL_T_REPLAY_PLANNER_H

#include <cstdint>
#include <vector>

#include "image.h"

namespace model_t {

class Staging;

constexpr uint32_t kBurstPackets = 256;

struct Burst {
  uint64_t number;        /* of this burst, from 0 */
  uint64_t ordinal;       /* of its first packet in the replay, from 0 */
  uint64_t position;      /* of its first descriptor, counted from the start of the replay */
  uint64_t lap;
  uint64_t first;         /* packet index in the image */
  uint32_t count;         /* 0 = a mark */
  uint16_t region;        /* 0 = the ring's own */
  uint64_t region_offset; /* of its first slot */
  uint64_t required;      /* readers must have consumed the positions below this before it may be written */
  bool end_of_lap;
  bool mark;
};

struct PlannerLimits {
  uint64_t laps;    /* UINT64_MAX = no limit */
  uint64_t packets; /* UINT64_MAX = no limit */
};

class BurstPlanner {
 public:
  enum class Next { burst, wait, end, too_large };

  /* `staging` null: packets come from the image. */
  BurstPlanner(const TraceImage& image, uint64_t region_bytes, uint32_t descriptors, PlannerLimits limits, Staging* staging = nullptr);

  /* Plans the next burst. `wait`: the live image, or the device, has no more packets yet. `too_large`: the next
     packet's slot exceeds half the region. After `burst` call commit() or drop(). */
  Next next(Burst* out);
  void commit(const Burst& burst);
  /* The burst's packets are skipped; its place in the ring stays free. */
  void drop(const Burst& burst);
  /* A mark at the current position (end of stream); commit() it too. */
  Burst mark();

  /*
   * Uses only the first `bytes` of the region and so many descriptors, from offset 0 on; at most what the ring has. Only when
   * everything that was committed is consumed, for nothing before is remembered as unread.
   */
  void resize(uint64_t bytes, uint32_t descriptors);

  /* Region bytes handed out since the start, skips included. */
  uint64_t bytes() const { return bytes_before_ + bytes_; }
  uint64_t ordinal() const { return ordinal_; }
  uint64_t position() const { return position_; }
  uint64_t lap() const { return lap_; }
  uint64_t index() const { return index_; }

 private:
  struct Outstanding {
    uint64_t position_end;
    uint64_t byte_end;
  };

  uint32_t fit(uint64_t first, uint32_t count, uint64_t bytes) const;
  uint64_t required_for(uint64_t position_end, uint64_t byte_end);
  void advance(const Burst& burst);

  const TraceImage& image_;
  uint64_t region_bytes_;
  uint32_t descriptors_;
  const PlannerLimits limits_;
  Staging* const staging_;
  uint64_t number_ = 0;
  uint64_t ordinal_ = 0;
  uint64_t position_ = 0;
  uint64_t lap_ = 0;
  uint64_t index_ = 0;
  uint64_t bytes_before_ = 0;  /* until the last resize() */
  uint64_t bytes_ = 0;         /* region bytes handed out since then, skips included */
  uint64_t planned_bytes_ = 0; /* where the burst last planned ends */
  /* Bursts that may still be unread, oldest first: a growing ring buffer of a power-of-two size. */
  std::vector<Outstanding> outstanding_;
  uint64_t oldest_ = 0;
  uint64_t newest_ = 0;
  uint64_t freed_position_ = 0;
  uint64_t freed_bytes_ = 0;
};

}  // namespace model_t

#endif
