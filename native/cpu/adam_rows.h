// The kernels of adam_tiles.cpp, in one set of instructions: see sixteen.h.

// Rows of a tile. With AVX-512 fewer than there are registers for, for the sake of memory that is read from
// one end to the other; both leave some to an update.
constexpr int kRows = kSixteens == 32 ? 16 : InputTiles::kColumns;
// Tiles of x that stay in cache for all panels.
constexpr int64_t kTilesAtOnce = 16;

// A tile whose gradient waits for its update.
struct Waiting {
  alignas(64) float gradient[kRows][kPanelColumns];
  int64_t at = 0;  // of its first weight
  int count = 0;   // of rows
};

// With the exact root and quotient: beside a product the divider costs nothing.
TORCHVAE_SET TORCHVAE_INLINE void updateOne(const Panel& p, const Waiting& tile, int row) {
  const OptimizerCoefficients& c = p.c;
  const int64_t at = tile.at + row * kPanelColumns;
  const Sixteen g = load(tile.gradient[row]);
  Sixteen m = load(p.first + at), v = load(p.second + at);
  m = multiplyAdd(subtract(g, m), spread(c.keepFirst), m);
  v = multiplyAdd(multiplySubtract(g, g, v), spread(c.keepSecond), v);
  store(p.first + at, m);
  store(p.second + at, v);
  const Sixteen denominator = multiplyAdd(squareRoot(v), spread(c.inverseRoot), spread(c.epsilon));
  const Sixteen kept = multiply(load(p.w + at), spread(c.keepValue));
  store(p.w + at, subtractProduct(spread(c.stepSize), divide(m, denominator), kept));
}

TORCHVAE_SET void updateTile(const Panel& p, const Waiting& tile) {
  for (int i = 0; i < tile.count; ++i) updateOne(p, tile, i);
}

TORCHVAE_SET TORCHVAE_INLINE void askForRow(const Panel& p, int64_t at) {
  ask(p.first + at);
  ask(p.second + at);
  ask(p.w + at);
}

// The gradient of the tile in rows m0 and on of a panel into `made`, and the update of `before`, a register
// of sixteen weights after every few rows of the batch.
template <int rows>
TORCHVAE_SET void multiplyTile(const Panel& p, int64_t panel, int64_t m0, const Waiting& before,
                               Waiting& made) {
  const int64_t at = (panel * p.in + m0) * kPanelColumns;
  Sixteen sum[rows];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) sum[i] = zeros();

  const float* x = p.x + m0;
  const float* dy = p.dy + panel * p.dyApart;
  int64_t k = 0;
  for (int part = 0; part < kRows; ++part) {
    for (const int64_t end = p.rows * (part + 1) / kRows; k < end; ++k, x += p.in, dy += p.dyStep) {
      const Sixteen line = load(dy);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) sum[i] = multiplyAdd(spread(x[i]), line, sum[i]);
    }
    if (part < rows) askForRow(p, at + part * kPanelColumns);
    if (part < before.count) updateOne(p, before, part);
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) store(made.gradient[i], sum[i]);
  made.at = at;
  made.count = rows;
}

// The same from a tile of x that lies below each other. In one piece: of the few rows that may be left of a
// batch, parts of unequal lengths cost more than a wait for memory.
template <bool kAllRows>
TORCHVAE_SET void multiplyInputTile(const Panel& p, int64_t panel, int64_t tile, const Waiting& before,
                                    Waiting& made) {
  constexpr int kColumns = InputTiles::kColumns;
  const int64_t at = (panel * p.in + tile * kColumns) * kPanelColumns;
  made.at = at;
  made.count = static_cast<int>(std::min<int64_t>(p.in - tile * kColumns, kColumns));
  for (int i = 0; i < made.count; ++i) askForRow(p, at + i * kPanelColumns);

  Sixteen sum[kColumns];
#pragma GCC unroll 16
  for (int i = 0; i < kColumns; ++i) sum[i] = zeros();
  const Steps rows = p.tiles->rowsOf(tile);
  const float* x = p.tiles->of(tile);
  const float* dy = p.dy + panel * p.dyApart;
  for (int64_t k = 0; k < rows.count; ++k, x += kColumns) {
    const Sixteen line = load(dy + (kAllRows ? k : rows.at[k]) * p.dyStep);
#pragma GCC unroll 16
    for (int i = 0; i < kColumns; ++i) sum[i] = multiplyAdd(spread(x[i]), line, sum[i]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kColumns; ++i) store(made.gradient[i], sum[i]);
  updateTile(p, before);
}

// The tiles of rows m0 <= i < m1 of a panel.
inline void updateRows(const Panel& p, int64_t panel, int64_t m0, int64_t m1, Waiting*& made,
                       Waiting*& before) {
  while (m0 < m1) {
    const int64_t left = m1 - m0;
    if (left >= kRows) {
      multiplyTile<kRows>(p, panel, m0, *before, *made);
      m0 += kRows;
    } else if (left >= 4) {
      multiplyTile<4>(p, panel, m0, *before, *made);
      m0 += 4;
    } else {
      multiplyTile<1>(p, panel, m0, *before, *made);
      m0 += 1;
    }
    std::swap(made, before);
  }
}

inline void updateInputTiles(const Panel& p, int64_t panel, int64_t first, int64_t last, Waiting*& made,
                             Waiting*& before) {
  const auto multiply = p.tiles->rowLists == nullptr ? multiplyInputTile<true> : multiplyInputTile<false>;
  for (int64_t tile = first; tile < last; ++tile) {
    multiply(p, panel, tile, *before, *made);
    std::swap(made, before);
  }
}

inline void updateAll(const Panel& p) {
  Waiting waiting[2];
  Waiting* made = &waiting[0];
  Waiting* before = &waiting[1];
  const int64_t panels = panelCount(p.columns);
  if (p.tiles != nullptr) {
    const int64_t tiles = InputTiles::count(p.in);
    for (int64_t first = 0; first < tiles; first += kTilesAtOnce) {
      const int64_t last = std::min(first + kTilesAtOnce, tiles);
      for (int64_t panel = 0; panel < panels; ++panel) updateInputTiles(p, panel, first, last, made, before);
    }
  } else {
    for (int64_t panel = 0; panel < panels; ++panel) updateRows(p, panel, 0, p.in, made, before);
  }
  updateTile(p, *before);
}
