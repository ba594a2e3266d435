/*
 * Ring memory and reader table; see ring.h. No function prints or aborts; errors come back as sentences.
 */
#include "ring.h"

#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace model_t {

namespace {

constexpr uint64_t kHugePage = 2ull << 20;
constexpr uint64_t kPage = 4096;

uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

std::string with_errno(const std::string& what) { return what + ": " + strerror(errno); }

bool transparent_pages_on(const char* file) {
  const int descriptor = open(file, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  char text[128] = {};
  const ssize_t length = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  return length > 0 && !strstr(text, "[never]") && !strstr(text, "[deny]");
}

}  // namespace

uint32_t RingMemory::descriptors_for(uint64_t region_bytes) {
  uint32_t count = 64;
  while (count < region_bytes / 64) count *= 2;
  return count;
}

void RingMemory::touch(uint64_t region_bytes) {
  const uint64_t descriptors = std::min(descriptors_for(region_bytes), descriptor_count_);
  const auto write = [](void* start, uint64_t bytes) {
    auto* const at = static_cast<volatile uint8_t*>(start);
    for (uint64_t i = 0; i < bytes; i += kPage) at[i] = 0; /* new memory: it holds nothing else */
  };
  write(descriptors_, descriptors * sizeof(model_t_descriptor));
  write(times_, descriptors * sizeof(uint64_t));
  write(region_, std::min(region_bytes, region_bytes_));
}

void RingMemory::use_descriptors(uint32_t descriptors) {
  descriptor_mask_ = descriptors - 1;
  /* release: a lag reader that sees the mask sees the floor that was raised before it */
  __atomic_store_n(&header_->descriptor_mask, descriptor_mask_, __ATOMIC_RELEASE);
}

void RingMemory::lay_out() {
  header_ = new (memory_) model_t_ring_header();
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS; i++) new (readers() + i) model_t_reader_slot();
  const uint64_t descriptors = round_up(sizeof(model_t_ring_header) + MODEL_T_READER_SLOTS * sizeof(model_t_reader_slot), kPage);
  header_->magic = MODEL_T_RING_MAGIC;
  header_->abi_version = MODEL_T_RING_ABI_VERSION;
  header_->descriptor_count = descriptor_count_;
  use_descriptors(descriptor_count_);
  header_->total_bytes = total_bytes_;
  header_->descriptors_offset = descriptors;
  header_->times_offset = round_up(descriptors + descriptor_count_ * sizeof(model_t_descriptor), kPage);
  header_->region_offset = region_offset_;
  header_->region_bytes = region_bytes_;
  header_->producer_pid = static_cast<int32_t>(getpid());
  header_->producer_pid_start = model_t_process_start(header_->producer_pid);
  header_->reader_slots = MODEL_T_READER_SLOTS;
  auto* base = static_cast<uint8_t*>(memory_);
  descriptors_ = reinterpret_cast<model_t_descriptor*>(base + header_->descriptors_offset);
  times_ = reinterpret_cast<uint64_t*>(base + header_->times_offset);
  region_ = base + region_offset_;
  regions_[0] = {region_, region_bytes_};
}

bool RingMemory::set_region(uint32_t index, const uint8_t* start, uint64_t bytes) {
  if (index == 0 || index >= MODEL_T_REGIONS || reinterpret_cast<uintptr_t>(start) % 64 != 0 || bytes > kMaxRegionBytes) return false;
  regions_[index] = {start, bytes};
  return true;
}

void RingMemory::map_reader(model_t_reader* reader) const {
  model_t_reader_map(reader, memory_, header_);
  memcpy(reader->regions, regions_, sizeof regions_);
}

bool RingMemory::map_private(uint64_t bytes) {
  mapped_bytes_ = round_up(bytes, kHugePage);
  memory_ = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  if (memory_ != MAP_FAILED) {
    backing_ = Backing::huge_tlb;
    return true;
  }
  /* Transparent huge pages want 2 MiB alignment: map one more and give the ends back. */
  auto* start = static_cast<uint8_t*>(
      mmap(nullptr, mapped_bytes_ + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (start == MAP_FAILED) return false;
  const uint64_t lead = round_up(reinterpret_cast<uint64_t>(start), kHugePage) - reinterpret_cast<uint64_t>(start);
  if (lead) munmap(start, lead);
  munmap(start + lead + mapped_bytes_, kHugePage - lead);
  memory_ = start + lead;
  const bool advised = madvise(memory_, mapped_bytes_, MADV_HUGEPAGE) == 0;
  backing_ = advised && transparent_pages_on("/sys/kernel/mm/transparent_hugepage/enabled") ? Backing::transparent
                                                                                            : Backing::small_pages;
  return true;
}

std::unique_ptr<RingMemory> RingMemory::create_private(uint64_t region_bytes, std::string* error) {
  std::unique_ptr<RingMemory> ring(new RingMemory());
  ring->region_bytes_ = region_bytes;
  ring->descriptor_count_ = descriptors_for(region_bytes);
  const uint64_t fixed = sizeof(model_t_ring_header) + MODEL_T_READER_SLOTS * sizeof(model_t_reader_slot) + 3 * kPage;
  ring->region_offset_ = round_up(fixed + ring->descriptor_count_ * (sizeof(model_t_descriptor) + sizeof(uint64_t)), kPage);
  ring->total_bytes_ = ring->region_offset_ + region_bytes;
  if (!ring->map_private(ring->total_bytes_)) {
    *error = with_errno("cannot map " + std::to_string(ring->total_bytes_) + " bytes for the ring");
    ring->memory_ = nullptr;
    return nullptr;
  }
  ring->lay_out();
  return ring;
}

namespace {

/* All of a header that is nothing but zeros: what a producer leaves that died before it had laid out its ring. */
bool is_blank(const model_t_ring_header& header, ssize_t length) {
  uint8_t bytes[sizeof header];
  memcpy(bytes, &header, sizeof header);
  for (ssize_t i = 0; i < length; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

/*
 * Removes the file of a ring whose producer is dead. Empty = gone or never there; else why it must stay. A producer holds the
 * lock of its file until the ring is laid out, so that nobody judges a ring half made.
 */
std::string reclaim_stale(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return errno == ENOENT ? "" : with_errno(path);
  struct stat status, named;
  std::string reason = path + " exists and is no ring of this user; remove it, or choose another name";
  if (flock(file, LOCK_EX) == 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid()) {
    model_t_ring_header header{};
    const ssize_t length = pread(file, &header, sizeof header, 0);
    const bool whole = length == static_cast<ssize_t>(sizeof header) && header.magic == MODEL_T_RING_MAGIC;
    const bool ring = whole || (length >= 0 && is_blank(header, length));
    if (whole && model_t_process_alive(header.producer_pid, header.producer_pid_start)) {
      reason = path + " is in use by process " + std::to_string(header.producer_pid);
    } else if (ring && lstat(path.c_str(), &named) == 0 && named.st_ino == status.st_ino && unlink(path.c_str()) == 0) {
      reason.clear();
    }
  }
  close(file);
  return reason;
}

}  // namespace

/* The locked descriptor of the new file, which the caller closes when the ring is laid out; -1 and `error`. */
int RingMemory::map_named(const std::string& name, uint64_t bytes, std::string* error) {
  char path[128];
  if (model_t_ring_path(path, sizeof path, name.c_str()) != 0) {
    *error = "'" + name + "' is no ring name: use 1 to 64 letters, digits, '.', '_', '-', not starting with '.'";
    return -1;
  }
  *error = reclaim_stale(path);
  if (!error->empty()) return -1;
  const int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) {
    *error = with_errno(path);
    return -1;
  }
  struct stat status, named;
  if (flock(file, LOCK_EX) != 0 || fstat(file, &status) != 0 || lstat(path, &named) != 0 || named.st_ino != status.st_ino) {
    *error = std::string(path) + " was taken by another producer at the same moment; try again";
    close(file);
    return -1;
  }
  path_ = path;
  inode_ = status.st_ino;
  /* fallocate, not ftruncate: a full tmpfs must fail here, not as a bus error in the middle of a run. */
  const int failed = posix_fallocate(file, 0, static_cast<off_t>(bytes));
  void* const memory = failed ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    *error = path_ + ": " + strerror(failed ? failed : errno) + " (" + std::to_string(bytes) + " bytes)";
    close(file);
    return -1;
  }
  mapped_bytes_ = bytes;
  memory_ = memory;
  const bool advised = madvise(memory, bytes, MADV_HUGEPAGE) == 0;
  backing_ = advised && transparent_pages_on("/sys/kernel/mm/transparent_hugepage/shmem_enabled") ? Backing::transparent
                                                                                                  : Backing::small_pages;
  return file;
}

std::unique_ptr<RingMemory> RingMemory::create_named(const std::string& name, uint64_t region_bytes, std::string* error) {
  std::unique_ptr<RingMemory> ring(new RingMemory());
  ring->region_bytes_ = region_bytes;
  ring->descriptor_count_ = descriptors_for(region_bytes);
  const uint64_t fixed = sizeof(model_t_ring_header) + MODEL_T_READER_SLOTS * sizeof(model_t_reader_slot) + 3 * kPage;
  ring->region_offset_ = round_up(fixed + ring->descriptor_count_ * (sizeof(model_t_descriptor) + sizeof(uint64_t)), kPage);
  ring->total_bytes_ = round_up(ring->region_offset_ + region_bytes, kPage);
  const int file = ring->map_named(name, ring->total_bytes_, error);
  if (file < 0) return nullptr;
  ring->lay_out();
  flock(file, LOCK_UN); /* closing would not do: the mapping keeps the open file, and with it the lock */
  close(file);
  return ring;
}

void RingMemory::remove_name() {
  if (path_.empty()) return;
  struct stat status;
  if (lstat(path_.c_str(), &status) == 0 && status.st_ino == inode_) unlink(path_.c_str());
  path_.clear();
}

RingMemory::~RingMemory() {
  remove_name();
  if (memory_) munmap(memory_, mapped_bytes_);
}

void ReaderTable::recount() {
  attached_ = 0;
  policies_ = 0;
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS; i++) {
    if (!in_[i]) continue;
    attached_++;
    sole_ = i;
    policies_ |= 1u << known_[i].policy;
  }
}

void ReaderTable::admit_joining(uint64_t head) {
  __atomic_store_n(&seen_requests_, __atomic_load_n(&ring_.header()->join_requests, __ATOMIC_ACQUIRE), __ATOMIC_RELAXED);
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS; i++) {
    model_t_reader_slot& slot = ring_.readers()[i];
    if (__atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) != MODEL_T_READER_JOINING) continue;
    const uint32_t policy = __atomic_load_n(&slot.policy, __ATOMIC_RELAXED);
    if (policy > MODEL_T_DROP || !(allowed_ >> policy & 1)) {
      __atomic_store_n(&slot.state, MODEL_T_READER_FAULTY, __ATOMIC_RELEASE);
      continue;
    }
    slot.start = head;
    __atomic_store_n(&slot.tail, head, __ATOMIC_RELAXED); /* the reader writes it only after it is attached */
    uint32_t joining = MODEL_T_READER_JOINING;
    if (!__atomic_compare_exchange_n(&slot.state, &joining, static_cast<uint32_t>(MODEL_T_READER_ATTACHED), false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
      continue; /* it gave up */
    if (known_[i].pid != 0) past_.push_back(known_[i]);
    /* Read again: the slot may have changed hands between the look and the swap. Its reader is let in with what it may have. */
    const uint32_t joined = __atomic_load_n(&slot.policy, __ATOMIC_RELAXED);
    known_[i] = {__atomic_load_n(&slot.pid, __ATOMIC_RELAXED), joined > MODEL_T_DROP || !(allowed_ >> joined & 1) ? policy : joined, MODEL_T_READER_ATTACHED, head, head, 0, 0};
    in_[i] = true;
  }
  recount();
}

void ReaderTable::leave(uint32_t i, uint32_t state) {
  model_t_reader_slot& slot = ring_.readers()[i];
  known_[i].state = state;
  known_[i].delivered = __atomic_load_n(&slot.delivered, __ATOMIC_RELAXED);
  known_[i].lost = __atomic_load_n(&slot.lost, __ATOMIC_RELAXED);
  in_[i] = false;
  if (state != MODEL_T_READER_DETACHED) failed_++;
  /* Its account is closed now: the slot is free for the next reader. A faulty reader may still write to its own. */
  const uint32_t after = state == MODEL_T_READER_DETACHED ? uint32_t{MODEL_T_READER_FREE} : state;
  __atomic_store_n(&slot.state, after, __ATOMIC_RELEASE);
  recount();
}

uint64_t ReaderTable::slowest(uint32_t mask) {
  uint64_t lowest = UINT64_MAX;
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS; i++) {
    if (!in_[i]) continue;
    model_t_reader_slot& slot = ring_.readers()[i];
    const uint64_t tail = __atomic_load_n(&slot.tail, __ATOMIC_ACQUIRE);
    const uint64_t head = head_.load(std::memory_order_acquire); /* after the tail: it only grows */
    if (tail > head || tail < known_[i].tail) {
      leave(i, MODEL_T_READER_FAULTY);
      continue;
    }
    known_[i].tail = tail;
    if (__atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) == MODEL_T_READER_DETACHED) {
      leave(i, MODEL_T_READER_DETACHED);
      continue;
    }
    if ((mask >> known_[i].policy & 1) && tail < lowest) lowest = tail;
  }
  return lowest;
}

bool ReaderTable::glance(uint64_t* free_below) {
  const uint64_t head = this->head();
  *free_below = head;
  if (wanted() || attached_ > 1) return false;
  if (attached_ == 0) return true;
  const model_t_reader_slot& slot = ring_.readers()[sole_];
  ReaderReport& known = known_[sole_];
  const uint64_t tail = __atomic_load_n(&slot.tail, __ATOMIC_ACQUIRE);
  if (known.policy != MODEL_T_BLOCK || tail > head || tail < known.tail) return false;
  if (__atomic_load_n(&slot.state, __ATOMIC_ACQUIRE) != MODEL_T_READER_ATTACHED) return false;
  known.tail = *free_below = tail;
  return true;
}

void ReaderTable::evict_dead() {
  slowest(0); /* those who left by themselves first */
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS; i++) {
    model_t_reader_slot& slot = ring_.readers()[i];
    const uint32_t state = __atomic_load_n(&slot.state, __ATOMIC_ACQUIRE);
    if (state == MODEL_T_READER_FREE || state == MODEL_T_READER_CLAIMED) continue; /* nobody, or one that is filling it in */
    const int32_t pid = __atomic_load_n(&slot.pid, __ATOMIC_RELAXED);
    if (model_t_process_alive(pid, __atomic_load_n(&slot.pid_start, __ATOMIC_RELAXED))) continue;
    if (in_[i]) leave(i, MODEL_T_READER_DIED);
    /* Nobody is left who could write to the slot: the next reader may have it. */
    __atomic_store_n(&slot.state, static_cast<uint32_t>(MODEL_T_READER_FREE), __ATOMIC_RELEASE);
  }
}

std::vector<ReaderReport> ReaderTable::reports() {
  std::vector<ReaderReport> all = past_;
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS; i++) {
    if (known_[i].pid == 0) continue;
    if (in_[i]) {
      known_[i].delivered = __atomic_load_n(&ring_.readers()[i].delivered, __ATOMIC_RELAXED);
      known_[i].lost = __atomic_load_n(&ring_.readers()[i].lost, __ATOMIC_RELAXED);
    }
    all.push_back(known_[i]);
  }
  return all;
}

}  // namespace model_t
