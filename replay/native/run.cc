/* See run.h. */
#include "run.h"

#include <cstdlib>
#include <cstring>

#include "../../stack/native/clock.h"
#include "reference.h"

namespace model_t {

namespace {

/* Recomputed of what lies in staging memory, at most: twice what a window of the container holds. */
constexpr uint64_t kMostStagedPackets = 1 << 20;

/* A resident region repeats a small trace until it is this large, so that bursts stay full and readers can run behind. */
constexpr uint64_t kMinResidentBytes = 2ull << 20;

std::string with_digits(uint64_t value) { return std::to_string(value); }

}  // namespace

std::unique_ptr<ReplayRun> ReplayRun::create(std::shared_ptr<TraceImage> image, RunConfig config, std::string* error) {
  std::unique_ptr<ReplayRun> run(new ReplayRun());
  run->image_ = std::move(image);
  run->config_ = std::move(config);
  if (!find_replay_kernels(run->config_.isa.c_str()) || !find_stack_kernels(run->config_.isa.c_str())) {
    *error = "this CPU or build has no '" + run->config_.isa + "' code";
    return nullptr;
  }
  void* page = nullptr;
  if (posix_memalign(&page, 4096, run->statistics_bytes()) != 0) {
    *error = "out of memory for the statistics page";
    return nullptr;
  }
  memset(page, 0, run->statistics_bytes());
  run->statistics_.reset(static_cast<uint8_t*>(page));
  if (!run->make_mutation(error) || !run->make_ring(error) || !run->make_staging(error)) return nullptr;
  run->make_filling();
  run->make_engine();
  run->make_container();
  return run;
}

bool ReplayRun::make_mutation(std::string* error) {
  if (config_.device) {
    mutation_ = config_.device->mutation();
    config_.mutation = mutation_->plan();
    return true;
  }
  mutation_ = Mutation::create(config_.mutation, *image_, error);
  if (!mutation_) return false;
  if (!image_->is_complete() || mutation_->extend_to(image_->packets())) return true;
  *error = "out of memory while compiling the mutation of " + with_digits(image_->packets()) + " packets";
  return false;
}

bool ReplayRun::make_staging(std::string* error) {
  if (!config_.device) return true;
  const bool push = config_.staging.insert == Insert::push;
  *error = Staging::check(config_.staging, *config_.device);
  if (!error->empty()) return false;
  if (config_.device->image() != image_) *error = "the device image was made from another trace";
  else if (!config_.layout) *error = "the device image was not laid out";
  else if (config_.threads != 1 || config_.resident) *error = "packets that a device makes need one thread and copied payload";
  else if (push && config_.target == Target::ring) *error = "readers in other processes cannot read staging memory: use pull";
  else if (push && config_.policy == MODEL_T_DROP) *error = "drop readers need packets that are copied into the ring: use pull";
  if (!error->empty()) return false;
  for (uint32_t i = 0; push && i < config_.staging.buffers.size(); i++) {
    ring_->set_region(i + 1, config_.staging.buffers[i], config_.staging.batch_bytes);
  }
  staging_ = std::make_unique<Staging>(*config_.device, config_.layout, config_.staging, config_.limits);
  return true;
}

ReplayRun::~ReplayRun() {
  if (engine_) abort();
}

bool ReplayRun::make_ring(std::string* error) {
  uint64_t region = config_.region_bytes;
  const uint64_t packets = image_->packets();
  if (config_.resident) {
    const uint64_t trace = image_->slot_offsets()[packets];
    if (!image_->is_complete() || trace == 0 || trace > kMaxRegionBytes) {
      *error = trace > kMaxRegionBytes ? "a resident trace of " + with_digits(trace) + " bytes exceeds one region of 4 GiB; use copied payload"
                                       : "resident payload needs a trace that is loaded and not empty";
      return false;
    }
    resident_copies_ = trace >= kMinResidentBytes ? 1 : (kMinResidentBytes + trace - 1) / trace;
    region = resident_copies_ * trace;
  }
  uint64_t largest = 0;
  for (uint64_t i = 0; i < packets && image_->is_complete(); i++) {
    const uint64_t slot = image_->slot_offsets()[i + 1] - image_->slot_offsets()[i];
    if (slot > largest) largest = slot;
  }
  if (config_.device && config_.staging.insert == Insert::push) largest = 0; /* packets lie elsewhere */
  if (region < kMinRegionBytes || region > kMaxRegionBytes || region % 64 != 0 || largest > region / 2) {
    *error = "a ring of " + with_digits(region) + " bytes does not do: it must be a multiple of 64 between 64 KiB and 4 GiB, and twice the largest slot (" +
             with_digits(largest) + " bytes)";
    return false;
  }
  ring_ = config_.target == Target::ring ? RingMemory::create_named(config_.ring_name, region, error)
                                         : RingMemory::create_private(region, error);
  return ring_ != nullptr;
}

void ReplayRun::make_filling() {
  const ReplayKernels* const kernels = find_replay_kernels(config_.isa.c_str());
  if (!staging_) filling_ = std::make_unique<CopyFilling>(*image_, *mutation_, *ring_, CopyOptions{kernels, config_.resident, resident_copies_});
  else if (config_.staging.insert == Insert::pull) filling_ = std::make_unique<PullFilling>(*staging_, *ring_, *kernels);
  else filling_ = std::make_unique<PushFilling>();
}

void ReplayRun::make_engine() {
  EngineOptions options;
  options.kernels = find_replay_kernels(config_.isa.c_str());
  options.limits = config_.limits;
  options.duration_ns = config_.duration_ns;
  options.threads = config_.threads;
  options.staging = staging_.get();
  options.drop_readers = !config_.resident && !(staging_ && config_.staging.insert == Insert::push);
  options.needs_readers = config_.target != Target::null;
  options.wait_readers = config_.target == Target::null ? 0 : config_.target == Target::ring ? config_.wait_readers : 1;
  for (uint32_t i = 0; i < config_.threads && i < config_.cpus.size(); i++) options.cpus.push_back(config_.cpus[i]);
  engine_ = std::make_unique<Engine>(*image_, *filling_, *ring_, options, reinterpret_cast<ProducerBlock*>(statistics_.get()));
}

void ReplayRun::make_container() {
  if (config_.target != Target::stack && config_.target != Target::pcap) return;
  ContainerOptions container;
  container.kernels = find_stack_kernels(config_.isa.c_str());
  container.program = config_.program;
  container.policy = config_.policy;
  container.digest_lines = config_.digest_lines;
  if (config_.cpus.size() > config_.threads) container.cpu = config_.cpus[config_.threads];
  if (config_.target == Target::pcap) {
    sink_ = std::make_unique<PcapSink>(*image_, config_.file, config_.link_type);
    container.sink = sink_.get();
  }
  container_ = std::make_unique<Container>(*ring_, container, statistics_.get() + sizeof(ProducerBlock));
}

bool ReplayRun::start(std::string* error) {
  engine_->start();
  if (container_ && !container_->start(error)) {
    engine_->abort();
    engine_->join();
    return false;
  }
  return true;
}

void ReplayRun::abort() {
  engine_->abort();
  if (container_) container_->stop();
}

void ReplayRun::fail(const std::string& error) {
  engine_->fail(error);
  if (container_) container_->stop();
}

/* One sleep: looking up in between, every 50 us, cost the JavaScript thread a sixth of a core. */
void ReplayRun::nap(uint64_t microseconds) {
  if (!ended() && !engine_->reclaimable()) usleep(static_cast<useconds_t>(microseconds));
}

void ReplayRun::wait() {
  engine_->join();
  if (container_) {
    container_->join();
    result_.has_container = true;
    result_.container = container_->outcome();
    if (result_.container.failed) result_.error = result_.container.error;
  }
  result_.engine = engine_->outcome();
  result_.host_copied_bytes = engine_->host_copied_bytes();
  if (result_.engine.stopped == Stopped::failed) result_.error = result_.engine.error;
  if (sink_) {
    if (!result_.container.failed && !sink_->flush()) result_.error = sink_->error();
  }
  result_.readers = engine_->reader_reports();
  ring_->remove_name(); /* not in the destructor alone: JavaScript may hold this object for as long as it likes */
  if (config_.verify) verify();
}

void ReplayRun::verify() {
  const EngineOutcome& engine = result_.engine;
  if (!result_.error.empty() || engine.offered == 0 || engine.stopped == Stopped::reader_died) return;
  if (container_ && result_.container.delivered == engine.offered) verify_windows();
  else verify_ring();
  const bool pushed = staging_ && config_.staging.insert == Insert::push;
  if (pushed && !container_ && result_.verified_ok) verify_staging();
}

/* The first and the last packets that the container saw. */
void ReplayRun::verify_windows() {
  Reference reference(*image_, config_.mutation);
  const DigestWindow& head = result_.container.head;
  const DigestWindow& tail = result_.container.tail;
  result_.verified_ok = reference.digest(tail.begin, tail.end, config_.digest_lines) == tail.digest;
  result_.verified_packets = tail.end - tail.begin;
  if (tail.begin < head.end) return; /* the last window begins with the first */
  if (reference.digest(head.begin, head.end, config_.digest_lines) != head.digest) result_.verified_ok = false;
  result_.verified_packets += head.end - head.begin;
}

/*
 * What still lies in staging memory: whole batches, of which the descriptors in the ring show only the end. Called behind the last
 * look at the readers, so that nothing is reclaimed any more.
 */
void ReplayRun::verify_staging() {
  Reference reference(*image_, config_.mutation);
  const uint64_t offered = result_.engine.offered;
  const uint64_t oldest = offered > kMostStagedPackets ? offered - kMostStagedPackets : 0;
  const uint64_t first = staging_->reclaimed_end() > oldest ? staging_->reclaimed_end() : oldest;
  for (uint64_t ordinal = first; ordinal < offered; ordinal++) {
    uint32_t length = 0;
    const uint8_t* frame = reference.frame(ordinal, &length);
    const uint8_t* staged = staging_->frame_at(ordinal, offered);
    if (!staged || memcmp(staged, frame, length) != 0) {
      result_.verified_ok = false;
      return;
    }
  }
  result_.verified_packets = offered - first;
}

/* What still lies in the ring, byte by byte: where no reader of ours saw every packet. */
void ReplayRun::verify_ring() {
  Reference reference(*image_, config_.mutation);
  const uint32_t mask = ring_->descriptor_count() - 1;
  const uint64_t offered = result_.engine.offered;
  for (uint64_t position = result_.engine.floor; position < result_.engine.head; position++) {
    const model_t_descriptor descriptor = model_t_descriptor_load(&ring_->descriptors()[position & mask]);
    if (descriptor.flags & MODEL_T_MARK) continue;
    /* The descriptor holds the low half of the ordinal; there is one such ordinal among the last 2^32. */
    uint64_t ordinal = (offered & ~0xffffffffull) | descriptor.metadata;
    if (ordinal >= offered) ordinal -= 1ull << 32;
    uint32_t length = 0;
    const uint8_t* frame = ordinal < offered ? reference.frame(ordinal, &length) : nullptr;
    if (!frame || !model_t_descriptor_fits(&descriptor, ring_->regions()) || descriptor.length != length ||
        memcmp(ring_->regions()[descriptor.region].start + descriptor.offset, frame, length) != 0) {
      result_.verified_ok = false;
      return;
    }
    result_.verified_packets++;
  }
}

}  // namespace model_t
