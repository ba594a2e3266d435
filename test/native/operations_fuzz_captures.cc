/* Implements operations_fuzz_captures.h. */
#include "operations_fuzz_captures.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>

#include "../../replay/native/capture_file.h"

namespace model_t::test {

namespace {

constexpr size_t kFramesOfFile = 1500;
constexpr size_t kMostBytes = size_t{64} << 20;
constexpr size_t kReadOfFile = size_t{4} << 20;

/* Cut files end in an error of the reader, which is no concern here. */
void add_file(const std::filesystem::path& path, std::vector<Bytes>* frames) {
  static const std::atomic<bool> never{false};
  std::string error;
  const std::shared_ptr<TraceImage> image = TraceImage::reserve(uint64_t{64} << 20, &error);
  if (!check(image != nullptr, __FILE__, __LINE__, error)) return;
  TraceBuilder builder(image);
  builder.begin_source("fuzz", "");
  CaptureInput input(&builder, "", &never);
  std::ifstream stream(path, std::ios::binary);
  Bytes part(65536);
  for (size_t read = 0; stream && read < kReadOfFile; read += part.size()) {
    stream.read(reinterpret_cast<char*>(part.data()), static_cast<std::streamsize>(part.size()));
    if (stream.gcount() <= 0 || !input.feed(part.data(), static_cast<size_t>(stream.gcount()))) break;
  }
  input.finish("");
  for (uint64_t i = 0; i < std::min<uint64_t>(image->packets(), kFramesOfFile); i++) {
    const uint8_t* const frame = image->slots() + image->slot_offsets()[i] + kFrameOffset;
    frames->emplace_back(frame, frame + image->shapes()[i].length);
  }
}

}  // namespace

std::vector<Bytes> captured_frames(const std::string& folder) {
  std::vector<Bytes> frames;
  if (folder.empty() || !std::filesystem::is_directory(folder)) return frames;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end()); /* the same packets in every run of a seed */
  size_t bytes = 0;
  for (const std::filesystem::path& file : files) {
    const size_t before = frames.size();
    add_file(file, &frames);
    for (size_t i = before; i < frames.size(); i++) bytes += frames[i].size();
    if (bytes > kMostBytes) break;
  }
  return frames;
}

}  // namespace model_t::test
