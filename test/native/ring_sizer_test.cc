/*
 * The ring sizer on simulated machines: a producer, a ring and readers under a simulated clock, where a cache makes small rings
 * faster, noise makes every measurement wrong, and readers stall. What must hold: how fast it gets to the best size, that it stays.
 */
#include <algorithm>
#include <cmath>
#include <functional>

#include "../../stack/native/ring_sizer.h"
#include "check.h"

namespace model_t::test {

namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr double kSlot = 64;
constexpr uint64_t kStepNs = 50 * 1000;

/* Packets per second of a side, by the size of the ring in use. */
using Curve = std::function<double(uint64_t)>;

struct SimulatedReader {
  Curve rate;
  uint64_t period_ns = 0; /* stalls at the end of each, for so long */
  uint64_t stall_ns = 0;
  double consumed = 0;
};

struct Machine {
  Curve producer;
  std::vector<SimulatedReader> readers;
  double noise = 0; /* +- this share, anew every millisecond */
};

class Simulation {
 public:
  Simulation(Machine machine, SizerLimits limits) : machine_(std::move(machine)), sizer_(limits) { sizer_.look(view()); }

  void run(uint64_t milliseconds) {
    const uint64_t end = now_ + milliseconds * 1000 * 1000;
    const double before = consumed();
    const uint64_t begin = now_;
    while (now_ < end) step();
    rate_ = (consumed() - before) * 1e9 / static_cast<double>(now_ - begin);
  }

  /* Of the last run(). */
  double rate() const { return rate_; }
  uint64_t size() const { return sizer_.size(); }
  uint64_t changes() const { return changes_; }
  const RingSizer& sizer() const { return sizer_; }
  Machine& machine() { return machine_; }

 private:
  double consumed() const {
    double slowest = published_;
    for (const SimulatedReader& reader : machine_.readers) slowest = std::min(slowest, reader.consumed);
    return slowest;
  }

  RingView view() const {
    return {now_, static_cast<uint64_t>(published_), static_cast<uint64_t>(consumed()), static_cast<uint64_t>(published_ * kSlot), waited_};
  }

  /* Time goes in steps of 50 us, small beside a stall; within one the ring passes on what its slower side can. */
  void step() {
    now_ += kStepNs;
    if (now_ / 1000000 != noise_at_) {
      noise_at_ = now_ / 1000000;
      factor_ = 1 + machine_.noise * (random_.below(2001) / 1000.0 - 1);
    }
    const double seconds = static_cast<double>(kStepNs) / 1e9;
    const double room = static_cast<double>(sizer_.size()) / kSlot;
    const double most = draining_ ? 0 : machine_.producer(sizer_.size()) * factor_ * seconds;
    double limit = published_ + most;
    for (SimulatedReader& reader : machine_.readers) {
      const bool stalled = reader.stall_ns && now_ % reader.period_ns >= reader.period_ns - reader.stall_ns;
      if (!stalled) reader.consumed = std::min(reader.consumed + reader.rate(sizer_.size()) * factor_ * seconds, published_ + most);
      limit = std::min(limit, reader.consumed + room);
    }
    const double made = std::max(0.0, limit - published_);
    published_ += made;
    for (SimulatedReader& reader : machine_.readers) reader.consumed = std::min(reader.consumed, published_);
    if (!draining_ && made < most * 0.999) waited_ += static_cast<uint64_t>(static_cast<double>(kStepNs) * (1 - made / most));
    if (draining_) {
      if (consumed() >= published_) {
        draining_ = false;
        sizer_.resized(view());
        changes_++;
      }
    } else if (made > 0 && sizer_.look(view()) != sizer_.size()) { /* asked behind a burst, as the engine does */
      draining_ = true;
    }
  }

  Machine machine_;
  RingSizer sizer_;
  Random random_{900};
  uint64_t now_ = 1000;
  uint64_t waited_ = 0;
  uint64_t changes_ = 0;
  uint64_t noise_at_ = 0;
  double factor_ = 1;
  double published_ = 0;
  double rate_ = 0;
  bool draining_ = false;
};

/* Fast up to the size that fits, slow from four times that on, a slope between: what caches look like. */
Curve cache(uint64_t fits, double fast, double slow) {
  return [=](uint64_t size) {
    const double over = std::clamp(std::log2(static_cast<double>(size) / static_cast<double>(fits)) / 2, 0.0, 1.0);
    return fast + (slow - fast) * over;
  };
}

/* The same, and a ring below 128 KiB is too small: both sides wait for each other at every burst. */
Curve with_lockstep(const Curve& curve) {
  return [=](uint64_t size) { return curve(size) * (size < 128 * kKiB ? 0.7 : 1); };
}

Curve flat(double rate) {
  return [=](uint64_t) { return rate; };
}

double best_fixed(const Curve& curve) {
  double best = 0;
  for (uint64_t size = 64 * kKiB; size <= 64 * kMiB; size *= 2) best = std::max(best, curve(size));
  return best;
}

constexpr SizerLimits kFromTop{64 * kKiB, 64 * kMiB, 64 * kMiB};

void the_step_of_a_cache_is_found_within_a_second() {
  for (const double noise : {0.0, 0.1}) {
    for (const uint64_t fits : {256 * kKiB, 512 * kKiB, 4 * kMiB, 16 * kMiB}) {
      if (settings.quick && fits != 512 * kKiB) continue;
      for (const double gain : {1.15, 3.0}) {
        for (const bool reader_limits : {true, false}) {
          const std::string what = std::to_string(fits / kKiB) + " KiB, gain " + std::to_string(gain) + ", noise " + std::to_string(noise) + (reader_limits ? ", reader" : ", producer");
          const Curve curve = with_lockstep(cache(fits, 30e6 * gain, 30e6));
          Simulation simulation({reader_limits ? flat(200e6) : curve, {{reader_limits ? curve : flat(200e6)}}, noise}, kFromTop);
          simulation.run(1000);
          simulation.run(500);
          CHECK_FOR(simulation.rate() >= 0.95 * best_fixed(curve), what + ": " + std::to_string(simulation.rate()) + " at " + std::to_string(simulation.size() / kKiB));
          simulation.run(settings.quick ? 1000 : 4000);
          CHECK_FOR(simulation.rate() >= 0.95 * best_fixed(curve), what + ", later: " + std::to_string(simulation.rate()));
        }
      }
    }
  }
}

void two_steps_are_both_taken() {
  const Curve curve = with_lockstep([](uint64_t size) { return cache(512 * kKiB, 100e6, 60e6)(size) * cache(16 * kMiB, 1, 0.5)(size); });
  Simulation simulation({flat(300e6), {{curve}}}, kFromTop);
  simulation.run(1000);
  simulation.run(500);
  CHECK_FOR(simulation.rate() >= 0.95 * best_fixed(curve), std::to_string(simulation.rate()));
}

/* What is as fast in a large ring keeps the window it has; a ring that is hardly used becomes small. */
void a_flat_machine_is_left_alone() {
  Simulation limited({flat(100e6), {{flat(50e6)}}}, kFromTop);
  limited.run(1500);
  CHECK_EQUAL(limited.size(), 64 * kMiB);
  const uint64_t before = limited.changes();
  limited.run(20000);
  CHECK_FOR(limited.changes() - before <= 6 * 20, std::to_string(limited.changes() - before)); /* ever more seldom */
  Simulation paced({flat(5e6), {{flat(50e6)}}}, kFromTop);
  paced.run(1500);
  CHECK_FOR(paced.size() <= 256 * kKiB, std::to_string(paced.size()));
}

/* Noise of +-10 % must not drive a ring about: what it costs to look is what is lost. */
void noise_costs_little() {
  Machine machine{flat(100e6), {{with_lockstep(cache(512 * kKiB, 50e6, 25e6))}}, 0.1};
  Simulation simulation(machine, {64 * kKiB, 16 * kMiB, 512 * kKiB});
  simulation.run(1000);
  simulation.run(20000);
  CHECK_FOR(simulation.rate() >= 0.97 * 50e6, std::to_string(simulation.rate()));
  CHECK_FOR(simulation.size() >= 128 * kKiB && simulation.size() <= kMiB, std::to_string(simulation.size()));
}

/* Stalls of 5 ms in every 10: a small ring loses them, a large one is filled meanwhile and drained behind. */
void a_reader_that_stalls_gets_a_large_ring() {
  for (const uint64_t start : {512 * kKiB, 64 * kMiB}) {
    for (const double noise : {0.0, 0.1}) {
      Machine machine{flat(40e6), {{flat(120e6), 10 * 1000 * 1000, 5 * 1000 * 1000}}, noise};
      Simulation simulation(machine, {64 * kKiB, 64 * kMiB, start});
      simulation.run(3000);
      simulation.run(2000);
      const std::string what = std::to_string(simulation.rate()) + " at " + std::to_string(simulation.size() / kKiB) + " KiB";
      CHECK_FOR(simulation.rate() >= 0.95 * 40e6, what); /* 20e6 in a small ring */
      simulation.run(settings.quick ? 1000 : 10000);
      CHECK_FOR(simulation.rate() >= 0.95 * 40e6, what + ", later " + std::to_string(simulation.rate()));
    }
  }
}

/* Begins to stall, and stops again. */
void the_ring_follows_a_reader_that_changes() {
  Machine machine{flat(60e6), {{with_lockstep(cache(512 * kKiB, 120e6, 100e6))}}};
  Simulation simulation(machine, kFromTop);
  simulation.run(1000);
  simulation.run(200);
  CHECK_FOR(simulation.rate() >= 0.95 * 60e6, std::to_string(simulation.rate()));
  const uint64_t small = simulation.size();
  SimulatedReader& reader = simulation.machine().readers[0];
  reader.period_ns = 20 * 1000 * 1000;
  reader.stall_ns = 5 * 1000 * 1000;
  simulation.run(1000);
  simulation.run(3000);
  CHECK_FOR(simulation.size() > small && simulation.rate() >= 0.95 * 60e6, std::to_string(simulation.rate()) + " at " + std::to_string(simulation.size()));
  reader.stall_ns = 0;
  simulation.run(settings.quick ? 4000 : 40000);
  simulation.run(2000);
  CHECK_FOR(simulation.rate() >= 0.95 * 60e6, std::to_string(simulation.rate()));
}

/* A stall that no ring could bridge, and a reader that never catches up: growing is tried, and given up. */
void a_reader_that_is_merely_slow_does_not_grow_the_ring() {
  Machine machine{flat(100e6), {{with_lockstep(cache(512 * kKiB, 20e6, 15e6)), 10 * 1000 * 1000, 3 * 1000 * 1000}}};
  Simulation simulation(machine, {64 * kKiB, 64 * kMiB, 512 * kKiB});
  simulation.run(1000);
  simulation.run(20000);
  CHECK_FOR(simulation.rate() >= 0.95 * 14e6, std::to_string(simulation.rate()) + " at " + std::to_string(simulation.size()));
}

/* The slower of two readers sets the pace, and both walk the same ring. */
void of_two_readers_the_slower_counts() {
  for (const double noise : {0.0, 0.1}) {
    const Curve slow = with_lockstep(cache(512 * kKiB, 40e6, 20e6));
    Simulation simulation({flat(150e6), {{cache(kMiB, 90e6, 60e6)}, {slow}}, noise}, kFromTop);
    simulation.run(1000);
    simulation.run(500);
    CHECK_FOR(simulation.rate() >= 0.95 * best_fixed(slow), std::to_string(simulation.rate()));
    SimulatedReader& fast = simulation.machine().readers[0];
    fast.period_ns = 20 * 1000 * 1000;
    fast.stall_ns = 4 * 1000 * 1000; /* faster on average, and in the way */
    simulation.run(2000);
    simulation.run(2000);
    CHECK_FOR(simulation.rate() >= 0.8 * best_fixed(slow), std::to_string(simulation.rate()) + " with stalls, at " + std::to_string(simulation.size()));
  }
}

/* Sizes stay within the limits, on the ladder of powers of two, also where there is hardly room for one. */
void tiny_rings_and_odd_limits() {
  for (const SizerLimits limits : {SizerLimits{64 * kKiB, 64 * kKiB, 64 * kKiB}, {64 * kKiB, 128 * kKiB, 64 * kKiB}, {64 * kKiB, 100 * kKiB, 100 * kKiB},
                                   {512 * kKiB, 256 * kKiB, kMiB}, {64 * kKiB, 64 * kKiB + 64, 64 * kKiB}, {256 * kKiB, 3 * kMiB, 0}}) {
    Simulation simulation({flat(100e6), {{flat(50e6)}}, 0.1}, limits);
    const uint64_t floor = std::min(limits.floor, limits.ceiling);
    for (int i = 0; i < 30; i++) {
      simulation.run(100);
      const uint64_t size = simulation.size();
      CHECK_FOR(size >= floor && size <= limits.ceiling, std::to_string(size));
      CHECK_FOR((size & (size - 1)) == 0 || size == limits.ceiling || size == limits.start, std::to_string(size));
    }
    if (floor == limits.ceiling) CHECK_EQUAL(simulation.changes(), uint64_t{0});
  }
}

/* Nothing is published for a long time, readers vanish, counts stand still: no division by zero, no change without cause. */
void silence_is_no_reason() {
  RingSizer sizer(kFromTop);
  RingView view{1000, 0, 0, 0, 0};
  for (int i = 0; i < 10000; i++) {
    view.now_ns += 10 * 1000 * 1000;
    if (sizer.look(view) != sizer.size()) sizer.resized(view);
  }
  CHECK(sizer.size() >= 64 * kKiB);
}

/* A change that cannot be made is asked for again, later and later, and the size in use stays what it is. */
void what_is_put_off_is_asked_for_again() {
  RingSizer sizer(kFromTop);
  RingView view{1000, 0, 0, 0, 0};
  uint64_t asked = 0;
  for (int i = 0; i < 20000; i++) {
    view.now_ns += kStepNs;
    view.published += 1000;
    view.consumed = view.published - 500;
    view.bytes = view.published * 64;
    if (sizer.look(view) == sizer.size()) continue;
    asked++;
    sizer.put_off(view);
  }
  CHECK_EQUAL(sizer.size(), 64 * kMiB);
  CHECK_FOR(asked >= 5 && asked <= 12, std::to_string(asked)); /* 5, 10, 20 ... ms within a second */
}

}  // namespace

extern const std::vector<Test> ring_sizer_tests;
const std::vector<Test> ring_sizer_tests = {
    {"ring sizer: the step of a cache is found within a second", the_step_of_a_cache_is_found_within_a_second},
    {"ring sizer: two steps are both taken", two_steps_are_both_taken},
    {"ring sizer: a flat machine is left alone", a_flat_machine_is_left_alone},
    {"ring sizer: noise costs little", noise_costs_little},
    {"ring sizer: a reader that stalls gets a large ring", a_reader_that_stalls_gets_a_large_ring},
    {"ring sizer: the ring follows a reader that changes", the_ring_follows_a_reader_that_changes},
    {"ring sizer: a reader that is merely slow does not grow the ring", a_reader_that_is_merely_slow_does_not_grow_the_ring},
    {"ring sizer: of two readers the slower counts", of_two_readers_the_slower_counts},
    {"ring sizer: tiny rings and odd limits", tiny_rings_and_odd_limits},
    {"ring sizer: silence is no reason", silence_is_no_reason},
    {"ring sizer: what is put off is asked for again", what_is_put_off_is_asked_for_again},
};

}  // namespace model_t::test
