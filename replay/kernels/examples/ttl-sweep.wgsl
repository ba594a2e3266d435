// model-t kernel 1
// Each lap leaves its IPv4 packets with another TTL: 64, 63, ... 1, 64, ... IPv4 header checksums stay as right as they were.
// Takes untagged frames and frames behind VLAN tags; leaves every other frame alone.

fn transform(packet: Packet) {
  // Frame byte of the EtherType: 12, or four more behind each VLAN tag (two at most).
  var at = 12u;
  for (var tags = 0u; tags < 2u && is_tag(frame_half(at)); tags++) {
    at += 4u;
  }
  let header = at + 2u;
  if (frame_half(at) != 0x0800u || (frame_byte(header) >> 4u) != 4u || header + 20u > packet.length) {
    return;
  }
  let before = frame_half(header + 8u); // TTL and protocol
  let ttl = 64u - packet.replica.x % 64u;
  let after = (ttl << 8u) | (before & 0xffu);
  set_frame_half(header + 8u, after);
  set_frame_half(header + 10u, adjust_checksum(frame_half(header + 10u), before, after));
}

fn is_tag(ether_type: u32) -> bool {
  return ether_type == 0x8100u || ether_type == 0x88a8u;
}
