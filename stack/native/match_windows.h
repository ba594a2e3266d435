/*
 * Which bytes of a string to look for first: the rarest, by how often each byte stands in web and English text. Pure.
 * Called by match_filters.cc.
 */
#ifndef MODEL_T_STACK_MATCH_WINDOWS_H
#define MODEL_T_STACK_MATCH_WINDOWS_H

#include <vector>

#include "match_tables.h"

namespace model_t {

/* One window of a string: `width` bytes at `offset`, as a little-endian number. */
struct MatchWindow {
  uint32_t string = 0;
  uint32_t offset = 0;
  uint64_t value = 0;
};

/* How often a byte stands in text, 0 to 1; never 0. */
double byte_share(uint8_t byte);

/* How often a window stands at a place of text, taking its bytes for independent. */
double window_share(uint64_t value, uint32_t width);

/*
 * For every string (numbers into `strings`) one window per remainder of offset / stride, so that a look at every `stride`th
 * place meets each occurrence exactly once. Strings hold at least width + stride - 1 bytes. Rare windows are preferred, and
 * those that few strings have chosen before.
 */
std::vector<MatchWindow> choose_windows(const uint8_t* bytes, const std::vector<MatchString>& strings,
                                        const std::vector<uint32_t>& chosen, uint32_t width, uint32_t stride);

/* Offsets of the two rarest bytes of a string of at least 2, ascending. */
void choose_pair(const uint8_t* string, uint32_t length, uint32_t* first, uint32_t* second);

}  // namespace model_t

#endif
