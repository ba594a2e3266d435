/* Pipelines and packets that tests of paths share. */
#ifndef MODEL_T_TEST_PATH_TRAFFIC_H
#define MODEL_T_TEST_PATH_TRAFFIC_H

#include "paths.h"

namespace model_t::test {

struct Pipeline {
  const char* name;
  ProgramPlan plan;
};

/* Header operations one by one, a header pass with rows that leave, a group, tcp | http | gunzip | match, defrag. */
std::vector<Pipeline> pipelines();

/* Connections with requests, answers and codings of bodies, segments out of order, fragments, and frames of all sorts. */
std::vector<Packet> make_traffic(Random& random);

/* What a program says and which rows reach its end, without a path. */
struct Said {
  uint64_t rows = 0;
  uint64_t hash = 0;
  std::vector<uint64_t> verdicts;
  uint64_t digest = 0;
  uint64_t bytes = 0;
};

/* Of the first `count` packets of laps over `packets`, as Feed makes them. */
Said said_of(const ProgramPlan& plan, const std::vector<Packet>& packets, uint64_t count);

}  // namespace model_t::test

#endif
