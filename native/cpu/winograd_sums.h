// The kernels of winograd_tiles.cpp, in one set of instructions: a register holds one value of kWidth
// channels.

// A matrix of `rows` x `columns` registers, one channel a lane.
template <int rows, int columns>
struct Tile {
  Register at[rows][columns];
};

template <int rows, int columns>
TORCHVAE_SET TORCHVAE_INLINE Tile<columns, rows> turned(const Tile<rows, columns>& t) {
  Tile<columns, rows> to;
#pragma GCC unroll 4
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < columns; ++j) to.at[j][i] = t.at[i][j];
  }
  return to;
}

// Of each column. `B^T d`:
template <int columns>
TORCHVAE_SET TORCHVAE_INLINE Tile<4, columns> ofInput(const Tile<4, columns>& d) {
  Tile<4, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    to.at[0][j] = d.at[0][j] - d.at[2][j];
    to.at[1][j] = d.at[1][j] + d.at[2][j];
    to.at[2][j] = d.at[2][j] - d.at[1][j];
    to.at[3][j] = d.at[1][j] - d.at[3][j];
  }
  return to;
}

// `A^T m`:
template <int columns>
TORCHVAE_SET TORCHVAE_INLINE Tile<2, columns> toOutput(const Tile<4, columns>& m) {
  Tile<2, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    to.at[0][j] = m.at[0][j] + m.at[1][j] + m.at[2][j];
    to.at[1][j] = m.at[1][j] - m.at[2][j] - m.at[3][j];
  }
  return to;
}

// `A y`:
template <int columns>
TORCHVAE_SET TORCHVAE_INLINE Tile<4, columns> ofOutputGradient(const Tile<2, columns>& y) {
  Tile<4, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    to.at[0][j] = y.at[0][j];
    to.at[1][j] = y.at[0][j] + y.at[1][j];
    to.at[2][j] = y.at[0][j] - y.at[1][j];
    to.at[3][j] = -y.at[1][j];
  }
  return to;
}

// `G g`:
template <int columns>
TORCHVAE_SET TORCHVAE_INLINE Tile<4, columns> ofWeights(const Tile<3, columns>& g) {
  const Register half = spread(0.5f);
  Tile<4, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    const Register outer = g.at[0][j] + g.at[2][j];
    to.at[0][j] = g.at[0][j];
    to.at[1][j] = half * (outer + g.at[1][j]);
    to.at[2][j] = half * (outer - g.at[1][j]);
    to.at[3][j] = g.at[2][j];
  }
  return to;
}

// `G^T u`:
template <int columns>
TORCHVAE_SET TORCHVAE_INLINE Tile<3, columns> toWeightGradients(const Tile<4, columns>& u) {
  const Register half = spread(0.5f);
  Tile<3, columns> to;
#pragma GCC unroll 4
  for (int j = 0; j < columns; ++j) {
    const Register sum = half * (u.at[1][j] + u.at[2][j]);
    to.at[0][j] = u.at[0][j] + sum;
    to.at[1][j] = half * (u.at[1][j] - u.at[2][j]);
    to.at[2][j] = u.at[3][j] + sum;
  }
  return to;
}

template <bool kWhole>
TORCHVAE_SET TORCHVAE_INLINE Register read(const float* from, Lanes lanes) {
  return kWhole ? load(from) : load(from, lanes);
}

template <bool kWhole>
TORCHVAE_SET TORCHVAE_INLINE void write(float* to, Register x, Lanes lanes) {
  if (kWhole) return store(to, x);
  store(to, x, lanes);
}

template <bool kWhole>
TORCHVAE_SET TORCHVAE_INLINE void writeForm(const Tile<4, 4>& t, Lanes lanes, float* to, int64_t apart) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) write<kWhole>(to + (4 * i + j) * apart, t.at[i][j], lanes);
  }
}

// The functions of winograd_tiles.h, for the channels of one register from `c` on.

struct InputToForm {
  const float* const (&pixels)[16];
  float* form;
  int64_t apart;

  template <bool kWhole>
  TORCHVAE_SET void at(int64_t c, Lanes lanes) const {
    Tile<4, 4> d;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) d.at[i / 4][i % 4] = read<kWhole>(pixels[i] + c, lanes);
    writeForm<kWhole>(turned(ofInput(turned(ofInput(d)))), lanes, form + c, apart);
  }
};

struct FormToOutput {
  const float* form;
  int64_t apart;
  float* const (&pixels)[4];

  template <bool kWhole>
  TORCHVAE_SET void at(int64_t c, Lanes lanes) const {
    Tile<4, 4> m;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) m.at[i / 4][i % 4] = read<kWhole>(form + i * apart + c, lanes);
    const Tile<2, 2> y = turned(toOutput(turned(toOutput(m))));
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) write<kWhole>(pixels[i] + c, y.at[i / 2][i % 2], lanes);
  }
};

struct OutputGradientToForm {
  const float* const (&pixels)[4];
  float* form;
  int64_t apart;

  template <bool kWhole>
  TORCHVAE_SET void at(int64_t c, Lanes lanes) const {
    Tile<2, 2> y;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) y.at[i / 2][i % 2] = read<kWhole>(pixels[i] + c, lanes);
    writeForm<kWhole>(turned(ofOutputGradient(turned(ofOutputGradient(y)))), lanes, form + c, apart);
  }
};

struct WeightsToForm {
  const float* weights;
  int64_t channels;
  bool isTurned;
  float* form;
  int64_t apart;

  template <bool kWhole>
  TORCHVAE_SET void at(int64_t c, Lanes lanes) const {
    Tile<3, 3> g;
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) {
      const int64_t tap = isTurned ? 8 - i : i;
      g.at[i / 3][i % 3] = read<kWhole>(weights + tap * channels + c, lanes);
    }
    writeForm<kWhole>(turned(ofWeights(turned(ofWeights(g)))), lanes, form + c, apart);
  }
};

struct FormToWeightGradients {
  const float* form;
  int64_t apart, sums, sumsApart, channels;
  float* weights;

  template <bool kWhole>
  TORCHVAE_SET void at(int64_t c, Lanes lanes) const {
    Tile<4, 4> u;
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) u.at[i / 4][i % 4] = spread(0);
    for (int64_t s = 0; s < sums; ++s) {
      const float* own = form + s * sumsApart + c;
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        u.at[i / 4][i % 4] = u.at[i / 4][i % 4] + read<kWhole>(own + i * apart, lanes);
      }
    }
    const Tile<3, 3> g = turned(toWeightGradients(turned(toWeightGradients(u))));
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) write<kWhole>(weights + i * channels + c, g.at[i / 3][i % 3], lanes);
  }
};

template <class Transform>
TORCHVAE_SET void overChannels(int64_t channels, const Transform& transform) {
  int64_t c = 0;
  for (; c + kWidth <= channels; c += kWidth) transform.template at<true>(c, Lanes{});
  if (c < channels) transform.template at<false>(c, lanes(channels - c));
}
