// RFC 1624 eqn 3: HC' = ~(~HC + ~m + m'). Tables hold ~HC + ~m; `sum` is m', in the upper half of a word (halves.wgsl).

// The first patched word of an IPv4 header: TTL and protocol stay, the header checksum above them follows.
fn header_word(fixed: u32, sum: u32) -> u32 {
  return (fixed & 0xffffu) | (add_upper(fixed & 0xffff0000u, sum) ^ 0xffff0000u);
}

// The word that holds a transport checksum: the checksum is the lower half, or the upper one; the other half stays.
//
// RFC 768 sends a computed 0 as 0xffff: such tables hold C mod 65535 + 1, which is never 0, and the 1 is given back to the inverted
// sum: 0xffff - ((C + m) mod 65535) has no 0 in it.
fn transport_word(word: u32, sum: u32, in_upper: bool, udp_rule: bool) -> u32 {
  let known = select(word * 0x10000u, word & 0xffff0000u, in_upper);
  let kept = select(word & 0xffff0000u, word & 0xffffu, in_upper);
  let checksum = (add_upper(known, sum) ^ 0xffff0000u) + select(0u, 0x10000u, udp_rule);
  return kept | select(upper_half(checksum), checksum, in_upper);
}
