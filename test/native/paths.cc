/* See paths.h. */
#include "paths.h"

#include <sched.h>
#include <unistd.h>

#include <cstring>

#include "replays.h"

namespace model_t::test {

namespace {

constexpr uint32_t kSlotBytes = 2048;

uint64_t mixed(uint64_t value) { return (value ^ value >> 32) * 0xd6e8feb86659fd93ull; }

uint64_t hash_of(uint64_t hash, const uint8_t* bytes, uint32_t length) {
  hash = mixed(hash + length);
  for (uint32_t i = 0; i < length; i++) hash = mixed(hash ^ bytes[i]);
  return hash;
}

}  // namespace

PathPlacement placement_of(const Path& path, const std::vector<int32_t>& containers) {
  PathPlacement placement;
  placement.containers = containers;
  if (containers.empty()) {
    placement.containers.assign(2 + path.program().unit_count(), 0);
    placement.containers[0] = -1;
  }
  return placement;
}

std::vector<std::vector<int32_t>> cuts_of(uint32_t elements, uint32_t most) {
  std::vector<std::vector<int32_t>> all;
  for (uint32_t bits = 0; bits < 1u << (elements - 1); bits++) {
    std::vector<int32_t> containers = {0};
    for (uint32_t i = 1; i < elements; i++) containers.push_back(containers.back() + static_cast<int32_t>(bits >> (i - 1) & 1));
    if (static_cast<uint32_t>(containers.back()) < most) all.push_back(containers);
  }
  return all;
}

Feed::Feed(RingMemory& ring, const std::vector<Packet>& packets, uint64_t laps, uint32_t burst)
    : ring_(ring),
      readers_(ring, 7u),
      packets_(packets),
      total_(laps > UINT64_MAX / packets.size() ? UINT64_MAX : laps * packets.size()),
      burst_(burst),
      slots_(std::min<uint64_t>(ring.region_bytes() / kSlotBytes, ring.descriptor_count() - 1)) {
  ring_.publish_state(MODEL_T_RING_OPEN);
}

bool Feed::has_room() {
  const uint64_t slowest = readers_.slowest((1u << MODEL_T_BLOCK) | (1u << MODEL_T_DROP));
  return slowest == UINT64_MAX || head_ - slowest < slots_;
}

void Feed::put(const Packet& packet) {
  uint8_t* const slot = ring_.region() + head_ % slots_ * kSlotBytes;
  if (head_ >= slots_) __atomic_store_n(&ring_.header()->floor, head_ + 1 - slots_, __ATOMIC_RELEASE);
  const auto length = static_cast<uint32_t>(packet.bytes.size());
  memset(slot, 0, (MODEL_T_FRAME_OFFSET + length + 63) / 64 * 64);
  if (length) memcpy(slot + MODEL_T_FRAME_OFFSET, packet.bytes.data(), length);
  const uint64_t at = head_ & (ring_.descriptor_count() - 1);
  ring_.descriptors()[at] = {0, 0, length, static_cast<uint32_t>(slot - ring_.region()) + MODEL_T_FRAME_OFFSET, static_cast<uint32_t>(next_)};
  ring_.times()[at] = packet.time + next_ / packets_.size() * 1000000;
  head_++;
}

int64_t Feed::do_work(uint32_t slice) {
  readers_.admit(head_);
  const bool stopped = stop_.load(std::memory_order_relaxed);
  if (readers_.attached() == 0) {
    if (head_ == 0 && !stopped) return 0;
    ring_.publish_state(MODEL_T_RING_ENDED); /* all have left */
    return kAgentFinished;
  }
  if (ending_) { /* until the reader has left */
    readers_.slowest(0);
    return 0;
  }
  int64_t work = 0;
  for (uint64_t i = 0; i < uint64_t{slice} * burst_ && next_ < total_ && !stopped; i++) {
    if (has_room()) put(packets_[next_ % packets_.size()]);
    else if (readers_.any_policy(1u << MODEL_T_DROP)) dropped_++;
    else if (!readers_.any_policy(1u << MODEL_T_BLOCK)) put(packets_[next_ % packets_.size()]);
    else break;
    next_++;
    work++;
    if (work % burst_ == 0) readers_.publish_head(head_);
  }
  if (next_ == total_ || stopped) {
    if (!has_room()) return work;
    ring_.descriptors()[head_++ & (ring_.descriptor_count() - 1)] = {MODEL_T_MARK | MODEL_T_END_OF_STREAM, 0, 0, MODEL_T_FRAME_OFFSET, 0};
    ending_ = true;
  }
  readers_.publish_head(head_);
  offered_.store(next_, std::memory_order_relaxed);
  return work;
}

bool RowSink::take(const Burst256& burst, const uint64_t* times_ns, uint64_t first) {
  if (rows + burst.count > full_at) return false;
  for (uint32_t i = 0; i < burst.count; i++) {
    /* Rows that no packet caused (packet_columns.h) have no place in the stream. */
    const uint64_t packet = burst.lengths[i] ? first + burst.slots[i] : 0;
    if (packet && packet < last) ordered = false;
    if (packet) last = packet;
    uint64_t row = mixed(packet * 0x9e3779b97f4a7c15ull + burst.classes[i]) + times_ns[i];
    row = hash_of(row, burst.frames[i], burst.lengths[i]);
    if (needs_ & kNeedPayloads) row = hash_of(row, burst.payloads[i], burst.payload_lengths[i]);
    if (needs_ & kNeedStreams) row = mixed(row + burst.streams[i] * 0xbf58476d1ce4e5b9ull + burst.stream_marks[i] * 256u + burst.encodings[i]);
    hash = mixed(hash ^ row); /* the order counts */
    rows++;
  }
  return true;
}

void Disturbance::at(void* disturbance) {
  Disturbance& self = *static_cast<Disturbance*>(disturbance);
  if (self.rarity == 0) return;
  uint64_t drawn = self.state.fetch_add(1, std::memory_order_relaxed);
  const uint64_t chance = next_random(drawn);
  if (chance % self.rarity) return;
  switch (chance >> 32 & 15) {
    case 0:
      usleep(static_cast<useconds_t>(chance >> 40 & 63));
      break;
    case 1: case 2: case 3: case 4: case 5: case 6:
      sched_yield();
      break;
    default:
      for (uint64_t i = chance >> 40 & 127; i > 0; i--) model_t_pause();
  }
}

PathRig::PathRig(RingMemory& ring, PathOptions options) : container_blocks_(options.containers + 1), count_(options.containers) {
  operations_.resize(2 + options.program.records.size());
  if (!options.kernels) options.kernels = find_stack_kernels("scalar");
  options.block = &block_;
  options.operations = operations_.data();
  path_ = Path::create(ring, std::move(options), &error_);
}

PathRig::~PathRig() {
  if (path_) path_->stop();
  for (const auto& container : containers_) container->stop();
}

bool PathRig::place(const PathPlacement& placement) {
  std::string error;
  return check(path_->place(placement, &error), __FILE__, __LINE__, error);
}

void PathRig::start(const std::string& idle, Agent* extra) {
  for (uint32_t i = 0; i < count_ + (extra ? 1 : 0); i++) {
    Agent* const agent = i < count_ ? &path_->agent(i) : extra;
    containers_.push_back(std::make_unique<Container>(ContainerOptions{"test " + std::to_string(i), -1, idle, 4}, std::vector<Agent*>{agent}, &container_blocks_[i]));
    std::string error;
    check(containers_.back()->start(&error), __FILE__, __LINE__, error);
  }
}

bool PathRig::join() {
  const bool ended = wait_until([this] {
    for (const auto& container : containers_) {
      if (!container->done()) return false;
    }
    return true;
  });
  if (!ended) path_->stop(); /* nobody waits for others any more */
  for (const auto& container : containers_) {
    if (!ended) container->stop();
    container->join();
  }
  return ended;
}

std::vector<uint64_t> PathRig::verdicts() const {
  std::vector<uint64_t> all;
  for (uint32_t i = 0; i < path_->program().step_count(); i++) {
    const uint64_t* const of = path_->program().state(i).verdicts;
    all.insert(all.end(), of, of + kOperationVerdicts);
  }
  return all;
}

}  // namespace model_t::test
