// What a filter needs of the kernel around it: the words of the batch.

fn packet_word(at: u32) -> u32 {
  return packets[at];
}
