/* Implements gzip_source.h. */
#include "gzip_source.h"

#include <algorithm>

namespace model_t {
namespace {

/* Larger pieces leave the second-level cache before the packets in them are copied to their slots. */
constexpr size_t kOutputBytes = size_t{1} << 20;
/* Window bits of the gzip format: the largest window (15), gzip header and trailer (16). */
constexpr int kGzipWindowBits = 15 + 16;
constexpr uint8_t kMagicFirst = 0x1f;

}  // namespace

GzipSource::GzipSource() : output_(kOutputBytes) {
  if (inflateInit2(&stream_, kGzipWindowBits) != Z_OK) {
    state_ = State::corrupt;
    problem_ = "zlib cannot be set up";
  }
}

GzipSource::~GzipSource() { inflateEnd(&stream_); }

bool GzipSource::feed(const uint8_t* data, size_t length, const Sink& sink) {
  while (length > 0) {
    const uInt piece = static_cast<uInt>(std::min<size_t>(length, 1u << 30));
    stream_.next_in = const_cast<Bytef*>(data);
    stream_.avail_in = piece;
    data += piece;
    length -= piece;
    while (stream_.avail_in > 0) {
      if (state_ == State::corrupt) return false;
      if (state_ == State::after_member && !start_next_member()) continue;
      if (!inflate_some(sink)) return false;
    }
  }
  return state_ != State::corrupt;
}

/* Passes over zero padding, which archive programs add, to the next member. False when there is nothing to inflate yet. */
bool GzipSource::start_next_member() {
  while (stream_.avail_in > 0 && *stream_.next_in == 0) {
    stream_.next_in += 1;
    stream_.avail_in -= 1;
    taken_ += 1;
  }
  if (stream_.avail_in == 0) return false;
  if (*stream_.next_in != kMagicFirst) {
    state_ = State::corrupt;
    problem_ = "what follows the gzip stream at compressed byte " + std::to_string(taken_) + " is not gzip";
    return false;
  }
  inflateReset(&stream_);
  state_ = State::inside_member;
  return true;
}

/* Inflates until the input at hand is used up, the member ends, or the sink is done (false). */
bool GzipSource::inflate_some(const Sink& sink) {
  for (;;) {
    stream_.next_out = output_.data();
    stream_.avail_out = static_cast<uInt>(output_.size());
    const uInt before = stream_.avail_in;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    taken_ += before - stream_.avail_in;
    const size_t made = output_.size() - stream_.avail_out;
    if (made > 0 && !sink(output_.data(), made)) return false;
    if (status == Z_STREAM_END) {
      state_ = State::after_member;
      return true;
    }
    /* No progress without more input: not an error. */
    if (status == Z_BUF_ERROR) return true;
    if (status != Z_OK) {
      const std::string detail = stream_.msg == nullptr ? "error " + std::to_string(status) : stream_.msg;
      problem_ = "gzip data is corrupt near compressed byte " + std::to_string(taken_) + ": " + detail;
      state_ = State::corrupt;
      return true;
    }
    if (stream_.avail_in == 0 && stream_.avail_out > 0) return true;
  }
}

std::string GzipSource::incomplete() const {
  if (state_ == State::inside_member) return "the gzip stream ends early, after compressed byte " + std::to_string(taken_);
  return problem_;
}

}  // namespace model_t
