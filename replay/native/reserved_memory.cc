/* Implements reserved_memory.h: mmap for the address space, /proc/meminfo and cgroup files for the headroom. */
#include "reserved_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace model_t {
namespace {

/* Size of a huge page on x86-64 and on arm64 with 4 KiB pages; a larger one only loses the madvise below its size. */
constexpr uint64_t kHugePage = uint64_t{2} << 20;

bool read_number(const std::string& path, uint64_t* value) {
  std::ifstream file(path);
  return static_cast<bool>(file >> *value);
}

/* Value of the line that starts with `key` in files such as meminfo and memory.stat. */
bool read_key(const std::string& path, const std::string& key, uint64_t* value) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word;
    if (words >> word && word == key) return static_cast<bool>(words >> *value);
  }
  return false;
}

struct GroupFiles {
  const char* limit;
  const char* usage;
  const char* inactive_file;
  const char* active_file;
};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file"};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file", "active_file"};

/* What one control group leaves; page cache counts as free, because the kernel drops it before it kills. */
uint64_t group_headroom(const std::string& folder, const GroupFiles& files) {
  uint64_t limit = 0;
  uint64_t usage = 0;
  if (!read_number(folder + "/" + files.limit, &limit)) return UINT64_MAX;
  if (!read_number(folder + "/" + files.usage, &usage)) return UINT64_MAX;
  uint64_t inactive = 0;
  uint64_t active = 0;
  read_key(folder + "/memory.stat", files.inactive_file, &inactive);
  read_key(folder + "/memory.stat", files.active_file, &active);
  const uint64_t pinned = usage - std::min(usage, inactive + active);
  return limit > pinned ? limit - pinned : 0;
}

/* The least that the group at `path` and its parents, up to the mount, leave. */
uint64_t tree_headroom(const std::string& mount, std::string path, const GroupFiles& files) {
  uint64_t least = UINT64_MAX;
  for (;;) {
    least = std::min(least, group_headroom(mount + path, files));
    const size_t slash = path.find_last_of('/');
    if (path.empty() || slash == std::string::npos) return least;
    path.resize(slash);
  }
}

}  // namespace

bool ReservedMemory::reserve(uint64_t bytes, uint64_t huge_from) {
  release();
  const uint64_t wanted = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* mapped = mmap(nullptr, wanted + kHugePage, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (mapped == MAP_FAILED) return false;
  /* Cut the mapping down to its aligned part: head before, tail after. */
  const uint64_t address = reinterpret_cast<uint64_t>(mapped);
  const uint64_t head = (kHugePage - address % kHugePage) % kHugePage;
  start_ = static_cast<uint8_t*>(mapped) + head;
  bytes_ = wanted;
  if (head > 0) munmap(mapped, head);
  munmap(static_cast<uint8_t*>(start_) + wanted, kHugePage - head);
  /* Best effort: fewer TLB misses and faults when granted, the same bytes when not. */
  if (huge_from < wanted) madvise(static_cast<uint8_t*>(start_) + huge_from, wanted - huge_from, MADV_HUGEPAGE);
  return true;
}

void ReservedMemory::release() {
  if (start_ != nullptr) munmap(start_, bytes_);
  start_ = nullptr;
  bytes_ = 0;
}

uint64_t memory_headroom(const std::string& root) {
  uint64_t least = UINT64_MAX;
  uint64_t kibibytes = 0;
  if (read_key(root + "/proc/meminfo", "MemAvailable:", &kibibytes)) least = kibibytes * 1024;
  std::ifstream groups(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {
    /* hierarchy:controllers:path; the only line of version 2 has no controllers. */
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers == ",,") least = std::min(least, tree_headroom(root + "/sys/fs/cgroup", path, kVersion2));
    if (controllers.find(",memory,") != std::string::npos) {
      least = std::min(least, tree_headroom(root + "/sys/fs/cgroup/memory", path, kVersion1));
    }
  }
  return least;
}

}  // namespace model_t
