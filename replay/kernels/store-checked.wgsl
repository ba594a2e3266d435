// Stores a word of the image if it is one; others are counted. Robust buffer access would hide them.

fn model_t_store(index: u32, value: u32) {
  if (index < arrayLength(&model_t_image)) {
    model_t_image[index] = value;
  } else {
    atomicAdd(&model_t_report[0], 1u);
  }
}
