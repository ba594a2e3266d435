/*
 * The trace image and its compiled mutation as a GPU wants them: `copies` laps laid end to end, cut into tiles, and per tile the
 * columns that a header-patching kernel reads.
 *
 *   virtual image  | lap 0 | lap 1 | ... | lap copies-1 |
 *   tiles          |---- tile 0 ----|---- tile 1 ---|-- 2 --|      each fits one storage binding, slots whole
 *
 * Bytes are made when they are asked for, straight into the caller's memory: nothing here is as large as the trace. Made by the
 * binding (or a test); after create() everything is const, and any thread may read it.
 */
#ifndef MODEL_T_REPLAY_DEVICE_IMAGE_H
#define MODEL_T_REPLAY_DEVICE_IMAGE_H

#include <memory>
#include <string>
#include <vector>

#include "mutation.h"

namespace model_t {

/* Tables of a tile, in this order, each at a multiple of kSectionAlign and at least that long: bindings may not be empty. */
enum class Section : uint32_t { host4, fixed4, sums4, place4, extra4, rows6, packets, count };
constexpr uint32_t kSections = static_cast<uint32_t>(Section::count);
constexpr uint64_t kSectionAlign = 256;
constexpr uint64_t kSectionWords[kSections] = {1, 1, 1, 1, 1, 4, 2}; /* of an element, 32 bits each */

/* How a kernel updates the transport checksum of an IPv4 row: bits 29-31 of `place4`. */
enum class Follow4 : uint32_t { none, low_word_7, high_word_4_udp, see_extra };
constexpr uint32_t kPlaceBits = 29; /* word indexes; a tile is at most 2 GiB */
constexpr uint32_t kExtraHigh4 = 1u << 8, kExtraUdp4 = 1u << 9;
constexpr uint32_t kFollow6 = 1u << 31;
constexpr uint32_t kExtraHigh6 = 1u << 30, kExtraUdp6 = 1u << 31;
constexpr uint64_t kMaxTileBytes = 4ull << kPlaceBits;

struct DeviceTile {
  uint64_t first; /* virtual packet, of the whole virtual image */
  uint64_t packets;
  uint64_t start; /* byte in the virtual image */
  uint64_t bytes; /* of slots */
  uint64_t first4; /* virtual row */
  uint64_t rows4;
  uint64_t first6;
  uint64_t rows6;
  uint64_t sections[kSections]; /* byte offsets in the tables */
  uint64_t tables_bytes;
};

struct DeviceLayout {
  uint64_t copies;
  std::vector<DeviceTile> tiles;
};

class DeviceImage {
 public:
  static constexpr uint32_t kParameters = 32; /* words of the uniform block */

  /* Compiles the plan. Null and `error` (one sentence) when that cannot be. The image must be complete. */
  static std::unique_ptr<DeviceImage> create(std::shared_ptr<TraceImage> image, const MutationPlan& plan, std::string* error);

  /* Tiles of at most `tile_bytes` bytes of slots. Null and `error` when a slot is larger, or the limits of the tables are. */
  std::shared_ptr<const DeviceLayout> lay_out(uint64_t copies, uint64_t tile_bytes, std::string* error) const;

  /* Write bytes [offset, offset + bytes) of a tile's slots, or of its tables. False: beyond its end, nothing is written. */
  bool fill_image(const DeviceTile& tile, uint64_t offset, uint8_t* to, uint64_t bytes) const;
  bool fill_tables(const DeviceTile& tile, uint64_t offset, uint8_t* to, uint64_t bytes) const;
  /* The uniform block. */
  void parameters(uint32_t out[kParameters]) const;

  const std::shared_ptr<TraceImage>& image() const { return image_; }
  const std::shared_ptr<Mutation>& mutation() const { return mutation_; }
  uint64_t lap_packets() const { return packets_; }
  uint64_t lap_bytes() const { return lap_bytes_; }
  uint64_t lap_rows4() const { return mutation_->rows4_before(packets_); }
  uint64_t lap_rows6() const { return mutation_->rows6_before(packets_); }
  uint64_t largest_slot() const { return largest_slot_; }

  /* Of a packet of the virtual image (or of the replay): rows and slot bytes that stand before it. */
  uint64_t rows4_before(uint64_t packet) const { return packet / packets_ * lap_rows4() + mutation_->rows4_before(packet % packets_); }
  uint64_t rows6_before(uint64_t packet) const { return packet / packets_ * lap_rows6() + mutation_->rows6_before(packet % packets_); }
  uint64_t bytes_before(uint64_t packet) const { return packet / packets_ * lap_bytes_ + image_->slot_offsets()[packet % packets_]; }
  /* Packets of the virtual image (or of the replay) whose slot ends at byte `end` or before. */
  uint64_t packets_within(uint64_t end) const;

 private:
  DeviceImage() = default;
  std::string check() const;
  void make_elements(const DeviceTile& tile, Section section, uint64_t begin, uint64_t end, uint32_t* to) const;
  void make_rows4(const DeviceTile& tile, Section section, uint64_t begin, uint64_t end, uint32_t* to) const;
  void make_sums4(const DeviceTile& tile, uint64_t begin, uint64_t end, uint32_t* to) const;
  template <typename Make>
  void each_row4(const DeviceTile& tile, uint64_t begin, uint64_t end, uint32_t* to, Make make) const;
  void make_rows6(const DeviceTile& tile, uint64_t begin, uint64_t end, uint32_t* to) const;
  void make_packets(const DeviceTile& tile, uint64_t begin, uint64_t end, uint32_t* to) const;
  uint32_t word_at(uint64_t offset) const;

  std::shared_ptr<TraceImage> image_;
  std::shared_ptr<Mutation> mutation_;
  uint64_t packets_ = 0;
  uint64_t lap_bytes_ = 0;
  uint64_t largest_slot_ = 0;
};

}  // namespace model_t

#endif
