// Gives each IPv4 packet of the rows its new source address. What is written depends on the tables and the base only, never on the
// image: a pass may be repeated, and passes for other laps may lie between.

@group(0) @binding(2) var<storage, read> host4: array<u32>;
@group(0) @binding(3) var<storage, read> fixed4: array<u32>;
@group(0) @binding(4) var<storage, read> sums4: array<u32>;
@group(0) @binding(5) var<storage, read> place4: array<u32>;
@group(0) @binding(6) var<storage, read> extra4: array<u32>;

const PLACE: u32 = 0x1fffffffu;
const KIND: u32 = 0xe0000000u;      // upper bits of a place; 0: no transport checksum to follow
const KIND_UDP: u32 = 0x40000000u;  // also set in KIND_GENERAL
const KIND_GENERAL: u32 = 0x60000000u;

// Where the transport checksum is, as the extra4 column has it: distance in words, upper half, UDP rule.
const DISTANCE: u32 = 0xffu;
const IN_UPPER: u32 = 0x100u;
const UDP_RULE: u32 = 0x200u;
const EXTRA_TCP: u32 = 7u;
const EXTRA_UDP: u32 = 4u | IN_UPPER | UDP_RULE;

fn patch_row(draw: Draw, row: u32) {
  let address = swap_bytes(draw_address(draw, host4[row]));
  let sum = sum_upper(address);
  let place = place4[row];
  let at = place & PLACE;
  model_t_store(at, header_word(fixed4[row], sum));
  model_t_store(at + 1u, address.low | address.upper);
  if ((place & KIND) != 0u) {
    var extra = select(EXTRA_TCP, EXTRA_UDP, (place & KIND_UDP) != 0u);
    if ((place & KIND) == KIND_GENERAL) {
      extra = extra4[row];
    }
    let word = transport_word(sums4[row], sum, (extra & IN_UPPER) != 0u, (extra & UDP_RULE) != 0u);
    model_t_store(at + (extra & DISTANCE), word);
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
  let draw = make_draw(model_t_pass.base_low);
  let first = model_t_pass.begin + invocation.x;
  let last = model_t_last(first);
  let stride = model_t_pass.stride;
  for (var row = first; row < last; row += stride) {
    patch_row(draw, row);
  }
}
