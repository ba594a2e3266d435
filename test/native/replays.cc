/* See replays.h. */
#include "replays.h"

#include <algorithm>
#include <cstring>

#include "../../stack/native/clock.h"

namespace model_t::test {

void AgentThreads::start(Engine& engine) {
  engine.start();
  for (uint32_t i = 0; i < engine.agents(); i++) {
    threads_.emplace_back([&agent = engine.agent(i), idle = 0u]() mutable {
      for (int64_t work; (work = agent.do_work(16)) != kAgentFinished;) {
        idle = work ? 0 : idle + 1;
        if (idle > 1000) usleep(50);
        else if (idle > 0) sched_yield();
      }
    });
  }
}

void AgentThreads::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

TestReplay::TestReplay(ReplaySetup setup) : setup_(std::move(setup)) {
  std::string error;
  EngineOptions& options = setup_.options;
  const TraceImage& image = *setup_.image;
  if (!options.kernels) options.kernels = find_replay_kernels("scalar");
  uint64_t region = setup_.region_bytes;
  CopyOptions copy{options.kernels, setup_.resident, 0};
  if (copy.resident) {
    const uint64_t trace = image.slot_offsets()[image.packets()];
    copy.resident_copies = trace >= region ? 1 : (region + trace - 1) / trace;
    region = copy.resident_copies * trace;
    options.drop_readers = false;
  }
  mutation_ = Mutation::create(setup_.plan, image, &error);
  ring_ = setup_.ring_name.empty() ? RingMemory::create_private(region, &error) : RingMemory::create_named(setup_.ring_name, region, &error);
  if (!check(mutation_ != nullptr && ring_ != nullptr, __FILE__, __LINE__, error)) abort();
  if (image.is_complete()) CHECK(mutation_->extend_to(image.packets()));
  filling_ = std::make_unique<CopyFilling>(image, *mutation_, *ring_, copy);
  engine_ = std::make_unique<Engine>(image, *filling_, *ring_, options, &statistics_);
}

std::vector<ReaderReport> TestReplay::reports() {
  return engine_->reader_reports();
}

bool join_ring(RingMemory& ring, model_t_reader* reader, model_t_policy policy) {
  *reader = {};
  ring.map_reader(reader);
  return check(model_t_ring_join(reader, policy, 10000) == 0, __FILE__, __LINE__, reader->error);
}

bool wait_until(const std::function<bool()>& good) {
  const uint64_t deadline = now_ns() + 10ull * 1000 * 1000 * 1000;
  bool is = good();
  for (; !is && now_ns() < deadline; is = good()) usleep(200);
  return is;
}

struct Follower::Judge {
  const TraceImage& image;
  Reference reference;
  uint64_t time_span = 0;
  bool consecutive; /* no packet may be missing */
  Followed& out;

  Judge(const TraceImage& of, const MutationPlan& plan, bool no_gaps, Followed& result)
      : image(of), reference(of, plan), consecutive(no_gaps), out(result) {
    uint64_t first = UINT64_MAX, last = 0;
    for (uint64_t i = 0; i < image.packets(); i++) {
      first = std::min(first, image.times_ns()[i]);
      last = std::max(last, image.times_ns()[i]);
    }
    time_span = last - first + (image.packets() > 1 ? (last - first) / (image.packets() - 1) : 0) + 1000;
  }

  void packet(const model_t_packet& packet, const uint8_t* bytes) {
    const uint64_t ordinal = packet.sequence; /* tests are shorter than 2^32 packets */
    const uint64_t index = ordinal % image.packets(), lap = ordinal / image.packets();
    uint32_t length;
    const uint8_t* wanted = reference.frame(ordinal, &length);
    const std::string what = "packet " + std::to_string(ordinal);
    CHECK_FOR(packet.length == length && (length == 0 || memcmp(bytes, wanted, length) == 0), what);
    CHECK_FOR(packet.time_ns == image.times_ns()[index] + lap * time_span, what);
    CHECK_FOR((packet.flags == MODEL_T_END_OF_LAP) == (index + 1 == image.packets()), what);
    if (out.first == UINT64_MAX) out.first = ordinal;
    else CHECK_FOR(consecutive ? ordinal == out.last + 1 : ordinal > out.last, what + " after " + std::to_string(out.last));
    out.last = ordinal;
    out.laps_ended += packet.flags == MODEL_T_END_OF_LAP;
  }
};

Follower::Follower(RingMemory& ring, const TraceImage& image, const MutationPlan& plan, const Following& following)
    : ring_(ring),
      following_(following),
      packets_(following.limit),
      judge_(std::make_unique<Judge>(image, plan, following.policy == MODEL_T_BLOCK, followed_)) {}

Follower::~Follower() { leave(); }

bool Follower::join() {
  in_ = join_ring(ring_, &reader_, following_.policy);
  return in_;
}

/* What model_t_ring_join() does before it waits. */
void Follower::ask() {
  ring_.map_reader(&reader_);
  for (uint32_t i = 0; i < MODEL_T_READER_SLOTS && !reader_.slot; i++) {
    if (__atomic_load_n(&ring_.readers()[i].state, __ATOMIC_ACQUIRE) == MODEL_T_READER_FREE) reader_.slot = &ring_.readers()[i];
  }
  if (!CHECK(reader_.slot)) return;
  reader_.policy = following_.policy;
  __atomic_store_n(&reader_.slot->policy, reader_.policy, __ATOMIC_RELAXED);
  __atomic_store_n(&reader_.slot->pid, getpid(), __ATOMIC_RELAXED);
  __atomic_store_n(&reader_.slot->pid_start, model_t_process_start(getpid()), __ATOMIC_RELAXED);
  __atomic_store_n(&reader_.slot->state, static_cast<uint32_t>(MODEL_T_READER_JOINING), __ATOMIC_RELEASE);
  __atomic_fetch_add(&ring_.header()->join_requests, 1, __ATOMIC_RELEASE);
}

bool Follower::poll() {
  if (!in_) {
    if (!reader_.slot || __atomic_load_n(&reader_.slot->state, __ATOMIC_ACQUIRE) != MODEL_T_READER_ATTACHED) return true;
    reader_.tail = reader_.head = reader_.slot->start;
    in_ = true;
  }
  if (reader_.delivered >= following_.leave_after) return false;
  const int count = model_t_ring_receive(&reader_, packets_.data(), following_.limit);
  if (count > 0) take(count);
  if (count >= 0) return true;
  followed_.end = count;
  followed_.error = reader_.error;
  return false;
}

/* What a lag reader sees is judged by a copy, once it is known to have been intact. */
void Follower::take(int count) {
  const bool lag = following_.policy == MODEL_T_LAG;
  std::vector<size_t> at;
  Bytes bytes;
  for (size_t i = 0; i < static_cast<size_t>(count); i++) {
    at.push_back(bytes.size());
    if (lag) bytes.insert(bytes.end(), packets_[i].frame, packets_[i].frame + packets_[i].length);
    else judge_->packet(packets_[i], packets_[i].frame);
  }
  if (following_.nap_us && ++bursts_ % 8 == 0) usleep(following_.nap_us);
  if (model_t_ring_release(&reader_) != 0) return;
  for (size_t i = 0; lag && i < at.size(); i++) judge_->packet(packets_[i], bytes.data() + at[i]);
}

Followed Follower::leave() {
  followed_.delivered = reader_.delivered;
  followed_.lost = reader_.lost;
  model_t_ring_detach(&reader_);
  return followed_;
}

Followed follow(RingMemory& ring, const TraceImage& image, const MutationPlan& plan, const Following& following) {
  Follower follower(ring, image, plan, following);
  if (!follower.join()) return {};
  while (!failing() && follower.poll()) {
  }
  return follower.leave();
}

void place_usually(RunConfig* config) {
  const bool reads = config->target == Target::stack || config->target == Target::pcap;
  const bool apart = !reads || config->threads > 1 || config->device;
  config->containers.assign(apart ? config->threads + (reads ? 1 : 0) : 2, {"test", -1});
  const int32_t chain = apart ? 0 : 1;
  config->placement.containers.assign(2 + config->program.records.size(), chain);
  config->placement.containers[0] = apart ? -1 : 0;
}

}  // namespace model_t::test
