/*
 * The mutation compiler: a plan and a trace image become columns of per-packet parameters, once; engines only execute.
 *
 * Rows follow packet order, IPv4 and IPv6 apart; `before4[i]` rows of IPv4 stand before packet i. Replica r of row k gets
 * the address prefix | permute(r * count + number(k)), where number() counts hosts (unique flow) or packets (unique
 * packet) from 0 in order of appearance, and count is how many there are: no two replicas share an address until
 * 2^bits / count of them were used. The columns live in reserved memory and never move; a live image is compiled as it
 * grows, by the one engine thread that reads it.
 */
#ifndef MODEL_T_REPLAY_MUTATION_H
#define MODEL_T_REPLAY_MUTATION_H

#include <array>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "headers.h"
#include "kernels.h"

namespace model_t {

enum class Unique : uint8_t { flow, packet, off };

struct MutationPlan {
  bool rewrite4 = false;
  bool rewrite6 = false;
  uint32_t prefix4 = 0; /* host byte order, host bits zero */
  uint32_t prefix4_length = 0;
  std::array<uint8_t, 16> prefix6{}; /* network byte order, host bits zero */
  uint32_t prefix6_length = 0;
  Unique unique = Unique::flow;
  uint64_t seed = 0;
};

constexpr uint32_t kChecksumPresent = 1u << 16;

/* What it takes to give an IPv6 packet a new source. */
struct PatchRow6 {
  uint32_t host;
  uint32_t where;    /* low 32 bits of the image offset of the source address */
  uint32_t layer4;   /* of the transport checksum; meaningful if kChecksumPresent */
  uint32_t checksum; /* low half ~HC + ~m (+ the constant high half of the new address); kChecksumPresent, kLayer4Udp */
};

/* Column bytes of one packet, at most: memory is checked for this much before a block of packets is compiled. */
constexpr uint64_t kColumnBytes = 4 * 4 + sizeof(PatchRow6) + 3 * 4;

/*
 * Keyed, because captures are hostile: addresses chosen to share a bucket would make loading quadratic. The order of hosts, and
 * so the bytes of a replay, does not depend on it.
 */
struct AddressHash {
  uint64_t key;
  size_t operator()(uint32_t address) const {
    uint64_t state = key ^ address;
    return next_random(state);
  }
  size_t operator()(const std::array<uint64_t, 2>& address) const {
    uint64_t state = key ^ address[0];
    state = next_random(state) ^ address[1];
    return next_random(state);
  }
};

class Mutation {
 public:
  /* Reserves the columns. Null and `error` when the kernel refuses the address space. */
  static std::unique_ptr<Mutation> create(const MutationPlan& plan, const TraceImage& image, std::string* error);

  /*
   * Of packets `indexes` of a mutation that is compiled to its end: `image` holds them in that order. Hosts keep their numbers, and
   * counts, period and unchanged() stay those of the whole, so that replica r of a packet is what it is there.
   */
  static std::unique_ptr<Mutation> select(const Mutation& whole, const TraceImage& image, std::span<const uint32_t> indexes, std::string* error);

  /* Compiles packets [compiled, packets). False when memory ran out. One thread at a time. */
  bool extend_to(uint64_t packets);

  bool active() const { return plan_.rewrite4 || plan_.rewrite6; }
  const MutationPlan& plan() const { return plan_; }
  /* Of what is compiled, as other engines want it: rows in packet order, hosts (or packets) per replica, the bijections. */
  PatchColumns4 columns4() const { return {host4_, fixed4_, layer4_, where4_}; }
  const PatchRow6* rows6() const { return rows6_at_; }
  uint64_t count4() const { return count4_; }
  uint64_t count6() const { return count6_; }
  const Permutation& permutation4() const { return permutation4_; }
  const Permutation& permutation6() const { return permutation6_; }
  uint64_t rows4_before(uint64_t packet) const { return before4_[packet]; }
  uint64_t rows6_before(uint64_t packet) const { return before6_[packet]; }
  /* Packets before `packet` whose slot is one line of a shape that fill_lines takes. */
  uint64_t lines_before(uint64_t packet) const { return before_lines_[packet]; }
  /* A job for replica `replica`; the caller adds origin, source and target. */
  Patch4 patch4_for(uint64_t replica) const;
  /* Patches IPv6 rows [begin, end); `origin` and `target` as in Patch4. One body for all ISAs: 128-bit addresses. */
  void patch6(uint64_t replica, uint64_t begin, uint64_t end, uint32_t origin, uint8_t* target) const;

  /* Laps until an address is used again; UINT64_MAX when nothing is rewritten. 0: the prefix is smaller than one lap. */
  uint64_t period_laps() const;
  uint64_t unchanged(Unchanged reason) const { return unchanged_[static_cast<size_t>(reason)]; }

 private:
  Mutation(const MutationPlan& plan, const TraceImage& image);
  bool reserve(uint64_t packets, uint64_t huge_from, std::string* error);
  void add4(uint64_t packet, const uint8_t* frame, const HeaderPlaces& places);
  void add6(uint64_t packet, const uint8_t* frame, const HeaderPlaces& places);

  MutationPlan plan_;
  const TraceImage& image_;
  Permutation permutation4_;
  Permutation permutation6_;
  uint64_t low6_ = 0;  /* low 64 bits of the IPv6 prefix, host order */
  uint64_t high6_ = 0; /* high 64 bits, host order */
  uint64_t compiled_ = 0;
  uint64_t rows4_ = 0;
  uint64_t rows6_ = 0;
  uint64_t count4_ = 0; /* hosts, or packets, that a replica numbers */
  uint64_t count6_ = 0;
  uint64_t checked_to_ = 0;
  std::unordered_map<uint32_t, uint32_t, AddressHash> hosts4_;
  std::unordered_map<std::array<uint64_t, 2>, uint32_t, AddressHash> hosts6_;
  uint64_t unchanged_[static_cast<size_t>(Unchanged::count)] = {};
  uint64_t lines_ = 0;
  ReservedMemory memory_[8];
  uint32_t* host4_ = nullptr;
  uint32_t* fixed4_ = nullptr;
  uint32_t* layer4_ = nullptr;
  uint32_t* where4_ = nullptr;
  PatchRow6* rows6_at_ = nullptr;
  uint32_t* before4_ = nullptr;
  uint32_t* before6_ = nullptr;
  uint32_t* before_lines_ = nullptr;
};

}  // namespace model_t

#endif
