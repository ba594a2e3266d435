// Gives each IPv6 packet of the rows its new source address; repeatable as patch-ip4 is.

// number, place, the word that holds the transport checksum, where that word is
@group(0) @binding(2) var<storage, read> rows6: array<vec4<u32>>;

const PLACE: u32 = 0x1fffffffu;
const FOLLOWS: u32 = 0x80000000u; // of a place: a transport checksum follows
const DISTANCE: u32 = 0x0fffffffu;
const IN_UPPER: u32 = 0x40000000u;
const UDP_RULE: u32 = 0x80000000u;

fn patch_row(add: vec2<u32>, row: vec4<u32>) {
  let low = model_t_parameters.low6 | permute_wide(row.x, add);
  let third = swap_bytes(low.y);
  let fourth = swap_bytes(low.x);
  let at = row.y & PLACE;
  model_t_store(at, model_t_parameters.prefix6.x);
  model_t_store(at + 1u, model_t_parameters.prefix6.y);
  model_t_store(at + 2u, third.low | third.upper);
  model_t_store(at + 3u, fourth.low | fourth.upper);
  if ((row.y & FOLLOWS) != 0u) {
    let sum = add_upper(sum_upper(third), sum_upper(fourth));
    let word = transport_word(row.z, sum, (row.w & IN_UPPER) != 0u, (row.w & UDP_RULE) != 0u);
    model_t_store(at + (row.w & DISTANCE), word);
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
  let base = vec2<u32>(model_t_pass.base_low, model_t_pass.base_high);
  let add = add_wide(multiply_wide(base, model_t_parameters.multiply6_1), model_t_parameters.add6_1);
  let first = model_t_pass.begin + invocation.x;
  let last = model_t_last(first);
  let stride = model_t_pass.stride;
  for (var row = first; row < last; row += stride) {
    patch_row(add, rows6[row]);
  }
}
