/*
 * The batches in flight between a device and the engine: what to make next, what has arrived, what may be made anew.
 *
 *   plan() -> the device makes it -> publish() -> the engine hands it to the readers -> reclaim() -> its buffer is free
 *
 * Batch n lives in buffer n modulo their number. plan, publish and reclaim belong to one thread (JavaScript's); available(),
 * at() and consumed() to the engine's. Batches are published in order; a record of one that is published is not
 * changed until it is reclaimed, which happens behind the engine's back only once the engine is through with it.
 */
#ifndef MODEL_T_REPLAY_STAGING_H
#define MODEL_T_REPLAY_STAGING_H

#include <atomic>
#include <string>
#include <vector>

#include "../../stack/native/ring.h"
#include "device_image.h"
#include "planner.h"

namespace model_t {

/* push: readers read where the device wrote. pull: the engine's thread copies into the ring. */
enum class Insert { push, pull };

/* Packets of a batch that lie end to end in one tile; rows and packets count from the start of the tile. */
struct Segment {
  uint32_t tile;
  uint64_t source_offset; /* in the tile's image */
  uint64_t target_offset; /* in the buffer */
  uint64_t bytes;
  uint64_t row4, rows4;
  uint64_t row6, rows6;
  uint64_t packet, packets;
  uint32_t base4;
  uint64_t base6;
  uint64_t lap; /* of the first packet */
  uint64_t index_in_lap;
};

/* Bounds what one batch costs in calls to the device; tiles that small are a choice of tests. */
constexpr uint32_t kMaxSegments = 16;

struct Batch {
  uint64_t number = 0;
  uint32_t slot = 0;
  uint64_t first = 0; /* ordinals of the replay */
  uint64_t end = 0;
  uint64_t start = 0; /* byte in the endless sequence of laps */
  uint64_t bytes = 0;
};

struct StagingConfig {
  Insert insert = Insert::pull;
  std::vector<uint8_t*> buffers; /* 1 to MODEL_T_REGIONS - 1, 64-byte aligned, of batch_bytes or more */
  uint64_t batch_bytes = 0;
  bool streamed = false; /* a batch never crosses the end of a tile */
};

class Staging {
 public:
  /* The layout must be the device image's. Empty, or why this cannot be (one sentence). */
  static std::string check(const StagingConfig& config, const DeviceImage& device);
  Staging(const DeviceImage& device, std::shared_ptr<const DeviceLayout> layout, StagingConfig config, PlannerLimits limits);

  const StagingConfig& config() const { return config_; }

  /* The planning thread. False: nothing more is wanted, or all buffers are in flight. */
  bool plan(Batch* batch, std::vector<Segment>* segments);
  /* The oldest batch that is not published lies in `buffer`, of which `bytes` are mapped. Empty, or why not (one sentence). */
  std::string publish(const uint8_t* buffer, uint64_t bytes);
  /* The oldest published batch that is not reclaimed; null = none. */
  const Batch* oldest() const { return reclaimed_ == published_ ? nullptr : &batches_[reclaimed_ % batches_.size()]; }
  /* Its buffer may be written again. */
  void reclaim() {
    reclaimed_end_ = oldest()->end;
    reclaimed_++;
  }
  /* False: everything was planned, and no buffer is needed any more. */
  bool more() const { return next_ < total_; }
  /* The engine has handed out, or dropped, all ordinals below this. */
  uint64_t consumed() const { return consumed_.load(std::memory_order_acquire); }

  /* The engine's thread; ordinals never go backwards. */
  struct Place {
    uint64_t packets; /* from this ordinal on, that are there; push: in this batch */
    uint16_t region;
    uint64_t offset; /* of the first one's slot; push only */
  };
  Place at(uint64_t ordinal);
  /* Pull: copies the slots of packets that are there; their bytes. */
  uint64_t copy(uint64_t ordinal, uint64_t packets, uint8_t* to, void (*copy)(uint8_t*, const uint8_t*, size_t));
  void set_consumed(uint64_t ordinal);

  /* After the stream has ended, and nothing is reclaimed any more: where the frame of an ordinal below `head` lies; null = it is gone. */
  const uint8_t* frame_at(uint64_t ordinal, uint64_t head) const;
  uint64_t reclaimed_end() const { return reclaimed_end_; }

  /* The batch last looked at ends here. */
  bool at_end(uint64_t ordinal) const { return reading_.end == ordinal; }

 private:
  uint64_t batch_end(uint64_t first) const;
  void cut(const Batch& batch, std::vector<Segment>* segments) const;
  size_t tile_of(uint64_t virtual_packet) const;
  void read_on(uint64_t ordinal);
  uint64_t cut_end(uint64_t first, uint64_t end) const;

  const DeviceImage& device_;
  const std::shared_ptr<const DeviceLayout> layout_;
  const StagingConfig config_;
  uint64_t total_; /* ordinals that will be asked for */
  std::vector<Batch> batches_; /* one per buffer */
  uint64_t planned_ = 0;       /* batches, as the next two: planning thread only */
  uint64_t published_ = 0;
  uint64_t reclaimed_ = 0;
  uint64_t reclaimed_end_ = 0; /* ordinals below are gone */
  uint64_t next_ = 0;          /* ordinal that the next batch begins with */
  /* The batch last looked at, a copy, because its record may be planned anew as soon as it is consumed: engine only. */
  Batch reading_;
  uint64_t read_ = 0; /* batches looked at */
  alignas(128) std::atomic<uint64_t> available_{0}; /* ordinals below are published */
  alignas(128) std::atomic<uint64_t> consumed_{0};
};

}  // namespace model_t

#endif
