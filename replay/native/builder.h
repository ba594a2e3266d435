/*
 * The trace builder: the one place where captured packets become frames of the trace image, and are counted.
 *
 * Both readers feed it: the native parser of files and compressed streams, and the packet-by-packet path of the stream
 * parser. One loading thread adds packets; any thread may ask for the counts, which are as of the last publish().
 */
#ifndef MODEL_T_REPLAY_BUILDER_H
#define MODEL_T_REPLAY_BUILDER_H

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "image.h"

namespace model_t {

struct CapturedPacket {
  uint32_t link_type;
  /* False for packets that carry no time (pcapng Simple Packet Blocks): they get their predecessor's. */
  bool timed;
  uint64_t time_ns;
  uint32_t original_length;
  const uint8_t* data;
  uint32_t length;
};

/* Where and why a source could not be read on: byte offset (decompressed) and number, from 1, of the packet not read. */
struct SourceBreak {
  uint64_t offset;
  uint64_t packet;
  std::string reason;
};

struct SourceCounts {
  std::string path;
  std::string format;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  std::map<uint32_t, uint64_t> link_types;
  std::optional<SourceBreak> broken;
};

struct TraceCounts {
  uint64_t first_time_ns = UINT64_MAX; /* Smallest; above last_time_ns while no packet carries a time. */
  uint64_t last_time_ns = 0;           /* Largest. */
  uint64_t backward_timestamps = 0;
  uint64_t snaplen_truncated = 0;
  uint64_t header_given = 0;
  uint32_t smallest = 0;
  uint32_t largest = 0;
  std::vector<SourceCounts> sources;
};

class TraceBuilder {
 public:
  explicit TraceBuilder(std::shared_ptr<TraceImage> image) : image_(std::move(image)) {}

  /* Loading thread only; begin and end pair up, packets are added between them. */
  void begin_source(const std::string& path, const std::string& format);
  AppendStatus add(const CapturedPacket& packet);
  void set_format(const std::string& format) { source_.format = format; }
  void end_source(std::optional<SourceBreak> broken);
  bool in_source() const { return in_source_; }
  uint64_t source_packets() const { return source_.packets; }
  /* Makes the counts so far visible to counts(). Costs a lock: call once per chunk, not per packet. */
  void publish();

  /* Any thread. */
  TraceCounts counts() const;

 private:
  void count(const CapturedPacket& packet, uint32_t frame_length, bool header_given);

  std::shared_ptr<TraceImage> image_;
  TraceCounts totals_; /* Without sources. */
  SourceCounts source_;
  bool in_source_ = false;
  uint64_t previous_time_ns_ = 0;
  bool previous_timed_ = false;
  uint64_t counted_ = 0;
  /* Count of the link type of the last packet: one comparison instead of a search for almost every packet. */
  uint32_t current_link_type_ = 0;
  uint64_t* current_link_count_ = nullptr;

  mutable std::mutex mutex_;
  TraceCounts published_;
};

}  // namespace model_t

#endif
