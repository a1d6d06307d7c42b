// The kernels of product.cpp, in one set of instructions: see sixteen.h.

// Adds one step of a tile's sums: a value of each row, `aRow` apart, times sixteens of b, `bVector` apart.
// `kWhole`: whether the last of these has all its lanes.
template <int rows, int vectors, bool kWhole>
TORCHVAE_SET TORCHVAE_INLINE void addStep(const float* a, int64_t aRow, const float* b, int64_t bVector,
                                          Lanes last, Sixteen* sum) {
  Sixteen line[vectors];
#pragma GCC unroll 4
  for (int j = 0; j < vectors; ++j) {
    const float* from = b + j * bVector;
    line[j] = !kWhole && j == vectors - 1 ? load(from, last) : load(from);
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
    const Sixteen factor = spread(a[i * aRow]);
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) {
      sum[i * vectors + j] = multiplyAdd(factor, line[j], sum[i * vectors + j]);
    }
  }
}

// `kRow` is aRow where that is known when this is compiled, else 0. `kWhole`: whether the columns' last
// register has all its lanes.
template <int rows, int vectors, int64_t kRow, bool kWhole>
TORCHVAE_SET void multiplyTile(const Product& p, int64_t m0) {
  constexpr int kCount = rows * vectors;
  const int64_t row = kRow == 0 ? p.aRow : kRow;
  const Lanes last = lanes(p.last);
  float* c = p.c + m0 * p.cRow;
  const auto place = [&](int i) { return c + i / vectors * p.cRow + i % vectors * 16; };
  const auto isLast = [](int j) { return !kWhole && j % vectors == vectors - 1; };
  Sixteen sum[kCount];
#pragma GCC unroll 24
  for (int i = 0; i < kCount; ++i) sum[i] = zeros();
  if (p.adds) {
#pragma GCC unroll 24
    for (int i = 0; i < kCount; ++i) sum[i] = isLast(i) ? load(place(i), last) : load(place(i));
  }
  for (int64_t group = 0; group < p.groups; ++group) {
    const float* a = p.a + m0 * row + group * p.aGroup;
    const float* b = p.b + group * p.bGroup;
    if constexpr (kRow == kPanelRow) {
      // The next rows' part of this panel: the way from panel to panel is too long for the prefetchers.
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) ask(a + (rows + i) * kPanelRow);
    }
    const int64_t steps = group + 1 < p.groups || p.lastLength == 0 ? p.length : p.lastLength;
    for (int64_t k = 0; k < steps; ++k, a += p.aStep, b += p.bStep) {
      addStep<rows, vectors, kWhole>(a, row, b, p.bVector, last, sum);
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < kCount; ++i) {
    if (isLast(i)) {
      store(place(i), sum[i], last);
    } else {
      store(place(i), sum[i]);
    }
  }
}

// The same by some steps of the first group.
template <int rows, int vectors, bool kWhole>
TORCHVAE_SET void multiplyTileSteps(const Product& p, const Steps& steps) {
  constexpr int kCount = rows * vectors;
  const Lanes last = lanes(p.last);
  const auto isLast = [](int j) { return !kWhole && j % vectors == vectors - 1; };
  Sixteen sum[kCount];
#pragma GCC unroll 24
  for (int i = 0; i < kCount; ++i) sum[i] = zeros();
  for (int64_t step = 0; step < steps.count; ++step) {
    const int64_t k = steps.at[step];
    addStep<rows, vectors, kWhole>(p.a + k * p.aStep, p.aRow, p.b + k * p.bStep, p.bVector, last, sum);
  }
#pragma GCC unroll 24
  for (int i = 0; i < kCount; ++i) {
    float* c = p.c + i / vectors * p.cRow + i % vectors * 16;
    if (isLast(i)) {
      store(c, sum[i], last);
    } else {
      store(c, sum[i]);
    }
  }
}

template <int vectors, bool kWhole>
void multiplyStepsOf(int64_t rows, const Product& p, const Steps& steps) {
  switch (rows) {
    case 6:
      return multiplyTileSteps<6, vectors, kWhole>(p, steps);
    case 5:
      return multiplyTileSteps<5, vectors, kWhole>(p, steps);
    case 4:
      return multiplyTileSteps<4, vectors, kWhole>(p, steps);
    case 3:
      return multiplyTileSteps<3, vectors, kWhole>(p, steps);
    case 2:
      return multiplyTileSteps<2, vectors, kWhole>(p, steps);
    default:
      return multiplyTileSteps<1, vectors, kWhole>(p, steps);
  }
}
