/* Implements builder.h. */
#include "builder.h"

#include <algorithm>

#include "link_type.h"

namespace model_t {

void TraceBuilder::begin_source(const std::string& path, const std::string& format) {
  source_ = SourceCounts();
  source_.path = path;
  source_.format = format;
  current_link_count_ = nullptr;
  in_source_ = true;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    published_.sources.push_back(source_);
  }
}

AppendStatus TraceBuilder::add(const CapturedPacket& packet) {
  const LinkMapping mapping = map_link(packet.link_type, packet.data, packet.length);
  /* Some writers leave the original length 0 or smaller than what they captured; what is here was on the wire. */
  const uint64_t on_wire = std::max(packet.original_length, packet.length);
  const uint64_t original = on_wire - mapping.strip + mapping.head_length;
  const FrameParts frame = {mapping.head, mapping.head_length, packet.data + mapping.strip, packet.length - mapping.strip};
  const uint64_t time_ns = packet.timed ? packet.time_ns : previous_time_ns_;
  const uint32_t original_length = static_cast<uint32_t>(std::min<uint64_t>(original, UINT32_MAX));
  const AppendStatus status = image_->append(frame, mapping.kind, original_length, time_ns);
  if (status == AppendStatus::ok) count(packet, frame.head_length + frame.body_length, mapping.head_length > 0);
  return status;
}

void TraceBuilder::count(const CapturedPacket& packet, uint32_t frame_length, bool header_given) {
  if (current_link_count_ == nullptr || current_link_type_ != packet.link_type) {
    current_link_type_ = packet.link_type;
    current_link_count_ = &source_.link_types[packet.link_type];
  }
  *current_link_count_ += 1;
  source_.packets += 1;
  source_.bytes += frame_length;
  totals_.smallest = counted_ == 0 ? frame_length : std::min(totals_.smallest, frame_length);
  totals_.largest = std::max(totals_.largest, frame_length);
  counted_ += 1;
  if (packet.length < packet.original_length) totals_.snaplen_truncated += 1;
  if (header_given) totals_.header_given += 1;
  if (!packet.timed) return;
  if (previous_timed_ && packet.time_ns < previous_time_ns_) totals_.backward_timestamps += 1;
  previous_time_ns_ = packet.time_ns;
  previous_timed_ = true;
  totals_.first_time_ns = std::min(totals_.first_time_ns, packet.time_ns);
  totals_.last_time_ns = std::max(totals_.last_time_ns, packet.time_ns);
}

void TraceBuilder::end_source(std::optional<SourceBreak> broken) {
  source_.broken = std::move(broken);
  publish();
  in_source_ = false;
}

void TraceBuilder::publish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<SourceCounts> sources = std::move(published_.sources);
  published_ = totals_;
  published_.sources = std::move(sources);
  if (in_source_) published_.sources.back() = source_;
}

TraceCounts TraceBuilder::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return published_;
}

}  // namespace model_t
