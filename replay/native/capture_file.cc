/* Implements capture_file.h. */
#include "capture_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace model_t {
namespace {

constexpr uint8_t kGzipMagic[2] = {0x1f, 0x8b};
/* Smaller windows cost more system calls, larger ones widen the time in which a shrinking file goes unnoticed. */
constexpr uint64_t kWindow = uint64_t{16} << 20;
/* Mappings begin at multiples of this: the largest page of the machines this runs on (arm64 with 64 KiB). */
constexpr uint64_t kLargestPage = 65536;

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

LoadResult unreadable(uint64_t offset, const std::string& reason, const std::string& remedy) {
  return {ReadState::unreadable, {offset, 1, reason, remedy}};
}

LoadResult system_failure(const char* doing, uint64_t offset, int error) {
  return unreadable(offset, std::string(doing) + ": " + std::strerror(error), "Check the path and its permissions");
}

}  // namespace

CaptureInput::CaptureInput(TraceBuilder* builder, const std::string& wrapper, const std::atomic<bool>* cancel)
    : builder_(builder), wrapper_(wrapper), cancel_(cancel), reader_(builder) {
  to_reader_ = [this](const uint8_t* data, size_t length) {
    return !cancel_->load(std::memory_order_relaxed) && reader_.consume(data, length);
  };
}

bool CaptureInput::feed(const uint8_t* data, size_t length) {
  bool more = true;
  if (sniffed_) {
    more = decode(data, length);
  } else {
    head_.insert(head_.end(), data, data + length);
    if (head_.size() < sizeof kGzipMagic) return true;
    sniffed_ = true;
    if (std::memcmp(head_.data(), kGzipMagic, sizeof kGzipMagic) == 0) gzip_ = std::make_unique<GzipSource>();
    more = decode(head_.data(), head_.size());
    head_ = {};
  }
  publish_format();
  builder_->publish();
  return more;
}

bool CaptureInput::decode(const uint8_t* data, size_t length) {
  return gzip_ == nullptr ? to_reader_(data, length) : gzip_->feed(data, length, to_reader_);
}

void CaptureInput::publish_format() {
  std::string format = reader_.format();
  if (gzip_ != nullptr) format = "gzip(" + format + ")";
  if (!wrapper_.empty()) format = wrapper_ + "(" + format + ")";
  builder_->set_format(format);
}

void CaptureInput::finish(const std::string& why) {
  if (!sniffed_ && !head_.empty()) reader_.consume(head_.data(), head_.size());
  std::string reason = why;
  if (gzip_ != nullptr && reason.empty()) reason = gzip_->incomplete();
  reader_.finish(reason);
  publish_format();
  std::optional<SourceBreak> broken;
  if (reader_.state() != ReadState::reading) broken = SourceBreak{problem().offset, problem().packet, problem().reason};
  builder_->end_source(std::move(broken));
}

LoadResult load_capture_file(const std::string& path, TraceBuilder* builder, const std::atomic<bool>* cancel) {
  const OpenFile file(path);
  if (file.descriptor() < 0) return system_failure("cannot be opened", 0, errno);
  struct stat status;
  if (fstat(file.descriptor(), &status) != 0) return system_failure("cannot be examined", 0, errno);
  if (!S_ISREG(status.st_mode)) return unreadable(0, "this is not a regular file", "Pipe it: model-t replay - < FILE");

  builder->begin_source(path, "");
  CaptureInput input(builder, "", cancel);
  const uint64_t promised = static_cast<uint64_t>(status.st_size);
  uint64_t at = 0;
  bool more = true;
  while (more && !cancel->load(std::memory_order_relaxed)) {
    const bool known = fstat(file.descriptor(), &status) == 0;
    const uint64_t size = known ? static_cast<uint64_t>(status.st_size) : 0;
    if (size <= at) break;
    /* Only a file that grew meanwhile goes on at an odd offset: its first part then ended with the file. */
    const size_t before = static_cast<size_t>(at % kLargestPage);
    const size_t bytes = before + static_cast<size_t>(std::min(kWindow, size - at));
    void* window = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.descriptor(), static_cast<off_t>(at - before));
    if (window == MAP_FAILED) {
      const LoadResult failure = system_failure("cannot be mapped", at, errno);
      input.finish(failure.problem.reason);
      return failure;
    }
    madvise(window, bytes, MADV_SEQUENTIAL);
    more = input.feed(static_cast<const uint8_t*>(window) + before, bytes - before);
    munmap(window, bytes);
    at += bytes - before;
  }
  const bool shrank = more && at < promised && !cancel->load(std::memory_order_relaxed);
  input.finish(shrank ? "the file shrank from " + std::to_string(promised) + " bytes while it was read" : "");
  return {input.state(), input.problem()};
}

}  // namespace model_t
