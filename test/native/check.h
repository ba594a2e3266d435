/*
 * Checks for the native tests: a failed check prints where and what, is counted, and the test goes on. Any thread.
 *
 * A suite is a list of tests written out in its file; main.cc writes out the suites. Random tests draw from Random with the
 * seed of the run, which is printed, so that a failure can be had again with `--seed N --only PART-OF-NAME`.
 */
#ifndef MODEL_T_TEST_CHECK_H
#define MODEL_T_TEST_CHECK_H

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../../replay/native/permutation.h"

namespace model_t::test {

struct Test {
  const char* name;
  void (*run)();
};

/* Of this run: `quick` cuts the work about tenfold, for emulators and sanitizers. */
struct Settings {
  bool quick = false;
  uint64_t seed = 1;
  bool filtered = false; /* not all tests run */
};
extern Settings settings;

/* Returns `good`; prints at most five failures of a test. */
bool check(bool good, const char* file, int line, const std::string& what);
/* Failures of the running test so far; loops stop on it. */
bool failing();

template <typename T>
std::string shown(const T& value) {
  if constexpr (std::is_enum_v<T>) return std::to_string(static_cast<long long>(value));
  else if constexpr (std::is_arithmetic_v<T>) return std::to_string(value);
  else return "'" + std::string(value) + "'";
}

#define CHECK(condition) ::model_t::test::check((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(actual, expected)                                                                                  \
  [&](const auto& is, const auto& wanted) {                                                                            \
    return ::model_t::test::check(is == wanted, __FILE__, __LINE__,                                                    \
                                  #actual " is " + ::model_t::test::shown(is) + ", not " + ::model_t::test::shown(wanted)); \
  }((actual), (expected))
#define CHECK_FOR(condition, context) ::model_t::test::check((condition), __FILE__, __LINE__, std::string(#condition " for ") + (context))

/* splitmix64, seeded by the run and by the place it is made. */
struct Random {
  uint64_t state;
  explicit Random(uint64_t place) : state(settings.seed * 0x9e3779b97f4a7c15ull ^ place) {}
  uint64_t next() { return next_random(state); }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>((next() >> 32) * limit >> 32); }
  bool one_in(uint32_t times) { return below(times) == 0; }
  void fill(uint8_t* to, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) to[i] = static_cast<uint8_t>(next());
  }
  template <typename T, size_t N>
  const T& pick(const T (&from)[N]) {
    return from[below(N)];
  }
};

/* `full` rounds of work, or a tenth of it. */
inline uint32_t rounds(uint32_t full) { return settings.quick ? (full + 9) / 10 : full; }

}  // namespace model_t::test

#endif
