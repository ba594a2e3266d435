/* Making a run: mutation, lanes, rings, engines, paths, containers, and the page they report on. See run.h. */
#include <cstdlib>
#include <cstring>

#include "run.h"

namespace model_t {

namespace {

/* A resident region repeats a small trace until it is this large, so that bursts stay full and readers can run behind. */
constexpr uint64_t kMinResidentBytes = 2ull << 20;

/* Blocks of a path before those of its operations: source and intake. */
constexpr uint32_t kElementsBefore = 2;

/* Bursts in a turn of a container, at most: how many of them a path takes says its placement (PathPlacement::slice_bursts). */
constexpr uint32_t kMostSlice = 64;

std::string with_digits(uint64_t value) { return std::to_string(value); }

uint32_t operations_of(const ProgramPlan& plan) {
  uint32_t count = 0;
  for (const StepRecord& record : plan.records) count += record.kind == StepRecord::Kind::operation;
  return count;
}

bool reads(Target target) { return target == Target::stack || target == Target::pcap; }

}  // namespace

std::unique_ptr<ReplayRun> ReplayRun::create(std::shared_ptr<TraceImage> image, RunConfig config, std::string* error) {
  std::unique_ptr<ReplayRun> run(new ReplayRun());
  run->image_ = std::move(image);
  run->config_ = std::move(config);
  run->operations_ = operations_of(run->config_.program);
  if (run->config_.placement.containers.empty() || run->config_.containers.empty()) {
    *error = "a run needs a container, and a placement";
    return nullptr;
  }
  if (!find_replay_kernels(run->config_.isa.c_str()) || !find_stack_kernels(run->config_.isa.c_str())) {
    *error = "this CPU or build has no '" + run->config_.isa + "' code";
    return nullptr;
  }
  if (!run->make_mutation(error) || !run->make_lanes(error) || !run->make_statistics(error)) return nullptr;
  for (RunLane& lane : run->lanes_) {
    if (!run->make_ring(lane, error)) return nullptr;
  }
  if (!run->make_staging(error)) return nullptr;
  for (uint32_t i = 0; i < run->lanes(); i++) {
    run->make_filling(run->lanes_[i]);
    run->make_engine(i);
    if (!run->make_path(i, error)) return nullptr;
  }
  run->make_containers();
  return run;
}

/* The source runs in the path's containers: one producing thread, and a reader of ours. */
bool ReplayRun::source_in_path() const { return reads(config_.target) && config_.threads == 1 && config_.placement.containers[0] >= 0; }

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

bool ReplayRun::make_lanes(std::string* error) {
  if (config_.lanes <= 1) {
    RunLane lane;
    lane.image = image_;
    lane.mutation = mutation_;
    lane.limits = config_.limits;
    lanes_.push_back(std::move(lane));
    seen_switches_.assign(1, 0);
    return true;
  }
  if (config_.target != Target::stack || !source_in_path() || config_.device || config_.containers.size() < config_.lanes) {
    *error = "lanes need the native engine with one producing thread each, a stack, and a container each";
    return false;
  }
  const std::optional<Steering> steering = steer(*image_, config_.lanes, kLaneSeed, error);
  if (!steering) return false;
  for (Lane& part : split(*image_, *mutation_, *steering, error)) {
    RunLane lane;
    lane.limits = part.limits(config_.limits, image_->packets());
    lane.image = std::move(part.image);
    lane.mutation = std::move(part.mutation);
    lane.packets = std::move(part.packets);
    lane.first_container = lanes();
    lanes_.push_back(std::move(lane));
  }
  seen_switches_.assign(lanes_.size(), 0);
  return !lanes_.empty();
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
    first().ring->set_region(i + 1, config_.staging.buffers[i], config_.staging.batch_bytes);
  }
  staging_ = std::make_unique<Staging>(*config_.device, config_.layout, config_.staging, config_.limits);
  return true;
}

bool ReplayRun::make_ring(RunLane& lane, std::string* error) {
  uint64_t region = config_.region_bytes;
  const TraceImage& image = *lane.image;
  const uint64_t packets = image.packets();
  if (config_.resident) {
    const uint64_t trace = image.slot_offsets()[packets];
    if (!image.is_complete() || trace == 0 || trace > kMaxRegionBytes) {
      *error = trace > kMaxRegionBytes ? "a resident trace of " + with_digits(trace) + " bytes exceeds one region of 4 GiB; use copied payload"
                                       : "resident payload needs a trace that is loaded and not empty";
      return false;
    }
    lane.resident_copies = trace >= kMinResidentBytes ? 1 : (kMinResidentBytes + trace - 1) / trace;
    region = lane.resident_copies * trace;
  }
  uint64_t largest = 0;
  for (uint64_t i = 0; i < packets && image.is_complete(); i++) {
    const uint64_t slot = image.slot_offsets()[i + 1] - image.slot_offsets()[i];
    if (slot > largest) largest = slot;
  }
  if (config_.device && config_.staging.insert == Insert::push) largest = 0; /* packets lie elsewhere */
  if (region < kMinRegionBytes || region > kMaxRegionBytes || region % 64 != 0 || largest > region / 2) {
    *error = "a ring of " + with_digits(region) + " bytes does not do: it must be a multiple of 64 between 64 KiB and 4 GiB, and twice the largest slot (" +
             with_digits(largest) + " bytes)";
    return false;
  }
  lane.ring = config_.target == Target::ring ? RingMemory::create_named(config_.ring_name, region, error)
                                             : RingMemory::create_private(region, error);
  return lane.ring != nullptr;
}

size_t ReplayRun::statistics_bytes() const {
  const size_t per_lane = sizeof(ProducerBlock) + sizeof(PathBlock) + (kElementsBefore + operations_) * sizeof(OperationBlock);
  return lanes_.size() * per_lane + config_.containers.size() * sizeof(ContainerBlock);
}

bool ReplayRun::make_statistics(std::string* error) {
  /* With fewer flows than lanes were asked for there are containers too many. */
  if (config_.lanes > 1) config_.containers.resize(lanes_.size());
  if (config_.helper_cpu != kNoHelper) config_.containers.push_back({"model-t prefetch", config_.helper_cpu});
  void* page = nullptr;
  if (posix_memalign(&page, 4096, statistics_bytes()) != 0) {
    *error = "out of memory for the statistics page";
    return false;
  }
  memset(page, 0, statistics_bytes());
  statistics_.reset(static_cast<uint8_t*>(page));
  return true;
}

PathBlock* ReplayRun::path_block(uint32_t lane) {
  return reinterpret_cast<PathBlock*>(statistics_.get() + lanes_.size() * sizeof(ProducerBlock)) + lane;
}

ContainerBlock* ReplayRun::container_block(uint32_t container) {
  return reinterpret_cast<ContainerBlock*>(path_block(lanes())) + container;
}

OperationBlock* ReplayRun::operation_blocks(uint32_t lane) {
  const auto first = reinterpret_cast<OperationBlock*>(container_block(static_cast<uint32_t>(config_.containers.size())));
  return first + lane * (kElementsBefore + operations_);
}

void ReplayRun::make_filling(RunLane& lane) {
  const ReplayKernels* const kernels = find_replay_kernels(config_.isa.c_str());
  const CopyOptions copying{kernels, config_.resident, lane.resident_copies};
  if (!staging_) lane.filling = std::make_unique<CopyFilling>(*lane.image, *lane.mutation, *lane.ring, copying);
  else if (config_.staging.insert == Insert::pull) lane.filling = std::make_unique<PullFilling>(*staging_, *lane.ring, *kernels);
  else lane.filling = std::make_unique<PushFilling>();
}

void ReplayRun::make_engine(uint32_t number) {
  RunLane& lane = lanes_[number];
  EngineOptions options;
  options.kernels = find_replay_kernels(config_.isa.c_str());
  options.limits = lane.limits;
  options.duration_ns = config_.duration_ns;
  options.threads = config_.threads;
  options.staging = staging_.get();
  options.drop_readers = !config_.resident && !(staging_ && config_.staging.insert == Insert::push);
  options.needs_readers = config_.target != Target::null;
  options.wait_readers = config_.target == Target::null ? 0 : config_.target == Target::ring ? config_.wait_readers : 1;
  options.self_sizing = config_.self_sizing && config_.threads == 1 && !config_.resident && !staging_ && lane.image->is_complete();
  options.start_bytes = config_.start_bytes;
  if (!lane.packets.empty()) options.time_span_ns = lap_span(*image_);
  lane.engine = std::make_unique<Engine>(*lane.image, *lane.filling, *lane.ring, options, producer_block(number));
}

bool ReplayRun::make_path(uint32_t number, std::string* error) {
  if (!reads(config_.target)) return true;
  RunLane& lane = lanes_[number];
  PathOptions options;
  options.kernels = find_stack_kernels(config_.isa.c_str());
  options.program = config_.program;
  options.policy = config_.policy;
  options.digest_lines = config_.digest_lines;
  options.block = path_block(number);
  options.operations = operation_blocks(number);
  if (source_in_path()) options.source = &lane.engine->agent(0);
  const size_t helpers = config_.helper_cpu != kNoHelper ? 1 : 0;
  lane.containers = lanes() > 1 ? 1 : static_cast<uint32_t>(config_.containers.size() - helpers) - (options.source ? 0 : config_.threads);
  options.containers = lane.containers;
  if (!options.source) lane.first_container = config_.threads;
  if (config_.target == Target::pcap) {
    sink_ = std::make_unique<PcapSink>(*image_, config_.file, config_.link_type);
    options.sink = sink_.get();
  }
  lane.path = Path::create(*lane.ring, options, error);
  return lane.path && lane.path->place(config_.placement, error);
}

void ReplayRun::make_containers() {
  std::vector<std::vector<Agent*>> agents(config_.containers.size());
  for (RunLane& lane : lanes_) {
    const bool apart = !source_in_path();
    for (uint32_t i = 0; apart && i < config_.threads; i++) agents[i].push_back(&lane.engine->agent(i));
    for (uint32_t i = 0; lane.path && i < lane.containers; i++) agents[lane.first_container + i].push_back(&lane.path->agent(i));
  }
  if (config_.helper_cpu != kNoHelper) {
    helper_ = std::make_unique<PrefetchAgent>(*first().ring, *first().path, PrefetchOptions{});
    agents.back().push_back(helper_.get());
  }
  for (uint32_t i = 0; i < config_.containers.size(); i++) {
    const ContainerConfig& config = config_.containers[i];
    const ContainerOptions options{config.name, config.cpu, config_.idle, kMostSlice};
    containers_.push_back(std::make_unique<Container>(options, std::move(agents[i]), container_block(i)));
  }
  if (helper_) containers_.back()->pause();
}

}  // namespace model_t
