/*
 * The blocks of a pcapng file, as pure functions over one whole block whose length has been checked.
 *
 * Nothing here keeps state, allocates by a length it was told, or knows where a block came from. Called by the capture
 * reader only. A non-empty `reason` says what is wrong with the block; the outputs then mean nothing.
 */
#ifndef MODEL_T_REPLAY_CAPTURE_BLOCKS_H
#define MODEL_T_REPLAY_CAPTURE_BLOCKS_H

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "builder.h"

namespace model_t {

/* Reads numbers of a file written in a given byte order, at any alignment. */
struct ByteOrder {
  bool big = false;

  uint16_t u16(const uint8_t* from) const {
    uint16_t value;
    std::memcpy(&value, from, sizeof value);
    return big == kHostIsBig ? value : __builtin_bswap16(value);
  }
  uint32_t u32(const uint8_t* from) const {
    uint32_t value;
    std::memcpy(&value, from, sizeof value);
    return big == kHostIsBig ? value : __builtin_bswap32(value);
  }
  uint64_t u64(const uint8_t* from) const {
    uint64_t value;
    std::memcpy(&value, from, sizeof value);
    return big == kHostIsBig ? value : __builtin_bswap64(value);
  }

 private:
  static constexpr bool kHostIsBig = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
};

enum class BlockType : uint32_t {
  interface = 1,
  obsolete_packet = 2,
  simple_packet = 3,
  enhanced_packet = 6,
  section = 0x0a0d0d0a,
};

constexpr uint32_t kBlockHeader = 8;  /* Type and total length. */
constexpr uint32_t kBlockTrailer = 4; /* Total length again. */
constexpr uint32_t kSectionFields = 16; /* Header, byte-order magic, version: what the reader needs of a section block. */
constexpr uint32_t kSectionLeast = 28;

struct CaptureInterface {
  uint32_t link_type;
  uint32_t snap_length;   /* 0 = no limit. */
  uint8_t resolution;     /* if_tsresol: 10^-n, or 2^-n with the top bit set. */
  int64_t offset_seconds; /* if_tsoffset. */
};

/* A time in units of an interface, as nanoseconds since 1970, cut (not rounded), held between 0 and 2^64 - 1. */
uint64_t ticks_to_ns(uint64_t ticks, uint8_t resolution, int64_t offset_seconds);

std::string parse_interface(const ByteOrder& order, const uint8_t* block, uint32_t length, CaptureInterface* interface);

/* A packet block of any of the three kinds; `packet->data` points into the block. */
std::string parse_packet(BlockType type, const ByteOrder& order, const uint8_t* block, uint32_t length,
                         const std::vector<CaptureInterface>& interfaces, CapturedPacket* packet);

}  // namespace model_t

#endif
