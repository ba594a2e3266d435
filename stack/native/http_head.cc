/* Implements http_head.h. */
#include "http_head.h"

#include <cstring>

namespace model_t {

namespace {

struct Text {
  const uint8_t* first;
  uint32_t length;
};

bool is_token(uint8_t byte) { /* RFC 9110 5.6.2 */
  if ((byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z')) return true;
  return byte != 0 && byte < 127 && strchr("!#$%&'*+-.^_`|~", byte) != nullptr;
}

bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\r'; }

Text trimmed(Text text) {
  while (text.length && is_blank(text.first[0])) text = {text.first + 1, text.length - 1};
  while (text.length && is_blank(text.first[text.length - 1])) text.length--;
  return text;
}

/* `name` in lower case. */
bool same(Text text, const char* name) {
  if (text.length != strlen(name)) return false;
  for (uint32_t i = 0; i < text.length; i++) {
    const uint8_t byte = text.first[i];
    if ((byte >= 'A' && byte <= 'Z' ? byte + 32 : byte) != name[i]) return false;
  }
  return true;
}

/* Cuts off what stands before the first `separator`; all of it if there is none. */
Text cut(Text* rest, uint8_t separator) {
  const void* const found = rest->length ? memchr(rest->first, separator, rest->length) : nullptr;
  const uint32_t length = found ? static_cast<uint32_t>(static_cast<const uint8_t*>(found) - rest->first) : rest->length;
  const Text part = {rest->first, length};
  const uint32_t used = found ? length + 1 : length;
  *rest = {rest->first + used, rest->length - used};
  return part;
}

/* "5" or "5, 5" (RFC 9112 6.3); anything else makes the head bad. */
void take_length(HttpHead* head, Text value) {
  while (value.length) {
    const Text part = trimmed(cut(&value, ','));
    uint64_t number = 0;
    bool good = part.length > 0 && part.length <= 18;
    for (uint32_t i = 0; good && i < part.length; i++) {
      good = part.first[i] >= '0' && part.first[i] <= '9';
      number = number * 10 + (part.first[i] - '0');
    }
    if (!good || (head->has_length && head->length != number)) head->good = false;
    head->has_length = true;
    head->length = number;
  }
}

/* One coding is known by name; several on top of each other are not undone. */
void take_coding(HttpHead* head, Text coding) {
  if (coding.length == 0 || same(coding, "identity")) return;
  Encoding encoding = kUnknownEncoding;
  if (head->encoding != kIdentity) encoding = kUnknownEncoding;
  else if (same(coding, "gzip") || same(coding, "x-gzip")) encoding = kGzip;
  else if (same(coding, "deflate")) encoding = kDeflate;
  head->encoding = encoding;
}

void take_transfer_codings(HttpHead* head, Text value) {
  while (value.length) {
    const Text coding = trimmed(cut(&value, ','));
    if (coding.length == 0) continue;
    head->transfer_coded = true;
    head->chunked = same(coding, "chunked");
    if (!head->chunked) take_coding(head, coding);
  }
}

enum class Field { other, length, transfer, content };

Field field_of(Text name) {
  if (same(name, "content-length")) return Field::length;
  if (same(name, "transfer-encoding")) return Field::transfer;
  if (same(name, "content-encoding")) return Field::content;
  return Field::other;
}

void take_field(HttpHead* head, Field field, Text value) {
  value = trimmed(value);
  if (field == Field::length) take_length(head, value);
  if (field == Field::transfer) take_transfer_codings(head, value);
  if (field == Field::content) {
    while (value.length) take_coding(head, trimmed(cut(&value, ',')));
  }
}

bool is_version(Text text) { return text.length == 8 && memcmp(text.first, "HTTP/1.", 7) == 0; }

bool take_first_line(HttpHead* head, Text line) {
  line = trimmed(line);
  Text rest = line;
  const Text word = cut(&rest, ' ');
  if (is_version(word)) {
    rest = trimmed(rest);
    head->response = true;
    for (uint32_t i = 0; i < 3; i++) {
      if (rest.length <= i || rest.first[i] < '0' || rest.first[i] > '9') return false;
      head->status = head->status * 10 + (rest.first[i] - '0');
    }
    return head->status >= 100;
  }
  if (same(word, "head")) head->method = HttpMethod::head;
  if (same(word, "connect")) head->method = HttpMethod::connect;
  return rest.length >= 9 && rest.first[rest.length - 9] == ' ' && is_version({rest.first + rest.length - 8, 8});
}

}  // namespace

HttpSniff sniff_http(const uint8_t* bytes, uint32_t length) {
  constexpr uint32_t kLongestMethod = 32;
  const uint32_t looked = length < 7 ? length : 7;
  if (memcmp(bytes, "HTTP/1.", looked) == 0) return looked == 7 ? HttpSniff::head : HttpSniff::more;
  for (uint32_t i = 0; i < length; i++) {
    if (bytes[i] == ' ') return i > 0 ? HttpSniff::head : HttpSniff::garbage;
    if (i >= kLongestMethod || !is_token(bytes[i])) return HttpSniff::garbage;
  }
  return HttpSniff::more;
}

bool has_first_line(const uint8_t* bytes, uint32_t length) {
  if (sniff_http(bytes, length) != HttpSniff::head || !memchr(bytes, '\n', length)) return false;
  HttpHead head;
  Text rest = {bytes, length};
  return take_first_line(&head, cut(&rest, '\n'));
}

uint32_t find_head_end(const uint8_t* bytes, uint32_t length, uint32_t from) {
  from = from < 3 ? 0 : from - 3;
  while (from < length) {
    const void* const found = memchr(bytes + from, '\n', length - from);
    if (!found) return 0;
    const uint32_t line = static_cast<uint32_t>(static_cast<const uint8_t*>(found) - bytes);
    if (line + 1 < length && bytes[line + 1] == '\n') return line + 2;
    if (line + 2 < length && bytes[line + 1] == '\r' && bytes[line + 2] == '\n') return line + 3;
    from = line + 1;
  }
  return 0;
}

HttpHead parse_http_head(const uint8_t* bytes, uint32_t length) {
  HttpHead head;
  Text rest = {bytes, length};
  head.good = true;
  const bool first_good = take_first_line(&head, cut(&rest, '\n'));
  Field field = Field::other;
  while (rest.length) {
    Text line = cut(&rest, '\n');
    const bool folded = line.length && (line.first[0] == ' ' || line.first[0] == '\t'); /* RFC 9112 5.2 */
    if (!folded) {
      const void* const colon = line.length ? memchr(line.first, ':', line.length) : nullptr;
      field = colon ? field_of(trimmed(cut(&line, ':'))) : Field::other;
    }
    if (field != Field::other) take_field(&head, field, line);
  }
  /* RFC 9112 6.3: with a transfer coding the length does not count; of a request the last must be chunked. */
  if (head.transfer_coded && !head.chunked && !head.response) head.good = false;
  head.good &= first_good;
  return head;
}

}  // namespace model_t
