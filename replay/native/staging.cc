/* See staging.h. */
#include "staging.h"

#include <algorithm>

namespace model_t {

namespace {

uint64_t total_packets(const DeviceImage& device, const PlannerLimits& limits) {
  const uint64_t lap = device.lap_packets();
  return limits.laps > limits.packets / lap ? limits.packets : limits.laps * lap;
}

}  // namespace

std::string Staging::check(const StagingConfig& config, const DeviceImage& device) {
  const size_t most = MODEL_T_REGIONS - 1;
  if (config.buffers.empty() || config.buffers.size() > most) {
    return std::to_string(config.buffers.size()) + " staging buffers do not do: 1 to " + std::to_string(most);
  }
  if (config.batch_bytes < device.largest_slot() || config.batch_bytes > kMaxRegionBytes) {
    return "batches of " + std::to_string(config.batch_bytes) + " bytes do not do: from the largest slot (" +
           std::to_string(device.largest_slot()) + " bytes) to 4 GiB";
  }
  for (const uint8_t* buffer : config.buffers) {
    if (buffer && reinterpret_cast<uintptr_t>(buffer) % kLine == 0) continue;
    return "a staging buffer is not mapped, smaller than a batch, or not 64-byte aligned";
  }
  return "";
}

Staging::Staging(const DeviceImage& device, std::shared_ptr<const DeviceLayout> layout, StagingConfig config, PlannerLimits limits)
    : device_(device),
      layout_(std::move(layout)),
      config_(std::move(config)),
      total_(total_packets(device, limits)),
      batches_(config_.buffers.size()) {}

/* ---- the planning thread -------------------------------------------------------------------------------------------- */

size_t Staging::tile_of(uint64_t virtual_packet) const {
  const auto& tiles = layout_->tiles;
  const auto above = std::upper_bound(tiles.begin(), tiles.end(), virtual_packet,
                                      [](uint64_t packet, const DeviceTile& tile) { return packet < tile.first; });
  return static_cast<size_t>(above - tiles.begin()) - 1;
}

/* Where the segment that begins with ordinal `first` ends: at `end`, or where its tile does. */
uint64_t Staging::cut_end(uint64_t first, uint64_t end) const {
  const uint64_t packet = first % (layout_->copies * device_.lap_packets());
  const DeviceTile& tile = layout_->tiles[tile_of(packet)];
  return std::min(end, first + (tile.first + tile.packets - packet));
}

/*
 * Never more than the device holds: all segments are changed before the first is copied, so that a batch that came round to its own
 * beginning would overwrite it.
 */
uint64_t Staging::batch_end(uint64_t first) const {
  const uint64_t once = first + layout_->copies * device_.lap_packets();
  const uint64_t end = std::min({total_, once, device_.packets_within(device_.bytes_before(first) + config_.batch_bytes)});
  uint64_t at = first;
  for (uint32_t segments = 0; at < end && segments < (config_.streamed ? 1 : kMaxSegments); segments++) at = cut_end(at, end);
  return at;
}

bool Staging::plan(Batch* batch, std::vector<Segment>* segments) {
  if (next_ >= total_ || planned_ - reclaimed_ == batches_.size()) return false;
  Batch& record = batches_[planned_ % batches_.size()];
  record.number = planned_;
  record.slot = static_cast<uint32_t>(planned_ % batches_.size());
  record.first = next_;
  record.end = batch_end(next_);
  record.start = device_.bytes_before(record.first);
  record.bytes = device_.bytes_before(record.end) - record.start;
  cut(record, segments);
  next_ = record.end;
  planned_++;
  *batch = record;
  return true;
}

void Staging::cut(const Batch& batch, std::vector<Segment>* segments) const {
  segments->clear();
  const uint64_t lap_packets = device_.lap_packets(), copies = layout_->copies;
  const Mutation& mutation = *device_.mutation();
  const bool off = mutation.plan().unique == Unique::off;
  for (uint64_t first = batch.first; first < batch.end;) {
    const uint64_t end = cut_end(first, batch.end);
    const uint64_t from = first % (copies * lap_packets), to = from + (end - first);
    const size_t number = tile_of(from);
    const DeviceTile& tile = layout_->tiles[number];
    const uint64_t lap = first / lap_packets;
    const uint64_t passed = off ? 0 : lap / copies * copies; /* lap - copy: whole passes over the virtual image */
    Segment segment{};
    segment.tile = static_cast<uint32_t>(number);
    segment.source_offset = device_.bytes_before(from) - tile.start;
    segment.target_offset = device_.bytes_before(first) - batch.start;
    segment.bytes = device_.bytes_before(end) - device_.bytes_before(first);
    segment.row4 = device_.rows4_before(from) - tile.first4;
    segment.rows4 = device_.rows4_before(to) - device_.rows4_before(from);
    segment.row6 = device_.rows6_before(from) - tile.first6;
    segment.rows6 = device_.rows6_before(to) - device_.rows6_before(from);
    segment.packet = from - tile.first;
    segment.packets = end - first;
    segment.base4 = static_cast<uint32_t>(passed * mutation.count4());
    segment.base6 = passed * mutation.count6();
    segment.lap = lap;
    segment.index_in_lap = first % lap_packets;
    segments->push_back(segment);
    first = end;
  }
}

std::string Staging::publish(const uint8_t* buffer, uint64_t bytes) {
  if (published_ == planned_) return "no batch is waiting to be published";
  const Batch& batch = batches_[published_ % batches_.size()];
  if (buffer != config_.buffers[batch.slot] || bytes < batch.bytes) {
    return "batch " + std::to_string(batch.number) + " belongs into staging buffer " + std::to_string(batch.slot) + ", " +
           std::to_string(batch.bytes) + " bytes of it mapped; this is another, or not all of it";
  }
  published_++;
  available_.store(batch.end, std::memory_order_release);
  return "";
}

/* Records of batches that reach below `head` are published and stand still; those behind them may be planned at this moment. */
const uint8_t* Staging::frame_at(uint64_t ordinal, uint64_t head) const {
  if (ordinal < reclaimed_end_ || ordinal >= head) return nullptr;
  for (uint64_t number = reclaimed_;; number++) {
    const Batch& batch = batches_[number % batches_.size()];
    if (ordinal < batch.end) return config_.buffers[batch.slot] + kFrameOffset + (device_.bytes_before(ordinal) - batch.start);
  }
}

/* ---- the engine's thread -------------------------------------------------------------------------------------------- */

/* Makes `reading_` the batch of an ordinal that is there: published, not consumed, so its record stands still. */
void Staging::read_on(uint64_t ordinal) {
  while (reading_.end <= ordinal) reading_ = batches_[read_++ % batches_.size()];
}

Staging::Place Staging::at(uint64_t ordinal) {
  const uint64_t available = available_.load(std::memory_order_acquire);
  if (ordinal >= available) return {0, 0, 0};
  if (config_.insert == Insert::pull) return {available - ordinal, 0, 0};
  read_on(ordinal);
  return {reading_.end - ordinal, static_cast<uint16_t>(reading_.slot + 1), device_.bytes_before(ordinal) - reading_.start};
}

uint64_t Staging::copy(uint64_t ordinal, uint64_t packets, uint8_t* to, void (*copy)(uint8_t*, const uint8_t*, size_t)) {
  uint64_t copied = 0;
  for (const uint64_t end = ordinal + packets; ordinal < end;) {
    read_on(ordinal);
    const uint64_t next = std::min(end, reading_.end);
    const uint64_t start = device_.bytes_before(ordinal), bytes = device_.bytes_before(next) - start;
    copy(to + copied, config_.buffers[reading_.slot] + (start - reading_.start), bytes);
    copied += bytes;
    ordinal = next;
  }
  return copied;
}

/* Looks at all batches up to the last one that this passes before it gives any of them away. */
void Staging::set_consumed(uint64_t ordinal) {
  if (ordinal > 0) read_on(ordinal - 1);
  consumed_.store(ordinal, std::memory_order_release);
}

}  // namespace model_t
