/* See container.h. */
#include "container.h"

#include "clock.h"

namespace model_t {

namespace {

/* The reference recomputes the first and the last window of a run: enough to see every burst shape, and short beside a run. */
constexpr uint64_t kWindowPackets = 1 << 19;

void set(uint64_t* to, uint64_t value) { __atomic_store_n(to, value, __ATOMIC_RELAXED); }

}  // namespace

Container::Container(RingMemory& ring, ContainerOptions options, uint8_t* blocks)
    : ring_(ring),
      options_(std::move(options)),
      block_(reinterpret_cast<ContainerBlock*>(blocks)),
      operation_blocks_(reinterpret_cast<OperationBlock*>(blocks + sizeof(ContainerBlock))) {}

bool Container::start(std::string* error) {
  program_ = Program::create(options_.program, error);
  if (!program_) return false;
  times_ = options_.sink != nullptr || program_->needs() & kNeedTimes;
  ring_.map_reader(&reader_);
  thread_ = std::thread([this] { run(); });
  return true;
}

void Container::join() {
  if (thread_.joinable()) thread_.join();
}

void Container::fail(const std::string& error) {
  outcome_.failed = true;
  outcome_.error = error;
}

void Container::run() {
  settle_thread("model-t stack", options_.cpu);
  if (model_t_ring_join(&reader_, options_.policy, 10000) != 0) {
    /* A run that was stopped before its first packet has ended already: nothing was missed. */
    if (__atomic_load_n(&ring_.header()->state, __ATOMIC_ACQUIRE) != MODEL_T_RING_ENDED) fail(reader_.error);
  } else {
    while (receive()) {
    }
    if (!outcome_.failed) program_->finish();
    publish_statistics();
    model_t_ring_detach(&reader_);
  }
  outcome_.delivered = reader_.delivered;
  outcome_.lost = reader_.lost;
  if (older_.end > older_.begin) {
    newer_.begin = older_.begin;
    newer_.digest += older_.digest;
  }
  outcome_.tail = newer_;
  if (outcome_.head.end == 0) outcome_.head = newer_;
  outcome_.finished_ns = now_ns();
  done_.store(true, std::memory_order_release);
}

/* One poll. False when the stream is over or the container must stop. */
bool Container::receive() {
  const int available = model_t_ring_available(&reader_, kBurstCapacity);
  if (available == 0) {
    empty_polls_++;
    return !stop_.load(std::memory_order_relaxed);
  }
  if (available < 0) {
    fail(reader_.error);
    return false;
  }
  const uint32_t positions = intake(static_cast<uint32_t>(available));
  if (outcome_.failed) return false;
  const uint32_t packets = burst_.count; /* the program may take rows out */
  uint64_t digest = 0;
  if (packets) {
    digest = options_.kernels->digest(burst_.frames, burst_.lengths, packets, options_.digest_lines);
    program_->run(burst_);
    if (options_.sink && !options_.sink->take(burst_, burst_.times, reader_.delivered)) {
      fail(options_.sink->error());
      return false;
    }
  }
  reader_.pending = positions;
  reader_.pending_packets = packets;
  const bool overwritten = model_t_ring_release(&reader_) != 0;
  if (!overwritten && packets) account(digest);
  bursts_++;
  publish_statistics();
  return !end_;
}

/* Fills the burst from up to `limit` descriptors; returns the positions used up. Stops short of the end-of-stream mark. */
uint32_t Container::intake(uint32_t limit) {
  return intake_plain(limit) ? limit : intake_checked(limit);
}

/*
 * All packets, all inside one region: one pass without a branch per packet that also fetches the frames, which another core
 * wrote, while there is something else to do. False: something is unusual, and the burst must be taken in one by one.
 */
bool Container::intake_plain(uint32_t limit) {
  const uint32_t number = model_t_descriptor_load(&reader_.descriptors[reader_.tail & reader_.mask]).region;
  const bool there = number < MODEL_T_REGIONS && reader_.regions[number].bytes != 0;
  const model_t_region region = there ? reader_.regions[number] : model_t_region{reader_.regions[0].start, 0}; /* nothing fits */
  uint32_t unusual = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < limit; i++) {
    const uint64_t at = (reader_.tail + i) & reader_.mask;
    const model_t_descriptor descriptor = model_t_descriptor_load(&reader_.descriptors[at]);
    unusual |= (descriptor.flags & ~MODEL_T_END_OF_LAP) | (descriptor.region ^ number) |
               static_cast<uint32_t>(!model_t_slot_fits(&descriptor, region.bytes));
    const uint8_t* frame = region.start + descriptor.offset;
    __builtin_prefetch(frame);
    burst_.frames[i] = frame;
    burst_.lengths[i] = descriptor.length;
    bytes += descriptor.length;
  }
  burst_.count = limit;
  intake_bytes_ = bytes;
  if (unusual) return false;
  if (times_) {
    for (uint32_t i = 0; i < limit; i++) burst_.times[i] = reader_.times[(reader_.tail + i) & reader_.mask];
  }
  return true;
}

/* The same one by one: marks, and descriptors that a lag reader sees half overwritten or a foreign producer got wrong. */
uint32_t Container::intake_checked(uint32_t limit) {
  burst_.count = 0;
  intake_bytes_ = 0;
  uint32_t used = 0;
  for (; used < limit; used++) {
    const uint64_t at = (reader_.tail + used) & reader_.mask;
    const model_t_descriptor descriptor = model_t_descriptor_load(&reader_.descriptors[at]);
    if (descriptor.flags & MODEL_T_MARK) [[unlikely]] {
      if (!(descriptor.flags & MODEL_T_END_OF_STREAM) || model_t_ring_overwritten(&reader_, reader_.tail + used)) continue;
      end_ = true;
      break;
    }
    if (!model_t_descriptor_fits(&descriptor, reader_.regions)) [[unlikely]] {
      if (options_.policy == MODEL_T_LAG) continue; /* being overwritten: the release will tell */
      fail("corrupt ring: descriptor " + std::to_string(reader_.tail + used) + " points to " + std::to_string(descriptor.offset) +
           "+" + std::to_string(descriptor.length) + " in region " + std::to_string(descriptor.region));
      break;
    }
    const uint32_t i = burst_.count++;
    burst_.frames[i] = reader_.regions[descriptor.region].start + descriptor.offset;
    burst_.lengths[i] = descriptor.length;
    intake_bytes_ += descriptor.length;
    if (times_) burst_.times[i] = reader_.times[at];
  }
  return used;
}

void Container::account(uint64_t digest) {
  outcome_.digest += digest;
  outcome_.bytes += intake_bytes_;
  newer_.end = reader_.delivered;
  newer_.digest += digest;
  if (newer_.end - newer_.begin >= kWindowPackets) roll_window();
}

/* Keeps one full window behind the one that fills, so that the last window never is a small one. */
void Container::roll_window() {
  if (outcome_.head.end == 0) outcome_.head = newer_;
  older_ = newer_;
  newer_ = {older_.end, older_.end, 0};
}

void Container::publish_statistics() {
  set(&block_->delivered, reader_.delivered);
  set(&block_->bytes, outcome_.bytes);
  set(&block_->lost, reader_.lost);
  set(&block_->bursts, bursts_);
  set(&block_->empty_polls, empty_polls_);
  for (uint32_t i = 0; i < program_->step_count(); i++) {
    OperationBlock& block = operation_blocks_[i];
    const StepStatistics& step = program_->statistics(i);
    set(&block.packets, step.packets);
    set(&block.calls, step.calls);
    set(&block.cycles, step.cycles);
    set(&block.timed_packets, step.timed_packets);
    for (uint32_t verdict = 0; verdict < kMaxVerdicts; verdict++) set(&block.verdicts[verdict], program_->state(i).verdicts[verdict]);
  }
}

}  // namespace model_t
