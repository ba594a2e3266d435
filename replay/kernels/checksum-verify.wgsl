// checksum-verify: IPv4 header and transport checksums. Twin of stack/ops/checksum-verify.cc behind eth.cc, ip4.cc and ip6.cc: it
// finds the headers itself, and its verdicts are theirs. Numbers in network order are swapped; sums are not (RFC 1071 2(B)).
//
// Only words that hold bytes of the packet are read: every read stands behind a comparison with what is left of the packet.

const GOOD: u32 = 0u;
const BAD: u32 = 1u;
const ABSENT: u32 = 2u;
const UNVERIFIABLE: u32 = 3u;
const OTHER: u32 = 4u;

const NO_PROTOCOL: u32 = 255u;

// Numbers of 16 bits in network order: the first two bytes of a word, and its last two.
fn first_half(word: u32) -> u32 {
  return ((word & 0xffu) << 8u) | ((word >> 8u) & 0xffu);
}
fn second_half(word: u32) -> u32 {
  return ((word >> 8u) & 0xff00u) | (word >> 24u);
}
fn swapped(number: u32) -> u32 {
  return (first_half(number) << 16u) | second_half(number);
}

// a + b with end-around carry: the one's complement sum of their halves stays the same, and is 0 for zeros only.
fn add_carry(a: u32, b: u32) -> u32 {
  let sum = a + b;
  return sum + select(0u, 1u, sum < b);
}
fn is_right(sum: u32) -> bool {
  let once = (sum & 0xffffu) + (sum >> 16u);
  return (once & 0xffffu) + (once >> 16u) == 0xffffu;
}
// Sum of `bytes` bytes from word `at` on; what a last word holds behind them does not count.
fn sum_bytes(at: u32, bytes: u32, start: u32) -> u32 {
  var sum = start;
  let whole = at + (bytes >> 2u);
  var word = at;
  // Four words a round: a quarter less time for packets of 350 bytes on SwiftShader.
  for (; word + 4u <= whole; word += 4u) {
    let first = add_carry(packets[word], packets[word + 1u]);
    let second = add_carry(packets[word + 2u], packets[word + 3u]);
    sum = add_carry(sum, add_carry(first, second));
  }
  for (; word < whole; word += 1u) {
    sum = add_carry(sum, packets[word]);
  }
  if ((bytes & 3u) != 0u) {
    sum = add_carry(sum, packets[whole] & ((1u << ((bytes & 3u) * 8u)) - 1u));
  }
  return sum;
}

// The transport header at word `at`, with `bytes` of the packet from there; `marked`: fragment, cut, or an address unknown.
fn judge_transport(at: u32, bytes: u32, protocol: u32, icmp: u32, marked: bool, addresses: u32) -> u32 {
  if (marked) {
    return UNVERIFIABLE;
  }
  if ((protocol != 6u) & (protocol != 17u) & (protocol != icmp)) {
    return OTHER;
  }
  if (bytes < select(8u, 20u, protocol == 6u)) {
    return UNVERIFIABLE;
  }
  var length = bytes;
  if (protocol == 17u) {
    let word = packets[at + 1u];
    if ((word >> 16u) == 0u) {
      return ABSENT;
    }
    let declared = first_half(word);
    if (declared != 0u) { // 0: jumbogram or offload
      if ((declared < 8u) | (declared > bytes)) {
        return UNVERIFIABLE;
      }
      length = declared;
    }
  }
  let pseudo = add_carry(add_carry(addresses, swapped(length)), protocol << 8u);
  return select(BAD, GOOD, is_right(sum_bytes(at, length, select(pseudo, 0u, protocol == 1u))));
}

// `at`: word of the header; `left`: bytes of the packet from there.
fn verify_ip4(at: u32, left: u32) -> u32 {
  if (left < 20u) {
    return UNVERIFIABLE;
  }
  let first = packets[at];
  let header = (first & 15u) * 4u;
  let declared = second_half(first);
  let total = select(declared, left, declared == 0u);
  if (((first & 0xf0u) != 0x40u) | (header < 20u) | (left < header) | (total < header)) {
    return UNVERIFIABLE;
  }
  let protocol = (packets[at + 2u] >> 8u) & 0xffu;
  if (protocol == NO_PROTOCOL) {
    return UNVERIFIABLE;
  }
  if (!is_right(sum_bytes(at, header, 0u))) {
    return BAD;
  }
  if (batch.parameter == 1u) {
    return GOOD;
  }
  let marked = ((second_half(packets[at + 1u]) & 0x3fffu) != 0u) | (total > left);
  let addresses = add_carry(packets[at + 3u], packets[at + 4u]);
  return judge_transport(at + header / 4u, min(total, left) - header, protocol, 1u, marked, addresses);
}

// Whether the options of a destination header, `bytes` long, hold a home address (RFC 6275 6.3).
fn has_home_address(at: u32, bytes: u32) -> bool {
  var byte = 2u;
  while (byte + 1u < bytes) {
    let kind = (packets[at + (byte >> 2u)] >> ((byte & 3u) * 8u)) & 0xffu;
    if (kind == 0xc9u) {
      return true;
    }
    let next = byte + 1u;
    let length = (packets[at + (next >> 2u)] >> ((next & 3u) * 8u)) & 0xffu;
    byte = next + select(1u + length, 0u, kind == 0u); // 0: Pad1
  }
  return false;
}

struct Walk {
  byte: u32, // of the transport header, from the IPv6 header
  protocol: u32,
  marked: bool,
}

// Extension headers (RFC 8200 4) up to byte `end`, all from the IPv6 header at word `at`.
fn walk_extensions(at: u32, end: u32, protocol: u32) -> Walk {
  var walk = Walk(40u, protocol, false);
  loop {
    let kind = walk.protocol;
    if ((kind != 0u) & (kind != 43u) & (kind != 60u) & (kind != 44u) & (kind != 51u)) {
      break;
    }
    let left = end - walk.byte;
    if (left < 8u) {
      return Walk(walk.byte, NO_PROTOCOL, false);
    }
    let place = at + (walk.byte >> 2u);
    let word = packets[place];
    let declared = (word >> 8u) & 0xffu;
    let bytes = select(select((declared + 1u) * 8u, (declared + 2u) * 4u, kind == 51u), 8u, kind == 44u);
    if (left < bytes) {
      return Walk(walk.byte, NO_PROTOCOL, false);
    }
    let fragment = select(0u, second_half(word), kind == 44u);
    walk.marked = walk.marked | ((fragment & 0xfff9u) != 0u) | ((kind == 43u) & ((word >> 24u) != 0u));
    if (kind == 60u) {
      walk.marked = walk.marked | has_home_address(place, bytes);
    }
    walk.protocol = word & 0xffu;
    walk.byte += bytes;
    if ((fragment & 0xfff8u) != 0u) {
      break;
    }
  }
  return walk;
}

// As verify_ip4; `before`: bytes of the frame before the header.
fn verify_ip6(at: u32, left: u32, before: u32) -> u32 {
  if (left < 40u) {
    return UNVERIFIABLE;
  }
  if ((packets[at] & 0xf0u) != 0x60u) {
    return UNVERIFIABLE;
  }
  let word = packets[at + 1u];
  let declared = first_half(word);
  let cut = declared > left - 40u;
  let end = select(40u + declared, left, (declared == 0u) | cut); // 0: jumbogram or offload
  let walk = walk_extensions(at, end, (word >> 16u) & 0xffu);
  if ((walk.protocol == NO_PROTOCOL) | (before + walk.byte > 0xffffu)) {
    return UNVERIFIABLE;
  }
  if (batch.parameter == 1u) {
    return OTHER;
  }
  let addresses = sum_bytes(at + 2u, 32u, 0u);
  return judge_transport(at + walk.byte / 4u, end - walk.byte, walk.protocol, 58u, walk.marked | cut, addresses);
}

// `word`: that whose second half is the Ethernet type.
fn verify(frame: u32, length: u32) -> u32 {
  if (length < 14u) {
    return OTHER;
  }
  var word = (frame + 12u) >> 2u;
  var kind = second_half(packets[word]);
  var before = 14u;
  for (var tags = 0u; tags < 8u; tags += 1u) {
    if ((kind != 0x8100u) & (kind != 0x88a8u) & (kind != 0x9100u) & (kind != 0x9200u)) {
      break;
    }
    if (length < before + 4u) {
      return OTHER;
    }
    word += 1u;
    before += 4u;
    kind = second_half(packets[word]);
  }
  if (kind == 0x0800u) {
    return verify_ip4(word + 1u, length - before);
  }
  if (kind == 0x86ddu) {
    return verify_ip6(word + 1u, length - before, before);
  }
  return OTHER;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
  let index = batch.begin + invocation.x;
  if (index >= batch.end) {
    return;
  }
  let result = results[index];
  if ((result & LEFT) != 0u) {
    return;
  }
  let place = places[index];
  results[index] = result | ((verify(place.x, place.y) + 1u) << batch.shift);
}
