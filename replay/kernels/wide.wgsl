// 64-bit numbers as vec2(low, high), and the keyed bijection on up to 64 bits of them. Everything wraps, as uint64_t does.

fn add_wide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < b.x));
}

// The upper 32 bits of a * b, schoolbook on halves: no sum below passes 32 bits.
fn multiply_upper(a: u32, b: u32) -> u32 {
  let a0 = a & 0xffffu;
  let a1 = upper_half(a & 0xffff0000u);
  let b0 = b & 0xffffu;
  let b1 = upper_half(b & 0xffff0000u);
  let middle = a1 * b0 + upper_half((a0 * b0) & 0xffff0000u);
  let other = a0 * b1 + (middle & 0xffffu);
  return a1 * b1 + upper_half(middle & 0xffff0000u) + upper_half(other & 0xffff0000u);
}

fn multiply_wide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return vec2<u32>(a.x * b.x, multiply_upper(a.x, b.x) + a.x * b.y + a.y * b.x);
}

// x >> shift, for shifts of 1 to 32: never a shift of 32 bits in one step, which WGSL does not have.
fn shift_wide(x: vec2<u32>, shift: u32) -> vec2<u32> {
  let high = (x.y >> (shift - 1u)) >> 1u;
  return vec2<u32>(((x.x >> (shift - 1u)) >> 1u) | (x.y << (32u - shift)), high);
}

// What permute() of replay/native/permutation.h gives for `base` + `host`, where `add` is base * multiply6_1 + add6_1.
fn permute_wide(host: u32, add: vec2<u32>) -> vec2<u32> {
  let mask = model_t_parameters.mask6;
  var x = add_wide(multiply_wide(vec2<u32>(host, 0u), model_t_parameters.multiply6_1), add) & mask;
  x ^= shift_wide(x, model_t_parameters.shift6);
  return add_wide(multiply_wide(x, model_t_parameters.multiply6_2), model_t_parameters.add6_2) & mask;
}
