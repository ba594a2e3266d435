/* What tcp_streams.cc and tcp_holes.cc share: states of a direction, arithmetic of sequence numbers. Included by them only. */
#ifndef MODEL_T_STACK_TCP_DIRECTION_H
#define MODEL_T_STACK_TCP_DIRECTION_H

#include <cstdint>

namespace model_t {

enum TcpDirectionFlag : uint32_t {
  kKnown = 1,       /* `next` has a value */
  kFromStart = 2,   /* it began with the SYN */
  kStarted = 4,     /* something was delivered */
  kGapPending = 8,  /* bytes are missing before what will be delivered next */
  kFinSeen = 16,    /* `fin` has a value */
  kEnded = 32,      /* the end was delivered */
};

/* RFC 7323 2.3: no window is larger. */
constexpr int32_t kFarthest = 1 << 30;

/* How far `a` lies behind `b`, modulo 2^32. */
inline int32_t distance(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }

}  // namespace model_t

#endif
