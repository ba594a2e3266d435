/*
 * Writes delivered packets to a file descriptor as a nanosecond pcap (magic a1b23c4d, little endian).
 *
 * Times are the virtual capture times (seconds past 2106 wrap at 32 bits, as in every pcap writer); the length on the wire is the capture's, so that a snaplen cut stays visible.
 * Called on the container's thread. The descriptor is the caller's, who opens, renames and closes.
 */
#ifndef MODEL_T_REPLAY_PCAP_SINK_H
#define MODEL_T_REPLAY_PCAP_SINK_H

#include <vector>

#include "../../stack/native/path.h"
#include "image.h"

namespace model_t {

class PcapSink : public BurstSink {
 public:
  PcapSink(const TraceImage& image, int file, uint32_t link_type);
  bool take(const Burst256& burst, const uint64_t* times_ns, uint64_t first) override;
  std::string error() const override { return error_; }
  /* Writes what is buffered. False with error(). */
  bool flush();

 private:
  const TraceImage& image_;
  const int file_;
  std::vector<uint8_t> buffer_;
  size_t used_ = 0;
  std::string error_;
};

}  // namespace model_t

#endif
