/* What a program is made of inside: sequences of nodes. For program.cc and program_build.cc only. */
#ifndef MODEL_T_STACK_PROGRAM_NODES_H
#define MODEL_T_STACK_PROGRAM_NODES_H

#include "program.h"

namespace model_t {

struct Program::Sequence {
  std::vector<Node> nodes;
  bool main = false;        /* its nodes are the program's units; a range ends before its end, maybe */
  uint64_t* arrived = nullptr; /* of a branch: bits of the rows that came through, four words */
};

/* The rows that an operation makes, on their way through the rest of its sequence. */
struct Program::Expansion {
  ProgramRange* range = nullptr; /* that runs the operation now */
  const Sequence* sequence = nullptr;
  size_t next = 0;
  Burst256 burst;
  Output output;

  /* Output::full. The operation that fills the burst goes on afterwards, and its clock with it. */
  static void run(void* expansion);
};

struct Program::Node {
  int32_t condition = -1;
  Step* step = nullptr;             /* an operation, or the first of a header pass */
  std::vector<Step*> pass;          /* of a header pass: all its operations */
  std::vector<Settle> settle;       /* beside `pass` */
  HeaderPass run_pass = nullptr;
  HeaderPassPlan pass_plan;
  std::unique_ptr<Expansion> expansion;
  std::vector<Sequence> branches;   /* of a group */
  std::unique_ptr<Burst256> scratch; /* of a group: what a branch works on */
  std::unique_ptr<uint64_t[]> arrived;
};

}  // namespace model_t

#endif
