/*
 * Compiles a set of distinct strings into passes over the text: which strings go into which filter, and its tables. Chosen
 * by what a pass costs on 32 bytes of text and how many false candidates it lets through. Called by Matcher only.
 */
#ifndef MODEL_T_STACK_MATCH_FILTERS_H
#define MODEL_T_STACK_MATCH_FILTERS_H

#include <string>
#include <vector>

#include "match_windows.h"

namespace model_t {

/* A pass and the memory that it points to. */
struct PassMemory {
  MatchPass pass;
  std::vector<uint8_t> known;
  std::vector<MatchSlot> slots;
  std::vector<uint32_t> starts, byte_strings;
  std::vector<MatchEntry> entries;
};

/* Every string is in exactly one pass. */
std::vector<PassMemory> plan_passes(const uint8_t* bytes, const std::vector<MatchString>& strings, const uint32_t* numbers);

/* For people: "hashed 4/4 of 812, teddy 3 of 24". */
std::string describe(const std::vector<PassMemory>& passes);

}  // namespace model_t

#endif
