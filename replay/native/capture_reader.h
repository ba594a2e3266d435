/*
 * The capture reader: bytes of a pcap or pcapng file in, packets into the trace builder.
 *
 * A resumable push parser: a mapped window, a 1 MiB piece of inflated data and single bytes from a pipe all go through
 * the same code, and give the same packets. An item (header, record, block) that is cut by the end of a piece is carried
 * over in a buffer that grows only by bytes that arrived. Every length is checked against a fixed limit before it is used.
 *
 * Read: pcap with µs and ns, either byte order, and the "modified" format (0xa1b2cd34); pcapng with several sections and
 * interfaces, either byte order; enhanced, simple and obsolete packet blocks; other blocks are skipped, whatever their size.
 */
#ifndef MODEL_T_REPLAY_CAPTURE_READER_H
#define MODEL_T_REPLAY_CAPTURE_READER_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "builder.h"
#include "capture_blocks.h"

namespace model_t {

/* Largest pcapng block that is held in memory; a record can hold kMaxFrame, the rest is options. */
constexpr uint32_t kMaxBlock = 16u << 20;
/* Interfaces of one section; a hostile file could otherwise make the list grow without a packet (20 bytes each). */
constexpr size_t kMaxInterfaces = 65536;

/* What is said when the image or the machine is full. */
constexpr const char* kNoMemory = "no memory is left for more packets";
constexpr const char* kNoMemoryRemedy = "Give fewer or smaller captures, or free memory";

enum class ReadState {
  reading,
  broken,     /* Packets up to problem() are in the image; nothing after it can be. */
  unreadable, /* Not a capture we can read at all. */
  no_memory,  /* The image or the machine is full. */
};

struct ReadProblem {
  uint64_t offset = 0; /* Start of the header, record or block, in (decompressed) bytes. */
  uint64_t packet = 0; /* Number, from 1, of the packet that could not be read. */
  std::string reason;
  std::string remedy;
};

class CaptureReader {
 public:
  explicit CaptureReader(TraceBuilder* builder) : builder_(builder) {}

  /* Takes all bytes, or up to a problem. Returns false once no more are wanted. */
  bool consume(const uint8_t* data, size_t length);
  /* No byte follows. `why` says what ended the input early, and is empty when nothing did. */
  void finish(const std::string& why);

  ReadState state() const { return state_; }
  const ReadProblem& problem() const { return problem_; }
  /* For example "pcap ns be" or "pcapng be+le"; empty before the file header was read. */
  std::string format() const;

 private:
  enum class Expect { magic, pcap_header, record, block, trailer };

  size_t parse_all(const uint8_t* data, size_t length);
  size_t parse_item(const uint8_t* data, size_t length);
  size_t parse_magic(const uint8_t* data);
  size_t parse_pcap_header(const uint8_t* data);
  size_t parse_record(const uint8_t* data, size_t length);
  size_t parse_block(const uint8_t* data, size_t length);
  size_t parse_section(const uint8_t* data);
  size_t parse_whole_block(BlockType type, const uint8_t* data, uint32_t total);
  size_t parse_trailer(const uint8_t* data);
  size_t skip_to_trailer(uint32_t parsed, uint32_t total);
  bool add(const CapturedPacket& packet);
  size_t want(size_t bytes);
  size_t fail(ReadState state, const std::string& reason, const std::string& remedy = "");
  size_t malformed(const std::string& reason);

  TraceBuilder* builder_;
  ReadState state_ = ReadState::reading;
  ReadProblem problem_;
  Expect expect_ = Expect::magic;
  bool header_read_ = false;
  uint64_t position_ = 0;   /* Bytes parsed or skipped. */
  uint64_t item_start_ = 0; /* Where the record or block being read begins. */
  size_t need_ = 4;         /* Bytes the item being read must have before it is looked at again. */
  uint64_t skip_ = 0;       /* Bytes to pass over before the next item. */
  std::vector<uint8_t> carry_;

  ByteOrder order_;
  /* pcap */
  bool nanoseconds_ = false;
  bool modified_ = false;
  uint32_t link_type_ = 0;
  /* pcapng */
  bool blocks_ = false;
  bool seen_big_ = false;
  bool seen_little_ = false;
  uint32_t block_total_ = 0;
  std::vector<CaptureInterface> interfaces_;
};

}  // namespace model_t

#endif
