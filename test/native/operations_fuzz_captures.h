/* Frames of captures, to be mutated. Reads files through the native capture reader; for operations_fuzz.cc. */
#ifndef MODEL_T_TEST_OPERATIONS_FUZZ_CAPTURES_H
#define MODEL_T_TEST_OPERATIONS_FUZZ_CAPTURES_H

#include <string>

#include "support.h"

namespace model_t::test {

/* At most 1500 Ethernet frames of each file in the folder and those below it, 64 MiB in all; none where there is no folder. */
std::vector<Bytes> captured_frames(const std::string& folder);

}  // namespace model_t::test

#endif
