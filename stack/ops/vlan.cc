/*
 * vlan: the class of a packet becomes the identifier of its outer VLAN (IEEE 802.1Q 9.6), 0 where there is no tag or only a
 * priority. Reads frames, lengths; writes classes. Verdicts: tagged, untagged, short. Kernel file; declaration in vlan.ts.
 */
#include "../native/operation.h"
#include "../native/packet_bytes.h"

namespace model_t::MODEL_T_ISA {

void run_vlan(Burst256& burst, OperationState& state) {
  uint32_t tagged = 0, cut = 0;
  for (uint32_t i = 0; i < burst.count; i++) {
    const uint32_t type = load_big16(burst.frames[i] + 12);
    const bool tag = burst.lengths[i] >= 14 && ((type == 0x8100) | (type == 0x88a8) | (type == 0x9100) | (type == 0x9200));
    const bool whole = tag && burst.lengths[i] >= 18;
    burst.classes[i] = whole ? static_cast<uint16_t>(load_big16(burst.frames[i] + 14) & 0xfff) : uint16_t{0};
    tagged += whole;
    cut += burst.lengths[i] < 14 || (tag && !whole);
  }
  state.verdicts[0] += tagged;
  state.verdicts[1] += burst.count - tagged - cut;
  state.verdicts[2] += cut;
}

}  // namespace model_t::MODEL_T_ISA
