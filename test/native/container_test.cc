/* Containers: turns, commands, idle strategies, and what they say about themselves. */
#include "../../stack/native/container.h"

#include <unistd.h>

#include "../../stack/native/clock.h"
#include "replays.h"

namespace model_t::test {

namespace {

/* Counts its turns; ends after so many. */
struct Counter final : Agent {
  std::atomic<uint64_t> turns{0};
  std::atomic<uint32_t> starts{0};
  uint64_t end = UINT64_MAX;
  bool works = true;
  uint32_t slice_seen = 0;
  void start() override { starts++; }
  int64_t do_work(uint32_t slice) override {
    slice_seen = slice;
    if (turns.load() == end) return kAgentFinished;
    turns++;
    return works ? 3 : 0;
  }
};

uint64_t load(const uint64_t& value) { return __atomic_load_n(&value, __ATOMIC_RELAXED); }
bool is(const ContainerBlock& block, ContainerState state) { return load(block.state) == static_cast<uint64_t>(state); }

void agents_have_their_turns() {
  Counter first, second;
  first.end = 10;
  second.end = 25;
  ContainerBlock block{};
  Container container({"test", -1, "spin", 7}, {&first, &second}, &block);
  std::string error;
  CHECK_FOR(container.start(&error), error);
  CHECK(wait_until([&] { return container.done(); }));
  container.join();
  CHECK(first.turns == 10 && second.turns == 25 && first.starts == 1 && second.starts == 1 && first.slice_seen == 7);
  CHECK(block.work == 3 * 35 && block.turns >= 25 && block.busy_cycles > 0 && block.thread_id > 0 && is(block, ContainerState::stopped));
}

void commands_take_effect() {
  for (const char* idle : {"spin", "yield", "backoff", "sleep"}) {
    Counter agent;
    agent.works = idle[0] == 's';
    ContainerBlock block{};
    Container container({"test", 0, idle, 1}, {&agent}, &block);
    std::string error;
    CHECK_FOR(container.start(&error), error);
    CHECK(wait_until([&] { return agent.turns > 100; }));
    container.pause();
    CHECK(wait_until([&] { return is(block, ContainerState::paused); }));
    const uint64_t turns = agent.turns, heartbeat = load(block.updated_ns);
    CHECK(wait_until([&] { return load(block.updated_ns) > heartbeat; })); /* it lives */
    CHECK_EQUAL(agent.turns.load(), turns);
    container.resume();
    CHECK(wait_until([&] { return agent.turns > turns && is(block, ContainerState::running); }));
    container.pause();
    CHECK(wait_until([&] { return is(block, ContainerState::paused); }));
    container.stop(); /* also of a paused one */
    CHECK(wait_until([&] { return container.done() && is(block, ContainerState::stopped); }));
    container.resume(); /* too late */
    container.join();
    CHECK(agent.works ? block.idle_turns == 0 : block.idle_turns == block.turns && block.work == 0 && block.busy_cycles == 0);
    CHECK(block.idle_cycles > 0);
  }
}

void idle_containers_beat() {
  Counter agent;
  agent.works = false;
  ContainerBlock block{};
  Container container({"test", -1, "backoff", 1}, {&agent}, &block);
  std::string error;
  CHECK_FOR(container.start(&error), error);
  CHECK(wait_until([&] { return agent.turns > 3000; })); /* naps */
  const uint64_t heartbeat = load(block.updated_ns);
  CHECK(wait_until([&] { return load(block.updated_ns) > heartbeat + 1000000; }));
}

void wrong_options_are_one_sentence() {
  Counter agent;
  ContainerBlock block{};
  std::string error;
  Container idle({"test", -1, "doze", 1}, {&agent}, &block);
  CHECK(!idle.start(&error) && error.find("doze") != std::string::npos);
  Container slice({"test", -1, "spin", 0}, {&agent}, &block);
  CHECK(!slice.start(&error) && error.find("slice") != std::string::npos);
  CHECK_EQUAL(agent.starts.load(), 0u);
}

}  // namespace

extern const std::vector<Test> container_tests;
const std::vector<Test> container_tests = {
    {"container: agents have their turns", agents_have_their_turns},
    {"container: commands take effect", commands_take_effect},
    {"container: idle ones beat", idle_containers_beat},
    {"container: wrong options are one sentence", wrong_options_are_one_sentence},
};

}  // namespace model_t::test
