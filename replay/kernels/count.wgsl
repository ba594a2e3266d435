// count: packets and captured bytes. Twin of stack/ops/count.cc. A batch has less than 4 GiB: whoever runs it
// adds up the sums of batches in 64 bits.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
  let first = batch.begin + invocation.x;
  let last = last_packet(first);
  var packets = 0u;
  var bytes = 0u;
  for (var index = first; index < last; index += batch.stride) {
    let result = results[index];
    let here = 1u - (result & LEFT);
    results[index] = result | (here << batch.shift);
    packets += here;
    bytes += places[index].y * here;
  }
  // Once per invocation: sixteen packets.
  if (packets != 0u) {
    atomicAdd(&sums[batch.sums], packets);
    atomicAdd(&sums[batch.sums + 1u], bytes);
  }
}
