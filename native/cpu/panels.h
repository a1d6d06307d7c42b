// A wide dense layer's products on the CPU, for processors with AVX-512 or AVX2, with weights in panels:
// sixteen columns of w [in, out], one row under the other, then the next sixteen. Where the width is no
// multiple of sixteen, the columns that are missing to the last panel are zeros, as their moments are.
//
// A thread that owns columns then owns whole ranges of memory. In a row-major matrix the columns of two
// threads take turns in every row, and the lines that one core's prefetchers read beyond its own part are
// those that the other core has just changed: an update of weights took two to five times as long for that.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/dense.h"
#include "cpu/nonzeros.h"
#include "cpu/tiles.h"

namespace torchvae::cpu {

constexpr int64_t kPanelColumns = 16;

// Panels first <= p < last.
struct Panels {
  int64_t first, last;
  int64_t count() const { return last - first; }
};

// The panels that hold so many columns.
inline int64_t panelCount(int64_t columns) {
  return (columns + kPanelColumns - 1) / kPanelColumns;
}
// The part of w [in, out] that some of its panels hold.
inline Tile tileOf(const Panels& panels, int64_t in, int64_t out) {
  return {0, in, panels.first * kPanelColumns, std::min(panels.last * kPanelColumns, out)};
}

// The panels of w [in, out] that belong to one of several shares. Where they do not go evenly, a layer that
// narrows gives its odd ones to other shares than one that widens: an autoencoder has one of each.
inline Panels panelsOf(int64_t in, int64_t out, int64_t share, int64_t shares) {
  const int64_t panels = panelCount(out);
  const int64_t up = in > out ? shares - 1 : 0;
  return {(panels * share + up) / shares, (panels * (share + 1) + up) / shares};
}

// A share's panels in blocks of at most four, as many for each share.
inline int64_t panelBlocks(int64_t out, int64_t shares) {
  return ((panelCount(out) + shares - 1) / shares + 3) / 4;
}
inline Panels panelBlock(const Panels& panels, int64_t block, int64_t blocks) {
  return {panels.first + panels.count() * block / blocks,
          panels.first + panels.count() * (block + 1) / blocks};
}

// Of these three, the first two are denseForward() and denseInputGradient() but for where w [in, out] lies.

void panelForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                  const float* w, const float* bias, const DenseOutput& output, Magnitude& magnitude);

// The same by what is not zero in x.
void sparsePanelForward(Pool& pool, const DenseShape& shape, ActivationKind activation, const float* x,
                        const Nonzeros& nonzeros, const float* w, const float* bias,
                        const DenseOutput& output, Magnitude& magnitude);

// Values of panelInputGradient()'s `partial`: sums over one share's panels, for each share.
int64_t panelPartialSize(const Pool& pool, int64_t in, int64_t capacity);

void panelInputGradient(Pool& pool, const DenseShape& shape, ActivationKind madeX, const float* w,
                        const float* dyT, const InputGradient& gradient, float* partial,
                        Magnitude& magnitude);

// Factors of a panel layer's weight gradient.
struct PanelFactors {
  const float* x;   // [rows, in]
  const float* dy;  // [rows, out]
  int64_t rows, in, out;
  const Nonzeros* nonzeros;  // of x; null where all of it is multiplied
};

// dw = x^T dy in rows m0 <= i < m1 of one panel; m0 is a multiple of six. Of a panel's columns beyond the
// width, nothing is written.
void panelWeightGradient(const PanelFactors& factors, int64_t panel, int64_t m0, int64_t m1, float* dw);

}  // namespace torchvae::cpu
