/*
 * Runs bursts of packets through a list of operations, expanding ones included, and keeps the rows that reach the end: a
 * second, plain reading of what operation.h says a program does. Memory of packets is overwritten as soon as the operations
 * may not look at it any more.
 */
#ifndef MODEL_T_TEST_CHAIN_H
#define MODEL_T_TEST_CHAIN_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../../stack/native/operation.h"

namespace model_t::test {

struct Packet {
  std::vector<uint8_t> bytes;
  uint64_t time = 0;
};

struct Row {
  std::vector<uint8_t> frame;
  std::vector<uint8_t> payload;
  uint64_t time;
  uint64_t stream;
  uint32_t marks; /* of the stream */
  uint16_t class_number;
  uint8_t encoding;
  uint8_t slot;
};

class Chain {
 public:
  /* "NAME" or "NAME NUMBER"; bodies are the scalar ones or the only one there is. */
  explicit Chain(const std::vector<std::string>& steps);
  ~Chain();
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  /* One more step, with a body that is not in the list. */
  void append(const OperationBody* body, const OperationArgument& argument = {});
  /* At most 256 packets. */
  void run(const Packet* packets, size_t count);
  /* Columns are the caller's. */
  void run_burst(Burst256& burst) { run_from(0, burst); }
  void run_all(const std::vector<Packet>& packets, uint32_t burst = kBurstCapacity);
  void finish();
  uint64_t verdict(const std::string& step, uint32_t number) const;
  const OperationState& state(const std::string& step) const;

  bool keep_rows = true;
  std::vector<Row> rows;
  uint64_t row_count = 0;

 private:
  struct Step {
    Chain* chain = nullptr;
    size_t number = 0;
    const OperationBody* body = nullptr;
    OperationState state;
    Output output;
    std::unique_ptr<Burst256> burst; /* rows that this step made */
  };
  static void full(void* step);
  void run_from(size_t number, Burst256& burst);
  void arrive(const Burst256& burst);

  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<std::string> names_;
  std::unique_ptr<Burst256> burst_;
};

/* Payload of each stream put together, with '|' where a gap was and '.' behind the end. */
std::map<uint64_t, std::string> streams_of(const std::vector<Row>& rows);

}  // namespace model_t::test

#endif
