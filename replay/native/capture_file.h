/*
 * Capture inputs: bytes of a source, gzip or plain as their first bytes say, through the reader into the builder; and
 * files, mapped into memory a window at a time.
 *
 * Names are never trusted: a `.gz` that is plain is read as plain. Loading thread only, except for the cancel flag.
 */
#ifndef MODEL_T_REPLAY_CAPTURE_FILE_H
#define MODEL_T_REPLAY_CAPTURE_FILE_H

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "builder.h"
#include "capture_reader.h"
#include "gzip_source.h"

namespace model_t {

class CaptureInput {
 public:
  /* `wrapper` names a compression that was undone before ("zstd"), or is empty. `cancel` may be set by any thread. */
  CaptureInput(TraceBuilder* builder, const std::string& wrapper, const std::atomic<bool>* cancel);

  /* Returns false once no more bytes are wanted. */
  bool feed(const uint8_t* data, size_t length);
  /* No byte follows; ends the builder's source. `why` says what ended the input early, or is empty. */
  void finish(const std::string& why);

  ReadState state() const { return reader_.state(); }
  const ReadProblem& problem() const { return reader_.problem(); }

 private:
  bool decode(const uint8_t* data, size_t length);
  void publish_format();

  TraceBuilder* builder_;
  std::string wrapper_;
  const std::atomic<bool>* cancel_;
  CaptureReader reader_;
  bool sniffed_ = false;
  std::vector<uint8_t> head_; /* Bytes held back until there are enough to tell gzip from plain. */
  std::unique_ptr<GzipSource> gzip_;
  GzipSource::Sink to_reader_;
};

struct LoadResult {
  ReadState state = ReadState::reading; /* reading: read to the end; broken: what is whole was kept. */
  ReadProblem problem;
};

/*
 * Reads a regular file to its end. The size is asked anew before each 16 MiB window, so a file that was cut short is
 * noticed; a file cut inside the very window that is being read, or a failing disk, still ends the process (SIGBUS), as
 * with every program that maps files. Do not cut captures in place while they are read.
 */
LoadResult load_capture_file(const std::string& path, TraceBuilder* builder, const std::atomic<bool>* cancel);

}  // namespace model_t

#endif
