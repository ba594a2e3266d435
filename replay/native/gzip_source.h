/*
 * Gzip, decompressed as it arrives: one or several members in, plain bytes out to a sink, 1 MiB at a time.
 *
 * Uses the zlib that Node carries (its headers declare it, its binary exports it). Called by the capture input only.
 */
#ifndef MODEL_T_REPLAY_GZIP_SOURCE_H
#define MODEL_T_REPLAY_GZIP_SOURCE_H

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace model_t {

class GzipSource {
 public:
  /* Takes decompressed bytes; returns false when it wants no more. */
  using Sink = std::function<bool(const uint8_t*, size_t)>;

  GzipSource();
  ~GzipSource();
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  /* Returns false once no more bytes are wanted: the sink is done or the stream is corrupt. */
  bool feed(const uint8_t* data, size_t length, const Sink& sink);
  /* After the last byte: why the stream is not whole, with the compressed offset; empty when it is whole. */
  std::string incomplete() const;

 private:
  enum class State { inside_member, after_member, corrupt };

  bool inflate_some(const Sink& sink);
  bool start_next_member();

  z_stream stream_ = {};
  State state_ = State::inside_member;
  uint64_t taken_ = 0;
  std::string problem_;
  std::vector<uint8_t> output_;
};

}  // namespace model_t

#endif
