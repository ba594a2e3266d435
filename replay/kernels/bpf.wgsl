// bpf: the filter, which stands before this as `bpf_match` (stack/bpf/wgsl.ts), on one packet. No loop round it: SwiftShader's
// compiler takes twice as long for every branch inside one.

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
  let match_bits = select((2u << batch.shift) | LEFT, 1u << batch.shift, bpf_match(place.x, place.y));
  results[index] = result | match_bits;
}
