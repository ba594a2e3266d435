/*
 * What the body of `match` (stack/ops/match.cc, a kernel file) needs of the Matcher, without the C++ library in it.
 * Called by the program (create, destroy) and the body; one thread per matcher.
 */
#ifndef MODEL_T_STACK_MATCH_OPERATION_H
#define MODEL_T_STACK_MATCH_OPERATION_H

#include "match_tables.h"
#include "operation.h"

namespace model_t {

/* OperationBody::create and destroy: argument.data is the blob of Matcher::create. */
void* create_match(const OperationArgument& argument, char (&error)[256]);
void destroy_match(void* memory);

const MatchTables& match_tables(const void* memory);

/*
 * A row of a stream: also finds what began in the rows before, each occurrence in the row in which it ends. `marks` are the
 * row's StreamMark bits.
 */
void match_in_stream(void* memory, MatchScan scan, uint64_t stream, uint8_t marks, const uint8_t* text, uint32_t length, MatchSink& sink);

/* Streams given up for others so far. */
uint64_t match_evicted(const void* memory);

}  // namespace model_t

#endif
