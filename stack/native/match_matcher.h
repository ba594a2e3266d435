/*
 * A set of literal patterns, compiled: what `match` makes of its blob, and the streams that it follows. One per step and
 * container, so no locks. Memory: about 40 bytes per pattern, 20 per trie node (at most one per pattern byte), up to 16 MiB of moves,
 * and kMatchStreams * 24 bytes.
 */
#ifndef MODEL_T_STACK_MATCH_MATCHER_H
#define MODEL_T_STACK_MATCH_MATCHER_H

#include <memory>
#include <string>
#include <vector>

#include "match_automaton.h"
#include "match_filters.h"
#include "match_streams.h"

namespace model_t {

constexpr uint32_t kMaxPatterns = 65534;        /* class numbers have 16 bits: 1 + number */
constexpr uint32_t kMaxPatternBytes = 65535;    /* of one */
constexpr uint32_t kMaxSetBytes = 16u << 20;    /* of all */

class Matcher {
 public:
  /* `blob`: u32 count, then per pattern u32 length and its bytes, little-endian. Null and a sentence if it is not that. */
  static std::unique_ptr<Matcher> create(const uint8_t* blob, size_t bytes, std::string* error);
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  const MatchTables& tables() const { return tables_; }
  MatchStreams& streams() { return streams_; }
  const MatchStreams& streams() const { return streams_; }
  /* The passes in words. */
  std::string plan() const { return describe(memory_); }

 private:
  Matcher() = default;
  void compile(const std::vector<std::vector<uint8_t>>& patterns);

  std::vector<uint8_t> bytes_;
  std::vector<MatchString> strings_;
  std::vector<uint32_t> numbers_;
  std::vector<PassMemory> memory_;
  std::vector<MatchPass> passes_;
  AutomatonMemory automaton_;
  MatchTables tables_;
  MatchStreams streams_;
};

/* The scan of a variant: automaton, scalar (which is the automaton), avx2, avx512; null when this CPU has none of that name. */
MatchScan find_match_scan(const char* variant);

}  // namespace model_t

#endif
