/* Last: were all ISAs of this CPU compared, by every suite that compares them? */
#include <algorithm>
#include <cstdio>

#include "../../replay/native/kernels.h"
#include "../../stack/native/operation.h"
#include "support.h"

namespace model_t::test {

namespace {

void every_isa_of_this_cpu_was_exercised() {
  std::string names;
  for (const std::string& isa : cpu_isas()) {
    names += (names.empty() ? "" : " ") + isa;
    CHECK_FOR(cpu_has_isa(isa.c_str()), isa);
    CHECK_FOR(find_replay_kernels(isa.c_str()) != nullptr && find_stack_kernels(isa.c_str()) != nullptr, isa);
    for (const char* suite : {"replay/", "stack/", "digest/", "match/", "engine/"}) {
      if (!settings.filtered) CHECK_FOR(exercised().count(suite + isa) == 1, suite + isa);
    }
  }
  for (const char* isa : {"scalar", "avx2", "avx512"}) {
    const std::vector<std::string> has = cpu_isas();
    CHECK_FOR(cpu_has_isa(isa) == (std::find(has.begin(), has.end(), isa) != has.end()), isa);
  }
  std::printf("exercised: %s\n", names.c_str());
}

}  // namespace

extern const std::vector<Test> isa_tests;
const std::vector<Test> isa_tests = {{"ISAs: every one of this CPU was exercised", every_isa_of_this_cpu_was_exercised}};

}  // namespace model_t::test
