/*
 * The native tests: everything packets meet in C++, without Node. Built and run by sanitize.mjs.
 *
 *   native_tests [--quick] [--seed N] [--only PART] [--skip PART]… [--list]     PART: part of a test's name
 *
 * One line per test; exit code 1 if a check failed.
 */
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "check.h"

namespace model_t::test {

extern const std::vector<Test> permutation_tests;
extern const std::vector<Test> replay_kernel_tests;
extern const std::vector<Test> stack_kernel_tests;
extern const std::vector<Test> bpf_tests;
extern const std::vector<Test> match_tests;
extern const std::vector<Test> header_tests;
extern const std::vector<Test> mutation_tests;
extern const std::vector<Test> lane_tests;
extern const std::vector<Test> planner_tests;
extern const std::vector<Test> device_image_tests;
extern const std::vector<Test> engine_tests;
extern const std::vector<Test> engine_agent_tests;
extern const std::vector<Test> staging_tests;
extern const std::vector<Test> reader_tests;
extern const std::vector<Test> resizing_tests;
extern const std::vector<Test> ring_sizer_tests;
extern const std::vector<Test> hostile_ring_tests;
extern const std::vector<Test> region_tests;
extern const std::vector<Test> named_ring_tests;
extern const std::vector<Test> program_tests;
extern const std::vector<Test> container_tests;
extern const std::vector<Test> path_tests;
extern const std::vector<Test> run_tests;
extern const std::vector<Test> staged_run_tests;
extern const std::vector<Test> flow_tests;
extern const std::vector<Test> load_tests;
extern const std::vector<Test> defrag_tests;
extern const std::vector<Test> tcp_stream_tests;
extern const std::vector<Test> http_tests;
[[gnu::weak]] extern const std::vector<Test> gunzip_tests; /* only where zlib is */
extern const std::vector<Test> hostile_stream_tests;
extern const std::vector<Test> isa_tests; /* last: it asks what the others exercised */

Settings settings;

namespace {

std::mutex output;
std::atomic<uint32_t> failures{0};

}  // namespace

bool check(bool good, const char* file, int line, const std::string& what) {
  if (good) return true;
  const uint32_t before = failures.fetch_add(1);
  const std::lock_guard<std::mutex> lock(output);
  if (before < 5) std::fprintf(stderr, "  %s:%d: %s\n", file, line, what.c_str());
  return false;
}

bool failing() { return failures.load(std::memory_order_relaxed) != 0; }

namespace {

struct Filter {
  std::string only;
  std::vector<std::string> skip;

  bool takes(const std::string& name) const {
    for (const std::string& part : skip) {
      if (name.find(part) != std::string::npos) return false;
    }
    return name.find(only) != std::string::npos;
  }
};

bool run(const Test& test) {
  failures = 0;
  const auto begin = std::chrono::steady_clock::now();
  test.run();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const uint32_t failed = failures;
  std::printf("%s %s (%.2f s%s)\n", failed ? "FAILED" : "ok", test.name, seconds.count(),
              failed ? (", " + std::to_string(failed) + " checks").c_str() : "");
  std::fflush(stdout);
  return failed == 0;
}

}  // namespace

int run_all(int count, char** arguments) {
  Filter filter;
  bool list = false;
  for (int i = 1; i < count; i++) {
    const std::string argument = arguments[i];
    const bool more = i + 1 < count;
    if (argument == "--quick") settings.quick = true;
    else if (argument == "--list") list = true;
    else if (argument == "--seed" && more) settings.seed = std::strtoull(arguments[++i], nullptr, 10);
    else if (argument == "--only" && more) filter.only = arguments[++i];
    else if (argument == "--skip" && more) filter.skip.emplace_back(arguments[++i]);
    else return std::fprintf(stderr, "native_tests [--quick] [--seed N] [--only PART] [--skip PART]... [--list]\n"), 2;
  }
  settings.filtered = !filter.only.empty();
  uint32_t failed = 0, done = 0, skipped = 0;
  std::printf("seed %llu%s\n", static_cast<unsigned long long>(settings.seed), settings.quick ? ", quick" : "");
  for (const std::vector<Test>* suite :
       {&permutation_tests, &replay_kernel_tests, &stack_kernel_tests, &bpf_tests, &match_tests, &header_tests, &mutation_tests, &lane_tests, &device_image_tests, &planner_tests,
        &engine_tests, &engine_agent_tests, &staging_tests, &reader_tests, &resizing_tests, &ring_sizer_tests, &hostile_ring_tests, &region_tests, &named_ring_tests, &program_tests, &path_tests, &container_tests, &run_tests, &staged_run_tests,
        &flow_tests, &load_tests, &defrag_tests, &tcp_stream_tests, &http_tests, &gunzip_tests, &hostile_stream_tests, &isa_tests}) {
    if (!suite) continue;
    for (const Test& test : *suite) {
      if (list) std::printf("%s\n", test.name);
      else if (!filter.takes(test.name)) skipped++;
      else failed += !run(test), done++;
    }
  }
  if (list) return 0;
  std::printf("%u tests, %u failed, %u skipped\n", done, failed, skipped);
  return failed || done == 0 ? 1 : 0;
}

}  // namespace model_t::test

int main(int count, char** arguments) { return model_t::test::run_all(count, arguments); }
