// Runs the user's transform() on packets [begin, end) of the tile; a segment may go on into the next laps.

// So many packets that were cut short, and the run is a failure anyway: it ends at once instead of after minutes on a CPU.
const model_t_patience: u32 = 64u;

// Makes packet `index` of the tile the one at hand. False: its slot is not whole in the image, so the table is broken.
fn model_t_enter(index: u32) -> bool {
  let entry = model_t_packets[index];
  model_t_slot = entry.x;
  model_t_length = entry.y;
  model_t_words = (entry.y + 65u) / 64u * 16u; // slots are multiples of 64 bytes, two of them before the frame
  model_t_rounds_left = model_t_budget;
  model_t_cut_short = false;
  let size = arrayLength(&model_t_image);
  return model_t_slot <= size && model_t_words <= size - model_t_slot;
}

fn model_t_packet(index: u32) -> Packet {
  var place = model_t_pass.base_low + (index - model_t_pass.begin);
  var lap = vec2<u32>(model_t_pass.lap_low, model_t_pass.lap_high);
  if (place >= model_t_pass.packets_per_lap) {
    let laps = place / model_t_pass.packets_per_lap;
    place -= laps * model_t_pass.packets_per_lap;
    lap.x += laps;
    lap.y += select(0u, 1u, lap.x < laps);
  }
  return Packet(place, model_t_length, model_t_words, lap, model_t_parameters.seed);
}

// Counts a packet whose loops were cut short, and keeps the first: the lowest index, whichever comes here first.
fn model_t_report_cut_short(index: u32) {
  atomicAdd(&model_t_report[1], 1u);
  var known = atomicLoad(&model_t_report[2]);
  while (known == 0u || known > index + 1u) {
    let result = atomicCompareExchangeWeak(&model_t_report[2], known, index + 1u);
    if (result.exchanged) {
      break;
    }
    known = result.old_value;
  }
}

fn model_t_take(index: u32) {
  if (atomicLoad(&model_t_report[1]) >= model_t_patience) {
    return;
  }
  if (!model_t_enter(index)) {
    atomicAdd(&model_t_report[0], 1u);
    return;
  }
  transform(model_t_packet(index));
  if (model_t_cut_short) {
    model_t_report_cut_short(index);
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
  let first = model_t_pass.begin + invocation.x;
  let last = model_t_last(first);
  if (PACKETS_PER_INVOCATION == 1u) {
    // No loop round the user's text: see user-prelude.wgsl for what that would cost SwiftShader's compiler.
    if (first < last) {
      model_t_take(first);
    }
  } else {
    for (var index = first; index < last; index += model_t_pass.stride) {
      model_t_take(index);
    }
  }
}
