// The kernels of codebook.cpp, in one set of instructions: see sixteen.h.

// The distances of one vector to the entries of `count` sixteens from `k` on, and the least ones so far, lane
// by lane.
template <int count>
TORCHVAE_SET TORCHVAE_INLINE void measure(const Columns& c, int64_t k, const float* vector, float* distance,
                                          Sixteen& least) {
  Sixteen sum[count];
#pragma GCC unroll 4
  for (int i = 0; i < count; ++i) sum[i] = load(c.squares + k + i * 16);
  const float* column = c.values + k;
  for (int64_t d = 0; d < c.size; ++d, column += c.stride) {
    const Sixteen factor = spread(-2 * vector[d]);
#pragma GCC unroll 4
    for (int i = 0; i < count; ++i) sum[i] = multiplyAdd(factor, load(column + i * 16), sum[i]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < count; ++i) {
    store(distance + k + i * 16, sum[i]);
    least = lesser(sum[i], least);
  }
}

// The first of the entries at the least distance; 0 where distances are not numbers.
TORCHVAE_SET int64_t nearestOf(const Columns& c, const float* vector, float* distance) {
  Sixteen least = spread(std::numeric_limits<float>::infinity());
  int64_t k = 0;
  for (; k + 64 <= c.stride; k += 64) measure<4>(c, k, vector, distance, least);
  for (; k < c.stride; k += 16) measure<1>(c, k, vector, distance, least);

  alignas(64) float lanes[16];
  store(lanes, least);
  const Sixteen all = spread(*std::min_element(lanes, lanes + 16));
  for (k = 0; k < c.stride; k += 16) {
    const uint32_t equal = equalLanes(load(distance + k), all);
    if (equal == 0) continue;
    const int64_t found = k + std::countr_zero(equal);
    return found < c.entries ? found : 0;
  }
  return 0;
}
