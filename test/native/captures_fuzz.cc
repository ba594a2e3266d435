/*
 * Reads captures through the native reader, whole and in pieces, then random mutations of them, and checks that nothing
 * but a clean outcome happens: for runs under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer. No Node needed.
 *
 *   captures_fuzz MUTATIONS SEED PATH…     PATH: file or directory (walked); MUTATIONS: per file
 *
 * Prints one line and exits with 0, or says what differed and exits with 1. A mutation is reproducible from the seed.
 */
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../../replay/native/capture_file.h"
#include "../../replay/native/image.h"

namespace {

using model_t::CaptureInput;
using model_t::ReadState;
using model_t::TraceBuilder;
using model_t::TraceImage;

using Bytes = std::vector<uint8_t>;

const std::atomic<bool> kNeverCancel{false};

struct Outcome {
  ReadState state = ReadState::reading;
  std::string reason;
  uint64_t packets = 0;
  uint64_t hash = 14695981039346656037u; /* FNV-1a over lengths, times and bytes. */
  bool operator==(const Outcome&) const = default;
};

void mix(uint64_t* hash, const void* data, size_t length) {
  const uint8_t* bytes = static_cast<const uint8_t*>(data);
  for (size_t index = 0; index < length; index += 1) *hash = (*hash ^ bytes[index]) * 1099511628211u;
}

Outcome read_pieces(const Bytes& bytes, size_t piece) {
  Outcome outcome;
  std::string error;
  const std::shared_ptr<TraceImage> image = TraceImage::reserve(uint64_t{16} << 20, &error);
  if (image == nullptr) {
    std::fprintf(stderr, "%s\n", error.c_str());
    std::exit(1);
  }
  TraceBuilder builder(image);
  builder.begin_source("fuzz", "");
  CaptureInput input(&builder, "", &kNeverCancel);
  for (size_t at = 0; at < bytes.size(); at += piece) {
    /* A copy of exactly this piece, so that a read past its end is seen. */
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const Bytes part(begin, begin + static_cast<std::ptrdiff_t>(std::min(piece, bytes.size() - at)));
    if (!input.feed(part.data(), part.size())) break;
  }
  input.finish("");
  outcome.state = input.state();
  outcome.reason = input.problem().reason;
  outcome.packets = image->packets();
  for (uint64_t index = 0; index < outcome.packets; index += 1) {
    const model_t::PacketShape shape = image->shapes()[index];
    mix(&outcome.hash, &shape, sizeof shape);
    mix(&outcome.hash, &image->times_ns()[index], sizeof(uint64_t));
    const uint64_t start = image->slot_offsets()[index];
    mix(&outcome.hash, image->slots() + start, image->slot_offsets()[index + 1] - start);
  }
  return outcome;
}

/* Looks at counts and packets while another thread loads them; under ThreadSanitizer this proves the publication. */
void read_watched(const Bytes& bytes) {
  std::string error;
  const std::shared_ptr<TraceImage> image = TraceImage::reserve(uint64_t{64} << 20, &error);
  if (image == nullptr) std::exit(1);
  TraceBuilder builder(image);
  std::atomic<uint64_t> sum{0};
  std::thread watcher([&] {
    while (!image->is_complete()) {
      const uint64_t packets = image->packets();
      sum += builder.counts().last_time_ns + image->frame_bytes();
      if (packets > 0) sum += image->slots()[image->slot_offsets()[packets] - 1] + image->shapes()[packets - 1].length;
    }
  });
  builder.begin_source("watched", "");
  CaptureInput input(&builder, "", &kNeverCancel);
  for (size_t at = 0; at < bytes.size() && input.feed(bytes.data() + at, std::min<size_t>(100, bytes.size() - at)); at += 100) {
  }
  input.finish("");
  image->complete();
  watcher.join();
}

/* Whole and piecewise reading must agree on everything, damaged or not. */
void check(const std::string& name, uint64_t mutation, const Bytes& bytes, size_t piece) {
  const Outcome whole = read_pieces(bytes, std::max<size_t>(bytes.size(), 1));
  const Outcome cut = read_pieces(bytes, piece);
  if (whole == cut) return;
  const std::string in_pieces = std::to_string(cut.packets) + " packets (" + cut.reason + ")";
  const std::string in_one = std::to_string(whole.packets) + " packets (" + whole.reason + ")";
  std::fprintf(stderr, "%s, mutation %s: in pieces of %zu %s, in one %s\n", name.c_str(), std::to_string(mutation).c_str(), piece,
               in_pieces.c_str(), in_one.c_str());
  std::exit(1);
}

/* Changes bytes, writes an extreme 32-bit number, cuts, or repeats a part; mostly near the beginning, where headers are. */
Bytes mutate(Bytes bytes, std::mt19937_64& random) {
  constexpr uint32_t kExtremes[] = {0, 1, 11, 12, 0x7fffffff, 0x80000000, 0xffffffff, 262144, 262145, 1u << 24};
  const uint64_t changes = 1 + random() % 4;
  for (uint64_t change = 0; change < changes && bytes.size() > 8; change += 1) {
    const size_t reach = random() % 2 == 0 ? std::min<size_t>(bytes.size(), 256) : bytes.size();
    const size_t at = random() % reach;
    const uint32_t extreme = kExtremes[random() % std::size(kExtremes)];
    switch (random() % 4) {
      case 0:
        bytes[at] = static_cast<uint8_t>(random());
        break;
      case 1:
        std::memcpy(bytes.data() + std::min(at, bytes.size() - 4), &extreme, sizeof extreme);
        break;
      case 2:
        bytes.resize(at + 1);
        break;
      default: {
        const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        const Bytes part(begin, begin + static_cast<std::ptrdiff_t>((bytes.size() - at) / 2));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(random() % bytes.size()), part.begin(), part.end());
      }
    }
  }
  return bytes;
}

std::vector<std::string> files_of(int count, char** paths) {
  std::vector<std::string> files;
  for (int index = 0; index < count; index += 1) {
    if (!std::filesystem::is_directory(paths[index])) {
      files.emplace_back(paths[index]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(paths[index])) {
      if (entry.is_regular_file()) files.push_back(entry.path().string());
    }
  }
  return files;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) {
    std::fprintf(stderr, "usage: captures_fuzz MUTATIONS SEED PATH...\n");
    return 2;
  }
  const uint64_t mutations = std::strtoull(arguments[1], nullptr, 10);
  const uint64_t seed = std::strtoull(arguments[2], nullptr, 10);
  uint64_t runs = 0;
  const std::vector<std::string> files = files_of(count - 3, arguments + 3);
  for (const std::string& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const Bytes bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    check(file, 0, bytes, 7);
    read_watched(bytes);
    std::mt19937_64 random(seed);
    for (uint64_t mutation = 1; mutation <= mutations; mutation += 1, runs += 1) {
      check(file, mutation, mutate(bytes, random), 1 + random() % 5000);
    }
  }
  std::printf("%zu files, %s mutations: whole and piecewise reading agree\n", files.size(), std::to_string(runs).c_str());
  return files.empty() ? 1 : 0;
}
