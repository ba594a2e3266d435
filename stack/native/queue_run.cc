/* See queue_run.h. */
#include "queue_run.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

#include "clock.h"

namespace model_t {

namespace {

/* The clock is looked at after so many packets: 20 ns in 4 microseconds or more. */
constexpr uint64_t kPacketsPerLook = 16 * kBurstCapacity;
constexpr uint64_t kProbeRounds = 1024; /* 16384 core cycles, 5 to 10 microseconds */

std::atomic<uint64_t> stops{0}; /* how often stop_queues() was called */

uint64_t mixed(uint64_t value) { return (value ^ value >> 32) * 0xd6e8feb86659fd93ull; }

uint64_t hash_of(const uint8_t* bytes, uint32_t length) {
  uint64_t hash = length;
  for (; length >= 8; length -= 8, bytes += 8) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    hash = mixed(hash ^ word);
  }
  for (; length; length--) hash = mixed(hash ^ *bytes++);
  return hash;
}

/* Order-independent: rows of different streams may come in another order. */
struct RowDigest {
  uint64_t first = 0; /* number of the burst's first packet */
  uint64_t sum = 0;
  uint32_t needs = 0;

  static void take(void* context, const Burst256& burst) {
    RowDigest& self = *static_cast<RowDigest*>(context);
    for (uint32_t i = 0; i < burst.count; i++) {
      uint64_t row = mixed((self.first + burst.slots[i] + 1) * 0x9e3779b97f4a7c15ull + burst.classes[i]);
      if (self.needs & kNeedPayloads) row += mixed(hash_of(burst.payloads[i], burst.payload_lengths[i]));
      if (self.needs & kNeedStreams) row += mixed(burst.streams[i] * 0xbf58476d1ce4e5b9ull + burst.stream_marks[i] * 256u + burst.encodings[i]);
      self.sum += mixed(row);
    }
  }
};

/* One core: its queue, its program, its thread. */
class Worker {
 public:
  Worker(const QueueConfig& config, const StackKernels& kernels, int cpu) : config_(config), kernels_(kernels), queue_(kernels) {
    core_.cpu = cpu;
  }

  bool prepare() {
    if (!queue_.fill(config_.set, config_.packets, config_.stride, &error_)) return false;
    return config_.reads_only || check();
  }

  void run(std::atomic<uint32_t>& waiting, std::atomic<bool>& stop) {
    settle_thread("model-t queue", core_.cpu);
    lap(); /* warm: caches, pages, predictors; and the state of operations that have one */
    waiting.fetch_sub(1);
    while (waiting.load(std::memory_order_acquire) != 0) std::this_thread::yield();
    uint64_t now = now_ns();
    const uint64_t end = now + static_cast<uint64_t>(config_.seconds * 1e9);
    const uint64_t stopped = stops.load(std::memory_order_relaxed);
    do { /* once at least, however late this thread was let run: figures are of something */
      measure(&now);
      probe();
      if (now >= end) stop.store(true, std::memory_order_relaxed);
    } while (!stop.load(std::memory_order_relaxed) && stops.load(std::memory_order_relaxed) == stopped && problem_.empty());
    core_.clock = static_cast<double>(kProbeRounds * 16) / median(probes_);
    core_.window_cycles = median(windows_);
    core_.packets = core_.laps * queue_.packets();
    core_.bytes = core_.laps * (config_.reads_only ? queue_.slot_bytes() : queue_.frame_bytes());
    judge();
  }

  const QueueCore& core() const { return core_; }
  const std::string& error() const { return error_; }
  const std::string& problem() const { return problem_; }
  const PacketQueue& queue() const { return queue_; }
  uint64_t digest() const { return digest_; }

  void add_steps(std::vector<QueueStep>* steps) const {
    steps->resize(account_.size());
    for (uint32_t i = 0; i < account_.size(); i++) {
      add(&(*steps)[i].statistics, account_[i]);
      for (uint32_t v = 0; v < kOperationVerdicts; v++) (*steps)[i].verdicts[v] += verdicts_[i * kOperationVerdicts + v];
    }
  }

 private:
  /* One lap of a fresh program over the queue: what it says, and which rows reach the end. */
  bool look(const ProgramPlan& plan, std::vector<uint64_t>* verdicts, uint64_t* digest) {
    const std::unique_ptr<Program> program = Program::create(plan, &error_);
    if (!program) return false;
    memset(static_cast<void*>(burst_.get()), 0xa5, sizeof *burst_); /* what another program left there must not help this one */
    RowDigest rows;
    rows.needs = plan.needs;
    program->set_tail(RowDigest::take, &rows);
    for (uint64_t first = 0; first < queue_.packets(); first += kBurstCapacity) {
      rows.first = first;
      queue_.pull(first, program->needs(), *burst_);
      program->run(*burst_);
    }
    program->finish();
    for (uint32_t i = 0; i < program->step_count(); i++) {
      verdicts->insert(verdicts->end(), program->state(i).verdicts, program->state(i).verdicts + kOperationVerdicts);
    }
    *digest = rows.sum;
    return true;
  }

  bool check() {
    std::vector<uint64_t> expected;
    uint64_t reference = 0;
    if (!look(config_.reference, &expected, &reference) || !look(config_.program, &verdicts_, &digest_)) return false;
    if (verdicts_ != expected) problem_ = "verdicts differ from the scalar reference";
    else if (digest_ != reference) problem_ = "other rows reach the end, or with other classes, than in the scalar reference";
    bytes_before_ = digest_bytes();
    program_ = Program::create(config_.program, &error_);
    return program_ != nullptr;
  }

  /* Laps for a millisecond or one lap, whatever is longer. */
  void measure(uint64_t* now) {
    const uint64_t laps = core_.laps;
    uint64_t spent = 0, time = 0;
    do {
      if (config_.fresh && !renew()) return;
      const uint64_t start = now_ns(), begin = cycles();
      for (uint64_t packets = 0; packets < kPacketsPerLook; packets += queue_.packets()) {
        lap();
        core_.laps++;
        if (config_.fresh) break;
      }
      if (config_.fresh) program_->finish();
      spent += cycles() - begin;
      *now = now_ns();
      time += *now - start;
      if (config_.fresh && !same_verdicts(1)) return;
    } while (time < 1000 * 1000);
    core_.cycles += spent;
    core_.seconds += static_cast<double>(time) * 1e-9;
    windows_.push_back(static_cast<double>(spent) / static_cast<double>((core_.laps - laps) * queue_.packets()));
  }

  /* A program that has seen nothing, in place of the one there is. */
  bool renew() {
    keep_account();
    program_ = Program::create(config_.program, &problem_);
    return program_ != nullptr;
  }

  bool same_verdicts(uint64_t laps) {
    for (uint32_t i = 0; i < verdicts_.size(); i++) {
      if (program_->state(i / kOperationVerdicts).verdicts[i % kOperationVerdicts] == verdicts_[i] * laps) continue;
      problem_ = "verdicts of the timed laps differ from those of the first";
      return false;
    }
    return true;
  }

  static void add(StepStatistics* sum, const StepStatistics& more) {
    sum->packets += more.packets;
    sum->calls += more.calls;
    sum->timed_packets += more.timed_packets;
    sum->cycles += more.cycles;
  }

  void keep_account() {
    if (!program_) return;
    account_.resize(program_->step_count());
    for (uint32_t i = 0; i < program_->step_count(); i++) add(&account_[i], program_->statistics(i));
  }

  void probe() {
    const uint64_t begin = cycles();
    spend_core_cycles(kProbeRounds);
    probes_.push_back(static_cast<double>(cycles() - begin));
  }

  /* Interruptions of a window or a probe are no part of either. */
  static double median(std::vector<double>& values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }

  void lap() {
    if (config_.reads_only) {
      kernels_.read_bytes(queue_.slots(), queue_.slot_bytes());
      return;
    }
    for (uint64_t first = 0; first < queue_.packets(); first += kBurstCapacity) {
      queue_.pull(first, program_->needs(), *burst_);
      program_->run(*burst_);
    }
  }

  uint64_t digest_bytes() {
    uint64_t sum = 0;
    for (uint64_t first = 0; first < queue_.packets(); first += kBurstCapacity) {
      queue_.pull(first, 0, *burst_);
      sum += kernels_.digest(burst_->frames, burst_->lengths, burst_->count, 0);
    }
    return sum;
  }

  void judge() {
    keep_account();
    if (config_.reads_only || !problem_.empty()) return;
    if (digest_bytes() != bytes_before_) problem_ = "the packets were changed";
    if (config_.stateless && problem_.empty()) same_verdicts(core_.laps + 1);
  }

  const QueueConfig& config_;
  const StackKernels& kernels_;
  PacketQueue queue_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<Burst256> burst_ = std::make_unique<Burst256>();
  std::vector<uint64_t> verdicts_; /* of one lap */
  std::vector<StepStatistics> account_;
  uint64_t digest_ = 0;
  uint64_t bytes_before_ = 0;
  std::vector<double> probes_;  /* cycles of a chain of additions */
  std::vector<double> windows_; /* cycles per packet */
  QueueCore core_;
  std::string error_;
  std::string problem_;
};

}  // namespace

void stop_queues() { stops.fetch_add(1, std::memory_order_relaxed); }

QueueOutcome run_queue(const QueueConfig& config) {
  QueueOutcome outcome;
  const StackKernels* const kernels = find_stack_kernels(config.isa);
  if (!kernels) {
    outcome.error = std::string("this CPU or build has no '") + config.isa + "' code";
    return outcome;
  }
  std::vector<std::unique_ptr<Worker>> workers;
  for (const int cpu : config.cpus) {
    workers.push_back(std::make_unique<Worker>(config, *kernels, cpu));
    if (!workers.back()->prepare()) {
      outcome.error = workers.back()->error();
      return outcome;
    }
  }
  std::atomic<uint32_t> waiting{static_cast<uint32_t>(workers.size())};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (const auto& worker : workers) threads.emplace_back([&worker, &waiting, &stop] { worker->run(waiting, stop); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& worker : workers) {
    outcome.cores.push_back(worker->core());
    worker->add_steps(&outcome.steps);
    outcome.digest += worker->digest();
    outcome.queue_bytes = worker->queue().slot_bytes();
    if (!worker->problem().empty()) outcome.problem = worker->problem();
  }
  return outcome;
}

}  // namespace model_t
