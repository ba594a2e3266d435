// Stores a word of the image. The compiler of the tables answers for the place.

fn model_t_store(index: u32, value: u32) {
  model_t_image[index] = value;
}
