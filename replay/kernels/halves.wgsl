// Right shifts without a right shift, and one's complement sums in the upper half of a word.
//
// SwiftShader shifts lane by lane: one vector shift costs as much as eight multiplications. So left shifts are written as
// multiplications, and right shifts of few bits go through floats: with the bits that leave cleared, x * 2^-n is a whole number of
// at most 16 bits, and adding 1.5 * 2^23 puts it into the low bits of the float. Nothing is rounded, so any GPU gives the same
// bits; floats lose low bits, so whoever changes this proves the range again.
// Kernel time on two CPUs against the same text with shifts: -16 % for UDP, -5 % for TCP. Hardware does not mind either.

const LOW_BITS: f32 = 12582912.0; // 1.5 * 2^23; the half lets negative numbers through (bit 31 set): their low 16 bits are right

// x >> 16, for x whose low half is zero.
fn upper_half(x: u32) -> u32 {
  return bitcast<u32>(f32(i32(x)) * 0x1p-16f + LOW_BITS) & 0xffffu;
}

// a + b with end-around carry: 16-bit one's complement, both in the upper half with zero below. 0 only for 0 + 0.
fn add_upper(a: u32, b: u32) -> u32 {
  let sum = a + b;
  return sum + select(0u, 0x10000u, sum < b);
}

// A number of 32 bits as it lies in a frame.
struct Swapped {
  low: u32,   // lower half of the word
  upper: u32, // upper half, in place
}

fn swap_bytes(x: u32) -> Swapped {
  // The top byte as a signed number less 128, which is given back: else bit 31 would borrow from the byte beside it.
  let first = f32(i32((x & 0xff000000u) ^ 0x80000000u)) * 0x1p-24f;
  let second = f32(i32(x & 0x00ff0000u)) * 0x1p-8f;
  let low = bitcast<u32>(first + second + (LOW_BITS + 128.0)) & 0xffffu;
  return Swapped(low, (x * 0x1000000u) | ((x & 0xff00u) * 0x100u));
}

// One's complement sum of the two halves.
fn sum_upper(word: Swapped) -> u32 {
  return add_upper(word.low * 0x10000u, word.upper);
}
