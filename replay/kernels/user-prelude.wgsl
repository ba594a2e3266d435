// What a user kernel is offered (README.md, version 1), and the fence around it: a packet's bytes and its budget of loop rounds.
//
// The user's text follows and can name nothing that begins with model_t_; so these functions are its only way to memory.

struct Packet {
  index: u32,         // in its lap
  length: u32,        // bytes of the frame
  words: u32,         // of the slot
  replica: vec2<u32>, // lap: low and high 32 bits
  seed: vec2<u32>,    // low and high 32 bits
}

// First word of each slot in the tile, and bytes of its frame.
@group(0) @binding(2) var<storage, read> model_t_packets: array<vec2<u32>>;

// Loop rounds of one packet, all its loops together.
const model_t_budget: u32 = 65536u;

// The packet at hand: state of the invocation, set anew for every packet.
var<private> model_t_slot: u32;
var<private> model_t_words: u32;
var<private> model_t_length: u32;
var<private> model_t_rounds_left: u32;
var<private> model_t_cut_short: bool;

// None of the functions below branches. Drivers put their text in place of every call, and SwiftShader's compiler looks at every
// path through a loop: its time doubles with each if-else, && and || in the body (measured: 0.7 s for 16 of them, 12 s for 20).
// So select() for if, & for &&, | for ||.

// Stands at the head of every loop body of the user's text: `if (model_t_spent()) { break; }`.
fn model_t_spent() -> bool {
  let is_spent = model_t_rounds_left == 0u;
  model_t_cut_short = model_t_cut_short | is_spent;
  model_t_rounds_left -= select(1u, 0u, is_spent);
  return is_spent;
}

// Bits of a slot's word that belong to the frame: slot bytes 2 up to 2 + length. The rest stays zero: readers count on it.
fn model_t_frame_bits(word: u32) -> u32 {
  let begin = word * 4u;
  let end = model_t_length + 2u;
  let bytes = select(0u, min(end - begin, 4u), (word < model_t_words) & (begin < end));
  let bits = select((1u << (8u * (bytes & 3u))) - 1u, 0xffffffffu, bytes == 4u);
  return bits & select(0xffffffffu, 0xffff0000u, word == 0u);
}

// Replaces the bits of `wanted` that belong to the frame. Where there are none, the slot's first word is stored as it was.
fn model_t_merge(word: u32, value: u32, wanted: u32) {
  let bits = model_t_frame_bits(word) & wanted;
  let index = model_t_slot + select(word, 0u, bits == 0u);
  model_t_image[index] = (model_t_image[index] & ~bits) | (value & bits);
}

// Whether frame byte `at` lies in the slot, padding included. Where it does not, `at` + 2 may have wrapped round.
fn model_t_in_slot(at: u32) -> bool {
  return at < model_t_words * 4u - 2u;
}

fn frame_word(at: u32) -> u32 {
  let is_inside = at < model_t_words;
  return select(0u, model_t_image[model_t_slot + select(0u, at, is_inside)], is_inside);
}

fn set_frame_word(at: u32, value: u32) {
  model_t_merge(at, value, 0xffffffffu);
}

fn frame_byte(at: u32) -> u32 {
  let place = at + 2u;
  return select(0u, (frame_word(place / 4u) >> (place % 4u * 8u)) & 0xffu, model_t_in_slot(at));
}

fn set_frame_byte(at: u32, value: u32) {
  let place = at + 2u;
  let shift = place % 4u * 8u;
  model_t_merge(place / 4u, (value & 0xffu) << shift, select(0u, 0xffu << shift, model_t_in_slot(at)));
}

fn frame_half(at: u32) -> u32 {
  return select(0u, (frame_byte(at) << 8u) | frame_byte(at + 1u), model_t_in_slot(at));
}

fn set_frame_half(at: u32, value: u32) {
  set_frame_byte(at, value >> 8u);
  set_frame_byte(select(at, at + 1u, model_t_in_slot(at)), value); // never wraps round to byte 0
}

// RFC 1624 eqn 3. Words of 32 bits count as their two halves.
fn adjust_checksum(checksum: u32, before: u32, after: u32) -> u32 {
  var sum = (~checksum & 0xffffu) + (~before & 0xffffu) + (~before >> 16u) + (after & 0xffffu) + (after >> 16u);
  sum = (sum & 0xffffu) + (sum >> 16u);
  sum = (sum & 0xffffu) + (sum >> 16u);
  return ~sum & 0xffffu;
}
