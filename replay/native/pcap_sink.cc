/* See pcap_sink.h. */
#include "pcap_sink.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace model_t {

namespace {

constexpr size_t kBuffer = 1 << 20;

void put32(uint8_t* at, uint64_t value) {
  const uint32_t word = static_cast<uint32_t>(value);
  memcpy(at, &word, sizeof word);
}

}  // namespace

PcapSink::PcapSink(const TraceImage& image, int file, uint32_t link_type) : image_(image), file_(file), buffer_(kBuffer) {
  uint8_t* header = buffer_.data();
  put32(header, 0xa1b23c4d);
  const uint16_t version[2] = {2, 4};
  memcpy(header + 4, version, sizeof version);
  memset(header + 8, 0, 8);
  put32(header + 16, kMaxFrame);
  put32(header + 20, link_type);
  used_ = 24;
}

bool PcapSink::flush() {
  size_t written = 0;
  while (written < used_) {
    const ssize_t count = write(file_, buffer_.data() + written, used_ - written);
    if (count >= 0) {
      written += static_cast<size_t>(count);
    } else if (errno == EAGAIN) { /* a pipe that Node made non-blocking */
      pollfd wait{file_, POLLOUT, 0};
      poll(&wait, 1, 1000);
    } else if (errno != EINTR) {
      error_ = std::string("cannot write the capture: ") + strerror(errno);
      return false;
    }
  }
  used_ = 0;
  return true;
}

bool PcapSink::take(const Burst256& burst, const uint64_t* times_ns, uint64_t first) {
  const uint64_t packets = image_.packets();
  for (uint32_t i = 0; i < burst.count; i++) {
    const uint32_t length = burst.lengths[i];
    if (used_ + 16 + length > buffer_.size()) {
      if (!flush()) return false;
    }
    const uint64_t ordinal = first + burst.slots[i]; /* operations may have dropped some */
    const uint64_t index = ordinal < packets ? ordinal : ordinal % packets;
    const uint64_t seconds = times_ns[i] / 1000000000u;
    uint8_t* record = buffer_.data() + used_;
    put32(record, seconds);
    put32(record + 4, times_ns[i] % 1000000000u);
    put32(record + 8, length);
    put32(record + 12, image_.original_lengths()[index]);
    memcpy(record + 16, burst.frames[i], length);
    used_ += 16 + length;
  }
  return true;
}

}  // namespace model_t
