/*
 * Hostile packets through every operation, for runs under AddressSanitizer and UndefinedBehaviorSanitizer. No Node needed.
 *
 *   operations_fuzz PACKETS SEED TRACES NAME...     TRACES: folder of captures, '' = none
 *                                                   NAME: an operation that must be among those that are tried
 *
 * Each chain gets PACKETS packets in each variant of its operation. Of all variants the verdicts and the rows that reach the
 * end must be the same, however the packets are cut into bursts; memory that rows of earlier bursts pointed to is poisoned.
 * Prints a line for each chain and exits with 0, or says what differed and exits with 1.
 */
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "operations_fuzz.h"
#include "operations_fuzz_captures.h"
#include "operations_fuzz_outcome.h"


namespace model_t::test {

Settings settings;
bool check(bool good, const char* file, int line, const std::string& what) {
  if (!good) std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str()), std::exit(1);
  return true;
}

namespace {

constexpr uint32_t kEpoch = 1 << 14;                /* packets that a program lives for */
constexpr size_t kMostMemory = size_t{512} << 20;   /* that it may hold in the end; the largest tables are 100 MiB */
/* The first that an operation has is its reference. */
constexpr const char* kVariants[] = {"scalar", "interpreter", "zlib", "native", "avx2", "avx512"};

std::vector<std::string> variants_of(const std::string& name) {
  std::vector<std::string> found;
  for (const char* variant : kVariants) {
    if (find_operation(name.c_str(), variant)) found.emplace_back(variant);
  }
  return found;
}

struct Run {
  std::string variant;
  bool fused = false;
  uint64_t cuts = 0; /* 0: whole bursts, else the seed of their sizes */
};

ProgramPlan plan_of(const FuzzChain& chain, const Run& run) {
  ProgramPlan plan;
  plan.needs = chain.needs;
  for (const FuzzStep& step : chain.steps) {
    StepRecord record;
    record.name = step.name;
    record.variant = find_operation(step.name.c_str(), run.variant.c_str()) ? run.variant : variants_of(step.name).at(0);
    record.parameter = step.parameter;
    record.wants = step.wants;
    record.data = step.data;
    record.pass = run.fused ? 0 : -1;
    record.stores = (chain.look & kLookHeaders) != 0;
    plan.records.push_back(record);
  }
  return plan;
}

size_t most_memory = 0;

Outcome outcome_of(const FuzzChain& chain, const Run& run, const std::vector<Packet>& packets) {
  static Slots slots;
  const size_t before = __sanitizer_get_current_allocated_bytes();
  std::string error;
  const std::unique_ptr<Program> program = Program::create(plan_of(chain, run), &error);
  check(program != nullptr, __FILE__, __LINE__, chain.name() + ": " + error);
  Outcome outcome;
  outcome.look = chain.look;
  for (const FuzzStep& step : chain.steps) {
    if (find_operation(step.name.c_str(), variants_of(step.name).at(0).c_str())->flags & kExpands) outcome.numbered = false;
  }
  program->set_tail(Outcome::take, &outcome);
  const auto burst = std::make_unique<Burst256>();
  Random random(run.cuts);
  for (size_t at = 0; at < packets.size();) {
    const uint32_t most = run.cuts ? 1 + random.below(random.one_in(3) ? 12 : kBurstCapacity) : kBurstCapacity;
    const uint32_t count = std::min(most, static_cast<uint32_t>(packets.size() - at));
    slots.lay(packets.data() + at, count, static_cast<uint8_t>(run.cuts + at), chain.needs, *burst);
    outcome.first = at;
    program->run(*burst);
    slots.take_back(count);
    at += count;
  }
  program->finish();
  const size_t now = __sanitizer_get_current_allocated_bytes();
  most_memory = std::max(most_memory, now > before ? now - before : 0);
  for (uint32_t step = 0; step < program->step_count(); step++) {
    for (const uint64_t verdict : program->state(step).verdicts) outcome.verdicts.push_back(verdict);
  }
  return outcome;
}

/* Streams as they are compared: those that http numbers itself, when the end of the trace has no order, by what they hold. */
std::vector<std::pair<uint64_t, uint64_t>> contents(const Outcome& outcome) {
  std::vector<std::pair<uint64_t, uint64_t>> found;
  for (const auto& [stream, hash] : outcome.streams) found.emplace_back(std::min(stream, uint64_t{1} << 63), hash);
  std::sort(found.begin(), found.end());
  return found;
}

std::string shown(const uint64_t* verdicts, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; i++) text += (i % kOperationVerdicts ? " " : i ? " | " : "") + std::to_string(verdicts[i]);
  return text;
}

bool same(const FuzzChain& chain, const Run& run, const Outcome& one, const Outcome& other) {
  const bool verdicts = one.verdicts == other.verdicts, rows = one.rows == other.rows, streams = contents(one) == contents(other);
  if (verdicts && rows && streams) return true;
  std::fprintf(stderr, "%s as %s%s%s: %s differ\n", chain.name().c_str(), run.variant.c_str(), run.fused ? ", fused" : "",
               run.cuts ? ", bursts cut" : "", !verdicts ? "verdicts" : !rows ? "rows" : "streams");
  for (const Outcome* outcome : {&one, &other}) {
    if (!verdicts) std::fprintf(stderr, "  %s\n", shown(outcome->verdicts.data(), outcome->verdicts.size()).c_str());
  }
  if (!rows) {
    size_t at = 0;
    while (at < one.rows.size() && at < other.rows.size() && one.rows[at] == other.rows[at]) at++;
    std::fprintf(stderr, "  %zu and %zu rows, the first that differs is number %zu\n", one.rows.size(), other.rows.size(), at);
  }
  if (!streams) std::fprintf(stderr, "  %zu and %zu streams\n", one.streams.size(), other.streams.size());
  return false;
}

/* The reference, the other variants, and the reference with bursts cut otherwise. */
std::vector<Run> runs_of(const FuzzChain& chain, uint64_t cuts) {
  std::vector<Run> runs;
  if (chain.fused) {
    runs.push_back({"scalar"});
    for (const std::string& isa : cpu_isas()) runs.push_back({isa, true, cuts});
    return runs;
  }
  for (const std::string& variant : variants_of(chain.steps.back().name)) {
    runs.push_back({variant, false, runs.empty() ? 0 : cuts});
  }
  if (!runs.empty()) runs.push_back({runs[0].variant, false, cuts});
  return runs;
}

struct Tally {
  std::map<std::string, uint64_t> packets; /* by variant */
  uint64_t verdicts[kOperationVerdicts] = {}; /* of the operation under test */

  void add(const Run& run, uint64_t count) { packets[run.variant + (run.fused ? " fused" : "")] += count; }
  void add(const std::vector<uint64_t>& all) {
    for (uint32_t v = 0; v < kOperationVerdicts; v++) verdicts[v] += all[all.size() - kOperationVerdicts + v];
  }
};

/* False: something differed; the seed and the epoch say with which packets. */
bool fuzz(const std::vector<FuzzChain>& chains, std::vector<Tally>& tallies, uint64_t total, uint64_t seed,
          const std::vector<Bytes>& captured) {
  for (uint64_t epoch = 0; epoch * kEpoch < total; epoch++) {
    HostilePackets source(seed * 1000003 + epoch, captured);
    const bool steady = epoch % 4 != 3; /* times that jump do what they do where bursts end: cuts must be the same */
    const std::vector<Packet> packets = source.next(static_cast<uint32_t>(std::min<uint64_t>(kEpoch, total - epoch * kEpoch)), steady);
    Random random(seed + epoch);
    for (size_t i = 0; i < chains.size(); i++) {
      const FuzzChain chain = chains[i].fused ? fused_chain(random) : chains[i];
      std::vector<Run> runs = runs_of(chain, steady ? 1 + epoch * 7919 + i : 0);
      if (runs.empty()) continue;
      const Outcome reference = outcome_of(chain, runs[0], packets);
      tallies[i].add(runs[0], packets.size());
      tallies[i].add(reference.verdicts);
      for (size_t k = 1; k < runs.size(); k++) {
        if (same(chain, runs[k], reference, outcome_of(chain, runs[k], packets))) {
          if (runs[k].variant != runs[0].variant || runs[k].fused) tallies[i].add(runs[k], packets.size());
          continue;
        }
        std::fprintf(stderr, "  epoch %" PRIu64 " of seed %" PRIu64 "\n", epoch, seed);
        return false;
      }
      check(most_memory <= kMostMemory, __FILE__, __LINE__, chain.name() + " holds " + std::to_string(most_memory) + " bytes");
    }
  }
  return true;
}

/* Operations that have a body and no chain, or neither. */
bool covered(const std::vector<FuzzChain>& chains, char** names, int count) {
  bool good = true;
  for (int i = 0; i < count; i++) {
    const auto tries = [&](const FuzzChain& chain) { return chain.steps.back().name == names[i]; };
    const bool there = std::any_of(chains.begin(), chains.end(), tries);
    const bool body = !variants_of(names[i]).empty();
    if (!there) std::fprintf(stderr, "%s has no chain in operations_fuzz_chains.cc\n", names[i]), good = false;
    if (!body) std::printf("skipped %s: no body in this build\n", names[i]);
  }
  return good;
}

}  // namespace

int fuzz_operations(int count, char** arguments) {
  if (count < 4) return std::fprintf(stderr, "usage: operations_fuzz PACKETS SEED TRACES NAME...\n"), 2;
  const uint64_t packets = std::strtoull(arguments[1], nullptr, 10);
  settings.seed = std::strtoull(arguments[2], nullptr, 10);
  const std::vector<Bytes> captured = captured_frames(arguments[3]);
  std::vector<FuzzChain> chains = operation_chains();
  if (!covered(chains, arguments + 4, count - 4)) return 1;
  const auto missing = [](const FuzzChain& chain) {
    const auto lacks = [](const FuzzStep& step) { return variants_of(step.name).empty(); };
    return std::any_of(chain.steps.begin(), chain.steps.end(), lacks);
  };
  chains.erase(std::remove_if(chains.begin(), chains.end(), missing), chains.end());
  FuzzChain fused;
  fused.fused = true;
  for (int i = 0; i < 4; i++) chains.push_back(fused);
  std::vector<Tally> tallies(chains.size());
  if (!fuzz(chains, tallies, packets, settings.seed, captured)) return 1;
  for (size_t i = 0; i < chains.size(); i++) {
    std::printf("  %s:", chains[i].fused ? "header passes against operations" : chains[i].name().c_str());
    for (const auto& [variant, seen] : tallies[i].packets) std::printf(" %s %" PRIu64, variant.c_str(), seen);
    if (!chains[i].fused) std::printf("; verdicts %s", shown(tallies[i].verdicts, kOperationVerdicts).c_str());
    std::printf("\n");
    const bool reached = chains[i].fused || packets < 2 * kEpoch || tallies[i].verdicts[0] > 0;
    check(reached, __FILE__, __LINE__, chains[i].name() + ": nothing got so far");
  }
  std::printf("%zu chains, %" PRIu64 " packets each, %zu captured frames: all variants agree, at most %zu MiB\n", chains.size(),
              packets, captured.size(), most_memory >> 20);
  return 0;
}

}  // namespace model_t::test

int main(int count, char** arguments) { return model_t::test::fuzz_operations(count, arguments); }
