/*
 * Aho-Corasick over a set of strings: builds it; what scans text with it is declared in match_tables.h. Linear in text and occurrences, whatever the text:
 * the reference of all other ways, the scalar variant, what carries occurrences over the rows of a stream, and what
 * a scan falls back on. Dense (one load per byte) up to 16 MiB of moves; above, children and failure links.
 */
#ifndef MODEL_T_STACK_MATCH_AUTOMATON_H
#define MODEL_T_STACK_MATCH_AUTOMATON_H

#include <vector>

#include "match_tables.h"

namespace model_t {

class AutomatonMemory {
 public:
  /* `strings` are distinct and sorted as bytes; `bytes` as in MatchTables. */
  void build(const uint8_t* bytes, const std::vector<MatchString>& strings);
  /* Points into this object. */
  MatchAutomaton view() const;

 private:
  void grow(const uint8_t* bytes, const std::vector<MatchString>& strings);
  void link();
  void make_moves();

  std::vector<uint32_t> first_child_, failures_, depths_, ends_, strings_, moves_;
  std::vector<uint8_t> labels_;
  uint8_t classes_[256] = {};
  uint32_t class_bits_ = 0;
};

}  // namespace model_t

#endif
