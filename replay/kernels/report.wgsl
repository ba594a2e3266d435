// What a kernel has to say; the host clears it.
//
// 0 stores out of bounds, 1 packets whose loops ran out of budget (no packets are taken after 64 of them), 2 index + 1 of the first of them, 3 nothing.

@group(0) @binding(7) var<storage, read_write> model_t_report: array<atomic<u32>, 4>;
