/*
 * Heads of HTTP/1.x messages (RFC 9112 2 to 6): what they say about the body that follows. Pure functions over bytes that
 * nobody vouches for. Used by http_streams.cc.
 */
#ifndef MODEL_T_STACK_HTTP_HEAD_H
#define MODEL_T_STACK_HTTP_HEAD_H

#include <cstdint>

#include "burst.h"

namespace model_t {

enum class HttpSniff { head, more, garbage };

enum class HttpMethod : uint8_t { other, head, connect };

struct HttpHead {
  bool good = false;
  bool response = false;
  HttpMethod method = HttpMethod::other;
  uint32_t status = 0;
  bool has_length = false;
  uint64_t length = 0;        /* Content-Length */
  bool transfer_coded = false;
  bool chunked = false;       /* the last transfer coding */
  Encoding encoding = kIdentity;
};

/* Do these bytes begin a request or a response? `more`: they may, if others follow. */
HttpSniff sniff_http(const uint8_t* bytes, uint32_t length);

/* Do they begin with the whole first line of one? Behind a hole nothing less will do. */
bool has_first_line(const uint8_t* bytes, uint32_t length);

/* Offset behind the empty line that ends the head, 0 if it is not there; `from`: bytes before it were searched already. */
uint32_t find_head_end(const uint8_t* bytes, uint32_t length, uint32_t from);

/* A whole head. Not good: no HTTP/1.x, or the length of the body cannot be known. */
HttpHead parse_http_head(const uint8_t* bytes, uint32_t length);

}  // namespace model_t

#endif
