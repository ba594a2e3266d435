/* Implements capture_reader.h. */
#include "capture_reader.h"

#include <algorithm>
#include <cstdio>

namespace model_t {
namespace {

constexpr uint32_t kMicroMagic = 0xa1b2c3d4;
constexpr uint32_t kNanoMagic = 0xa1b23c4d;
constexpr uint32_t kModifiedMagic = 0xa1b2cd34;
constexpr uint32_t kOrderMagic = 0x1a2b3c4d;

constexpr size_t kPcapHeader = 24;
constexpr size_t kRecordHeader = 16;
constexpr size_t kModifiedHeader = 24;
/* The rest of the field says whether, and how long, frames end in a checksum (FCS); libpcap masks the same way. */
constexpr uint32_t kLinkTypeMask = 0x03ffffff;

std::string hex32(uint32_t value) {
  char text[11];
  std::snprintf(text, sizeof text, "0x%08x", value);
  return text;
}

std::string above_largest(uint32_t length) {
  return std::to_string(length) + " is above the " + std::to_string(kMaxFrame) + " bytes a frame may have";
}

std::string repeated_as(uint32_t total, uint32_t again) {
  return "block length " + std::to_string(total) + " is repeated as " + std::to_string(again);
}

struct KnownMagic {
  uint8_t bytes[4];
  size_t count;
  const char* what;
  const char* remedy;
};
constexpr KnownMagic kForeign[] = {
    {{0x1f, 0x8b, 0, 0}, 2, "gzip inside a compressed file", "Decompress it first, for example with gunzip"},
    {{0x28, 0xb5, 0x2f, 0xfd}, 4, "zstd inside another compression", "Decompress it first, for example with unzstd"},
    {{'B', 'Z', 'h', 0}, 3, "bzip2", "Decompress it first, for example with bunzip2"},
    {{0xfd, '7', 'z', 'X'}, 4, "xz", "Decompress it first, for example with unxz"},
    {{0x04, 0x22, 0x4d, 0x18}, 4, "lz4", "Decompress it first, for example with unlz4"},
    {{'s', 'n', 'o', 'o'}, 4, "a snoop capture", "Convert it, for example with editcap -F pcap"},
    {{'P', 'K', 3, 4}, 4, "a zip archive", "Unpack it first"},
};

constexpr const char* kConvert = "Give a pcap or pcapng file, plain, gzip or zstd; editcap -F pcap converts most other formats";

}  // namespace

bool CaptureReader::consume(const uint8_t* data, size_t length) {
  while (length > 0 && state_ == ReadState::reading) {
    if (skip_ > 0) {
      const size_t skipped = static_cast<size_t>(std::min<uint64_t>(skip_, length));
      skip_ -= skipped;
      position_ += skipped;
      data += skipped;
      length -= skipped;
    } else if (carry_.empty()) {
      const size_t used = parse_all(data, length);
      data += used;
      length -= used;
      if (state_ != ReadState::reading || skip_ > 0) continue;
      carry_.assign(data, data + length);
      length = 0;
    } else {
      const size_t taken = std::min(need_ - carry_.size(), length);
      carry_.insert(carry_.end(), data, data + taken);
      data += taken;
      length -= taken;
      if (carry_.size() < need_) continue;
      const size_t used = parse_item(carry_.data(), carry_.size());
      position_ += used;
      carry_.erase(carry_.begin(), carry_.begin() + static_cast<std::ptrdiff_t>(used));
    }
  }
  return state_ == ReadState::reading;
}

/* Parses whole items until one is cut, bytes are to be skipped, or a problem stops reading. */
size_t CaptureReader::parse_all(const uint8_t* data, size_t length) {
  size_t used = 0;
  while (state_ == ReadState::reading && skip_ == 0 && length - used >= need_) {
    const size_t item = parse_item(data + used, length - used);
    position_ += item;
    used += item;
  }
  return used;
}

/* Parses the expected item, of which at least need_ bytes are there. Returns its bytes, or 0 after want() or fail(). */
size_t CaptureReader::parse_item(const uint8_t* data, size_t length) {
  if (expect_ != Expect::trailer) item_start_ = position_;
  switch (expect_) {
    case Expect::magic:
      return parse_magic(data);
    case Expect::pcap_header:
      return parse_pcap_header(data);
    case Expect::record:
      return parse_record(data, length);
    case Expect::block:
      return parse_block(data, length);
    case Expect::trailer:
      return parse_trailer(data);
  }
  return 0;
}

/* Looks at the first four bytes without taking them: they are part of the header that follows. */
size_t CaptureReader::parse_magic(const uint8_t* data) {
  order_.big = true;
  const uint32_t as_big = order_.u32(data);
  if (as_big == static_cast<uint32_t>(BlockType::section)) {
    blocks_ = true;
    expect_ = Expect::block;
    return want(kBlockHeader);
  }
  for (const bool big : {true, false}) {
    order_.big = big;
    const uint32_t magic = order_.u32(data);
    if (magic != kMicroMagic && magic != kNanoMagic && magic != kModifiedMagic) continue;
    nanoseconds_ = magic == kNanoMagic;
    modified_ = magic == kModifiedMagic;
    expect_ = Expect::pcap_header;
    return want(kPcapHeader);
  }
  for (const KnownMagic& foreign : kForeign) {
    if (std::memcmp(data, foreign.bytes, foreign.count) != 0) continue;
    return fail(ReadState::unreadable, std::string("this is ") + foreign.what + ", not a capture", foreign.remedy);
  }
  return fail(ReadState::unreadable, "the first bytes are " + hex32(as_big) + ", which begins no pcap or pcapng file", kConvert);
}

size_t CaptureReader::parse_pcap_header(const uint8_t* data) {
  const uint16_t major = order_.u16(data + 4);
  const uint16_t minor = order_.u16(data + 6);
  if (major != 2 || minor != 4) {
    return fail(ReadState::unreadable, "pcap version " + std::to_string(major) + "." + std::to_string(minor) + " is not 2.4",
                "Convert it, for example with editcap -F pcap");
  }
  link_type_ = order_.u32(data + 20) & kLinkTypeMask;
  header_read_ = true;
  expect_ = Expect::record;
  want(modified_ ? kModifiedHeader : kRecordHeader);
  return kPcapHeader;
}

size_t CaptureReader::parse_record(const uint8_t* data, size_t length) {
  const size_t header = modified_ ? kModifiedHeader : kRecordHeader;
  const uint32_t captured = order_.u32(data + 8);
  if (captured > kMaxFrame) {
    return malformed("captured length " + above_largest(captured));
  }
  if (length < header + captured) return want(header + captured);
  const uint64_t seconds = order_.u32(data);
  const uint64_t fraction = order_.u32(data + 4);
  const uint64_t time_ns = seconds * 1000000000 + fraction * (nanoseconds_ ? 1 : 1000);
  if (!add({link_type_, true, time_ns, order_.u32(data + 12), data + header, captured})) return 0;
  want(header);
  return header + captured;
}

size_t CaptureReader::parse_block(const uint8_t* data, size_t length) {
  const BlockType type = static_cast<BlockType>(order_.u32(data));
  if (type == BlockType::section) return length < kSectionFields ? want(kSectionFields) : parse_section(data);
  const uint32_t total = order_.u32(data + 4);
  if (total < kBlockHeader + kBlockTrailer || total % 4 != 0) {
    return malformed("block length " + std::to_string(total) + " is not a multiple of 4 from 12 on");
  }
  switch (type) {
    case BlockType::interface:
    case BlockType::obsolete_packet:
    case BlockType::simple_packet:
    case BlockType::enhanced_packet:
      break;
    default:
      return skip_to_trailer(kBlockHeader, total);
  }
  if (total > kMaxBlock) {
    return malformed("block length " + std::to_string(total) + " is above the limit of " + std::to_string(kMaxBlock) + " bytes");
  }
  return length < total ? want(total) : parse_whole_block(type, data, total);
}

/* A section begins: its byte order holds from here on, and interfaces are counted anew. Its length is not relied on. */
size_t CaptureReader::parse_section(const uint8_t* data) {
  ByteOrder order;
  for (const bool big : {true, false}) {
    order.big = big;
    if (order.u32(data + 8) == kOrderMagic) break;
  }
  const uint32_t magic = order.u32(data + 8);
  if (magic != kOrderMagic) return malformed("byte-order magic " + hex32(magic) + " is not " + hex32(kOrderMagic));
  const uint32_t total = order.u32(data + 4);
  if (total < kSectionLeast || total % 4 != 0) {
    return malformed("section header length " + std::to_string(total) + " is not a multiple of 4 from 28 on");
  }
  const uint16_t major = order.u16(data + 12);
  const uint16_t minor = order.u16(data + 14);
  if (major != 1) return malformed("pcapng version " + std::to_string(major) + "." + std::to_string(minor) + " is not 1.x");
  order_ = order;
  (order.big ? seen_big_ : seen_little_) = true;
  interfaces_.clear();
  header_read_ = true;
  return skip_to_trailer(kSectionFields, total);
}

size_t CaptureReader::parse_whole_block(BlockType type, const uint8_t* data, uint32_t total) {
  const uint32_t again = order_.u32(data + total - kBlockTrailer);
  if (again != total) return malformed(repeated_as(total, again));
  if (type == BlockType::interface) {
    CaptureInterface interface;
    const std::string reason = parse_interface(order_, data, total, &interface);
    if (!reason.empty()) return malformed(reason);
    if (interfaces_.size() == kMaxInterfaces) {
      return malformed("more than " + std::to_string(kMaxInterfaces) + " interfaces in a section");
    }
    interfaces_.push_back(interface);
  } else {
    CapturedPacket packet;
    const std::string reason = parse_packet(type, order_, data, total, interfaces_, &packet);
    if (!reason.empty()) return malformed(reason);
    if (!add(packet)) return 0;
  }
  want(kBlockHeader);
  return total;
}

size_t CaptureReader::parse_trailer(const uint8_t* data) {
  const uint32_t again = order_.u32(data);
  if (again != block_total_) return malformed(repeated_as(block_total_, again));
  expect_ = Expect::block;
  want(kBlockHeader);
  return kBlockTrailer;
}

/* Takes the first `parsed` bytes of a block and passes over the rest of it, up to the repeated length. */
size_t CaptureReader::skip_to_trailer(uint32_t parsed, uint32_t total) {
  block_total_ = total;
  skip_ = total - parsed - kBlockTrailer;
  expect_ = Expect::trailer;
  want(kBlockTrailer);
  return parsed;
}

bool CaptureReader::add(const CapturedPacket& packet) {
  switch (builder_->add(packet)) {
    case AppendStatus::ok:
      return true;
    case AppendStatus::too_long:
      malformed("frame length " + above_largest(packet.length));
      return false;
    case AppendStatus::no_memory:
      fail(ReadState::no_memory, kNoMemory, kNoMemoryRemedy);
      return false;
  }
  return false;
}

size_t CaptureReader::want(size_t bytes) {
  need_ = bytes;
  return 0;
}

size_t CaptureReader::malformed(const std::string& reason) {
  return fail(header_read_ ? ReadState::broken : ReadState::unreadable, reason, header_read_ ? "" : kConvert);
}

size_t CaptureReader::fail(ReadState state, const std::string& reason, const std::string& remedy) {
  state_ = state;
  problem_ = {item_start_, builder_->source_packets() + 1, reason, remedy};
  return 0;
}

void CaptureReader::finish(const std::string& why) {
  if (state_ != ReadState::reading) return;
  const bool inside_block = skip_ > 0 || expect_ == Expect::trailer;
  if (!inside_block) item_start_ = position_;
  const std::string because = why.empty() ? "" : " (" + why + ")";
  if (!header_read_) {
    const bool empty = position_ == 0 && carry_.empty();
    fail(ReadState::unreadable, (empty ? "the input is empty" : "the input ends inside its file header") + because, kConvert);
  } else if (inside_block || !carry_.empty()) {
    fail(ReadState::broken, std::string("the input ends inside a ") + (blocks_ ? "block" : "packet") + because);
  } else if (!why.empty()) {
    fail(ReadState::broken, why);
  }
}

std::string CaptureReader::format() const {
  if (!header_read_) return "";
  if (blocks_) return std::string("pcapng ") + (seen_big_ && seen_little_ ? "be+le" : seen_big_ ? "be" : "le");
  return std::string(modified_ ? "pcap modified " : "pcap ") + (nanoseconds_ ? "ns " : "µs ") + (order_.big ? "be" : "le");
}

}  // namespace model_t
