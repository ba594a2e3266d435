// The keyed bijection of replay/native/permutation.h on up to 32 bits: number of a row in, host bits of its address out.

struct Draw {
  multiply_1: u32,
  add_1: u32,
  multiply_2: u32,
  add_2: u32,
  mask: u32,
  shifted: u32, // bits of the mask that survive the right shift
  scale: f32,   // 2^-shift
  prefix: u32,
}

// Once per invocation. (host + base) * m + a = host * m + (base * m + a): one addition less a row.
fn make_draw(base: u32) -> Draw {
  let shift = model_t_parameters.shift4;
  return Draw(
    model_t_parameters.multiply4_1,
    base * model_t_parameters.multiply4_1 + model_t_parameters.add4_1,
    model_t_parameters.multiply4_2,
    model_t_parameters.add4_2,
    model_t_parameters.mask4,
    model_t_parameters.mask4 & ~((1u << shift) - 1u),
    bitcast<f32>((127u - shift) << 23u),
    model_t_parameters.prefix4,
  );
}

// The address as a number. The shift is at least half the bits, so at most 16 bits survive it.
fn draw_address(draw: Draw, host: u32) -> u32 {
  var x = (host * draw.multiply_1 + draw.add_1) & draw.mask;
  x ^= bitcast<u32>(f32(i32(x & draw.shifted)) * draw.scale + LOW_BITS) & 0xffffu;
  return ((x * draw.multiply_2 + draw.add_2) & draw.mask) | draw.prefix;
}
