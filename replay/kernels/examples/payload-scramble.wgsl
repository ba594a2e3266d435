// model-t kernel 1
// Turns the payload of TCP and UDP over IPv4 into noise that differs from lap to lap and follows the seed: what compresses or matches
// in the capture no longer does. Headers stay; checksums stay as right as they were. Leaves every other frame alone, and the
// later fragments of a datagram. The payload's bytes in whole pairs: an odd last byte is left as it is.

fn transform(packet: Packet) {
  let header = 14u;
  let first = frame_byte(header);
  if (frame_half(12u) != 0x0800u || (first >> 4u) != 4u || (frame_half(header + 6u) & 0x1fffu) != 0u) {
    return;
  }
  let transport = header + (first & 15u) * 4u;
  let protocol = frame_byte(header + 9u);
  var header_bytes = 8u;
  var checksum_at = transport + 6u;
  if (protocol == 6u) {
    header_bytes = (frame_byte(transport + 12u) >> 4u) * 4u;
    checksum_at = transport + 16u;
  } else if (protocol != 17u) {
    return;
  }
  // The IP length may end before the frame does (padding), or after it (a truncated capture).
  let end = min(packet.length, header + frame_half(header + 2u));
  let payload = transport + header_bytes;
  if (payload <= checksum_at || payload > end) {
    return;
  }
  let has_checksum = protocol == 6u || frame_half(checksum_at) != 0u;
  var checksum = frame_half(checksum_at);
  var state = packet.seed.x ^ (packet.seed.y * 0x85ebca6bu) ^ (packet.replica.x * 0x9e3779b1u) ^ (packet.index * 0xc2b2ae35u);
  for (var at = payload; at + 1u < end; at += 2u) {
    let before = frame_half(at);
    state = state * 747796405u + 2891336453u;
    let after = before ^ (((state >> 15u) ^ state) & 0xffffu);
    set_frame_half(at, after);
    checksum = adjust_checksum(checksum, before, after);
  }
  if (has_checksum) {
    // RFC 768: UDP sends a computed 0 as 0xffff.
    set_frame_half(checksum_at, select(checksum, 0xffffu, protocol == 17u && checksum == 0u));
  }
}
