/*
 * Datagrams put together from their fragments. Used by stack/ops/defrag.cc.
 *
 * Which 8-byte units came is kept as bits, as RFC 815's holes would tell it. Bytes that come twice and differ are an overlap;
 * the policy says what becomes of it, but IPv6 datagrams with one are always given up (RFC 5722), and what else comes of a
 * datagram that was given up is dropped until its time is over. A repeated fragment is no overlap. At most 1024 datagrams
 * and 16 MiB wait, for 30 s (IPv4) or 60 s (IPv6) of capture time; the oldest gives way.
 */
#ifndef MODEL_T_STACK_DATAGRAMS_H
#define MODEL_T_STACK_DATAGRAMS_H

#include "block_pool.h"
#include "flow_table.h"
#include "fragments.h"
#include "operation.h"

namespace model_t {

enum class OverlapPolicy : uint32_t { first, last, drop };

struct DatagramCounts {
  uint64_t reassembled = 0;
  uint64_t overlapping = 0; /* datagrams */
  uint64_t timed_out = 0;
  uint64_t evicted = 0;
  uint64_t malformed = 0;   /* fragments */
};

/* A packet as if it had never been fragmented: laid out as in a slot, valid until the next begin(). */
struct WholeDatagram {
  const uint8_t* frame;
  uint32_t length;
  uint8_t network;
};

class Datagrams {
 public:
  static constexpr uint32_t kDatagrams = 1024;
  static constexpr uint64_t kBytes = 16 << 20;

  explicit Datagrams(OverlapPolicy policy) : policy_(policy), pool_(kBytes) {}
  ~Datagrams();
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;
  bool reserve() { return table_.reserve(kDatagrams) && datagrams_.reserve(kDatagrams); }

  /* Once per burst: takes back what was handed out, gives up what waits too long at `now`. */
  void begin(uint64_t now);
  /* True if this fragment completes its datagram. May flush `output`, where rows point to what was handed out. */
  bool take(const Fragment& fragment, const uint8_t* frame, uint64_t time, Output& output, WholeDatagram* whole);
  /* What waits is given up. */
  void finish();

  DatagramCounts counts;
  uint64_t bytes() const { return pool_.used(); }

 private:
  static constexpr uint32_t kLongestHeader = 320; /* Ethernet with tags, IP with options or extension headers */
  static constexpr uint32_t kUnits = 8192;
  struct Datagram {
    uint64_t received[kUnits / 64];
    uint64_t first_time;
    uint8_t* data;
    uint32_t capacity;
    uint32_t total;   /* bytes, 0 = the last fragment did not come yet */
    uint32_t highest; /* end of what came */
    uint32_t units;   /* that came */
    Fragment first;   /* of the fragment with offset 0, once units has bit 0 */
    bool overlapped;
    bool given_up;
    uint8_t header[kLongestHeader];
  };

  uint32_t entry_of(const Fragment& fragment, uint64_t time);
  bool expired(const Datagram& datagram, uint64_t time) const;
  void expire(uint32_t entry);
  void remove(uint32_t entry);
  void clear(Datagram& datagram);
  bool fits(Datagram& datagram, const Fragment& fragment);
  uint8_t* find_block(uint32_t entry, uint32_t bytes, Output& output);
  bool make_room(uint32_t entry, uint32_t bytes, Output& output);
  bool insert(Datagram& datagram, const Fragment& fragment);
  bool build(uint32_t entry, Output& output, WholeDatagram* whole);

  OverlapPolicy policy_;
  FlowTable table_;
  ZeroedArray<Datagram> datagrams_;
  BlockPool pool_;
};

}  // namespace model_t

#endif
