// The mutation's constants: 32 words that the native compiler writes. 64-bit numbers are vec2(low, high).

struct model_t_Parameters {
  multiply4_1: u32,
  add4_1: u32,
  multiply4_2: u32,
  add4_2: u32,
  mask4: u32,
  shift4: u32,
  prefix4: u32,       // as a number; host bits are zero
  unused_1: u32,
  multiply6_1: vec2<u32>,
  add6_1: vec2<u32>,
  multiply6_2: vec2<u32>,
  add6_2: vec2<u32>,
  mask6: vec2<u32>,
  shift6: u32,
  unused_2: u32,
  prefix6: vec2<u32>, // first eight bytes of the prefix, two words as they lie in memory
  low6: vec2<u32>,    // last eight bytes of the prefix, as a number; host bits are zero
  seed: vec2<u32>,
  unused_3: vec2<u32>,
  unused_4: vec4<u32>,
}

@group(0) @binding(1) var<uniform> model_t_parameters: model_t_Parameters;
