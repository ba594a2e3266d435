// The tile's slots, as words. Frames begin in the upper half of a slot's first word, so that IP headers are whole words.

@group(0) @binding(0) var<storage, read_write> model_t_image: array<u32>;
