// A batch of packets on an accelerator, and what is found out about each. Comes first in every kernel of a pipeline's steps;
// each step is one dispatch, whose immediates say which packets and where its verdicts go.
requires immediate_address_space;
diagnostic(off, chromium.unreachable_code);

override WORKGROUP_SIZE: u32 = 128u;
override PACKETS_PER_INVOCATION: u32 = 16u;

struct Batch {
  begin: u32,     // packets [begin, end) of the batch
  end: u32,
  stride: u32,    // invocations of the dispatch; invocation i takes begin + i, begin + i + stride, ...
  shift: u32,     // of the step's verdict in a result
  parameter: u32, // of the step
  sums: u32,      // first of the step's words in `sums`
}
var<immediate> batch: Batch;

// Frames lie two bytes behind the start of a word, so that IP headers are whole words.
@group(0) @binding(0) var<storage, read> packets: array<u32>;
// First byte of the frame in `packets`, and bytes of it.
@group(0) @binding(1) var<storage, read> places: array<vec2<u32>>;
// Bit 0: the packet has left. From bit 4 on four bits for each step: 0 = it did not get there, else its verdict + 1.
@group(0) @binding(2) var<storage, read_write> results: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<atomic<u32>>;

const LEFT: u32 = 1u;

fn last_packet(first: u32) -> u32 {
  return min(batch.end, first + batch.stride * PACKETS_PER_INVOCATION);
}
