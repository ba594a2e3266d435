// What every kernel is told by its dispatch. Comes first: directives may stand nowhere else.
//
// Names that a user kernel could meet begin with model_t_, which user kernels may not use.
requires immediate_address_space;
// Dawn prints warnings on standard output, where results go; code after a return is a user's own business.
diagnostic(off, chromium.unreachable_code);

override WORKGROUP_SIZE: u32 = 128u;
override PACKETS_PER_INVOCATION: u32 = 16u;

struct model_t_Pass {
  begin: u32,           // rows (user kernels: packets) of the tile: [begin, end)
  end: u32,
  stride: u32,          // invocations of the dispatch; invocation i takes begin + i, begin + i + stride, ...
  base_low: u32,        // added to the number of every row; user kernels: place of packet `begin` in its lap
  base_high: u32,
  lap_low: u32,         // user kernels: lap of packet `begin`
  lap_high: u32,
  packets_per_lap: u32, // user kernels
}

var<immediate> model_t_pass: model_t_Pass;

// End of what the invocation that begins at `first` may take: at most PACKETS_PER_INVOCATION rows, none from `end` on.
fn model_t_last(first: u32) -> u32 {
  return min(model_t_pass.end, first + model_t_pass.stride * PACKETS_PER_INVOCATION);
}
