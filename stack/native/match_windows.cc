/* See match_windows.h. */
#include "match_windows.h"

#include <cmath>
#include <unordered_map>
#include <utility>

namespace model_t {

namespace {

/* Of ten thousand bytes of mixed HTTP headers, HTML and English: ' ' to '~'. Estimates; only the order of magnitude matters. */
constexpr uint16_t kPrintable[95] = {
    1300, 3,   110, 8,   3,   10,  20,  15,  12,  12,  6,   8,   70,  110, 130, 150, /* space to / */
    70,   70,  60,  40,  38,  36,  34,  32,  34,  36,  60,  40,  120, 100, 120, 15,  /* 0 to ? */
    3,    35,  22,  35,  25,  28,  18,  18,  18,  25,  6,   6,   20,  28,  20,  18,  /* @ to O */
    28,   4,   22,  35,  38,  12,  8,   16,  10,  6,   4,   5,   5,   5,   1,   30,  /* P to _ */
    1,    530, 110, 260, 260, 800, 150, 150, 300, 500, 20,  70,  320, 210, 480, 500, /* ` to o */
    230,  12,  460, 470, 640, 200, 80,  120, 40,  110, 15,  6,   4,   6,   3,        /* p to ~ */
};

/* What stands in nearly every text: a window of nothing but this is common however rare its bytes are ("-Typ"). */
constexpr char kCommon[] =
    "HTTP/1.0 HTTP/1.1 200 OK\r\nGET POST Host: www. .com .html .php .asp .jpg .png .gif .css .js index User-Agent: Mozilla Accept: "
    "Accept-Encoding: gzip, deflate Accept-Language: en Accept-Charset: Connection: keep-alive close Content-Type: text/html; "
    "charset=utf-8 text/plain application image/ Content-Length: Content-Encoding: Transfer-Encoding: chunked Cache-Control: no-cache "
    "max-age= Cookie: Set-Cookie: Referer: http:// https:// Location: Last-Modified: If-Modified-Since: If-None-Match: ETag: Expires: "
    "Date: Server: Pragma: Vary: Via: Authorization: Mon, Tue, Wed, Thu, Fri, Sat, Sun, Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec "
    "GMT\r\n<html> <head> <title> <body> <div class=\" <span style=\" <a href=\" <img src=\" alt=\" width=\" height=\" id=\" name=\" "
    "type=\" value=\" <table> <tr> <td> <ul> <li> <p> <br> <h1> <script> <form <input </div> </span> </a> </p> </li> </td> </tr> "
    "the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you were all "
    "her she there would their we him been has when who will more no if out so said what up its about into than them can only other "
    "new some could time these two may then do first any my now such like our over man me even most made after also did many before "
    "must through back years where much your way well down should because each just those people how too little state good very make "
    "world still own see men work long here get both between life being under never day same another know while last might great old "
    "year off come since against go came right used take three system program information service page user file search home "
    "ing the ation tion and ment ence ance ally ness able ible ther ever ould ight ough ";

/* The four-byte grams of kCommon and, for narrower windows, those of three and two, by hash. */
struct CommonGrams {
  uint64_t bits[3][1024] = {}; /* [gram length - 2] */
  CommonGrams() {
    for (uint32_t length = 2; length <= 4; length++) {
      for (size_t at = 0; at + length < sizeof kCommon; at++) {
        uint64_t gram = 0;
        for (uint32_t i = 0; i < length; i++) gram |= static_cast<uint64_t>(static_cast<uint8_t>(kCommon[at + i])) << i * 8;
        bits[length - 2][place(gram) / 64] |= 1ull << place(gram) % 64;
      }
    }
  }
  static uint32_t place(uint64_t gram) { return match_hash(gram) >> 16; }
  bool has(uint64_t gram, uint32_t length) const { return bits[length - 2][place(gram) / 64] >> place(gram) % 64 & 1; }
};

/* Whether a window is made of common grams only. */
bool is_common(uint64_t value, uint32_t width) {
  static const CommonGrams grams;
  if (width < 2) return true;
  const uint32_t length = width < 4 ? width : 4;
  for (uint32_t at = 0; at + length <= width; at++) {
    if (!grams.has(value >> at * 8 & ((1ull << length * 8) - 1), length)) return false;
  }
  return true;
}

constexpr double kCommonShare = 1.0 / 500; /* of places, for a window of four common bytes */

double surprise(uint8_t byte) { return std::log2(byte_share(byte)); }

}  // namespace

double byte_share(uint8_t byte) {
  if (byte >= ' ' && byte <= '~') return kPrintable[byte - ' '] * 1e-4;
  if (byte == '\n') return 0.012;
  if (byte == '\r') return 0.006;
  if (byte == '\t') return 0.004;
  return byte == 0 ? 0.002 : 0.0002;
}

double window_share(uint64_t value, uint32_t width) {
  double share = 1;
  for (uint32_t i = 0; i < width; i++) share *= byte_share(static_cast<uint8_t>(value >> i * 8));
  return width >= 3 && share < kCommonShare && is_common(value, width) ? kCommonShare : share;
}

std::vector<MatchWindow> choose_windows(const uint8_t* bytes, const std::vector<MatchString>& strings,
                                        const std::vector<uint32_t>& chosen, uint32_t width, uint32_t stride) {
  std::vector<MatchWindow> windows;
  std::unordered_map<uint64_t, uint32_t> used;
  for (const uint32_t index : chosen) {
    const MatchString& string = strings[index];
    for (uint32_t remainder = 0; remainder < stride; remainder++) {
      MatchWindow best;
      double best_score = 1e300;
      for (uint32_t offset = remainder; offset + width <= string.length; offset += stride) {
        uint64_t value = 0;
        for (uint32_t i = 0; i < width; i++) value |= static_cast<uint64_t>(bytes[string.at + offset + i]) << i * 8;
        double score = std::log2(window_share(value, width));
        const auto found = used.find(value);
        if (found != used.end()) score += 2 * std::log2(1.0 + found->second);
        if (score < best_score) {
          best_score = score;
          best = {index, offset, value};
        }
      }
      used[best.value]++;
      windows.push_back(best);
    }
  }
  return windows;
}

void choose_pair(const uint8_t* string, uint32_t length, uint32_t* first, uint32_t* second) {
  uint32_t rarest = 0;
  for (uint32_t i = 1; i < length; i++) {
    if (surprise(string[i]) < surprise(string[rarest])) rarest = i;
  }
  uint32_t next = rarest ? 0 : 1;
  for (uint32_t i = 0; i < length; i++) { /* another byte than the rarest, if there is one: "xx" says less than "xy" */
    const bool other = string[i] != string[rarest], had = string[next] != string[rarest];
    if (i != rarest && (other > had || (other == had && surprise(string[i]) < surprise(string[next])))) next = i;
  }
  *first = rarest < next ? rarest : next;
  *second = rarest < next ? next : rarest;
}

}  // namespace model_t
