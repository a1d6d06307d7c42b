#include "cpu/categorical.h"

#include <algorithm>
#include <limits>

#include "cpu/ranges.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

// Places that are taken at a time: their classes stay in the caches for the second pass.
constexpr int64_t kPlaces = 64;

// Calls body(row, first place, places), on several threads.
template <class Body>
void forBlocks(Pool& pool, const Categories& shape, const Body& body) {
  constexpr int64_t kRows = 2;
  forRanges(pool, shape.rows, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t first = 0; first < shape.places; first += kPlaces) {
        body(row, first, std::min(kPlaces, shape.places - first));
      }
    }
  });
}

// logSums of `count` <= kPlaces columns of y [classes, stride].
TORCHVAE_VECTORIZED void logSumsOf(const float* y, int64_t classes, int64_t stride, int64_t count,
                                   float* __restrict logSums) {
  float largest[kPlaces], sums[kPlaces];
  for (int64_t p = 0; p < count; ++p) {
    largest[p] = -std::numeric_limits<float>::infinity();
    sums[p] = 0;
  }
  for (int64_t c = 0; c < classes; ++c) {
    const float* __restrict row = y + c * stride;
    for (int64_t p = 0; p < count; ++p) largest[p] = row[p] > largest[p] ? row[p] : largest[p];
  }
  for (int64_t c = 0; c < classes; ++c) {
    const float* __restrict row = y + c * stride;
    for (int64_t p = 0; p < count; ++p) sums[p] += vec::exp(row[p] - largest[p]);
  }
  // The difference is zero, or NaN where the sum is, which vec::log() does not hand on.
  for (int64_t p = 0; p < count; ++p) logSums[p] = largest[p] + vec::log(sums[p]) + (sums[p] - sums[p]);
}

// The gradient of a block, as logSumsOf() takes it.
TORCHVAE_VECTORIZED void gradientOf(const float* y, int64_t classes, int64_t stride, int64_t count,
                                    const float* __restrict logSums, float scale, float* dy) {
  for (int64_t c = 0; c < classes; ++c) {
    const float* __restrict row = y + c * stride;
    float* __restrict to = dy + c * stride;
    for (int64_t p = 0; p < count; ++p) to[p] = scale * vec::exp(row[p] - logSums[p]);
  }
}

}  // namespace

void categoricalLosses(Pool& pool, const Categories& shape, const int32_t* chosen, const float* y,
                       float* logSums, float* losses) {
  const auto [rows, classes, places] = shape;
  std::fill_n(losses, rows, 0.0f);
  forBlocks(pool, shape, [&, classes = classes, places = places](int64_t row, int64_t first, int64_t count) {
    const float* logits = y + row * classes * places + first;
    float* sums = logSums + row * places + first;
    logSumsOf(logits, classes, places, count, sums);
    double loss = 0;
    for (int64_t p = 0; p < count; ++p) {
      loss += sums[p] - logits[chosen[row * places + first + p] * places + p];
    }
    losses[row] += static_cast<float>(loss);
  });
}

void categoricalBackward(Pool& pool, const Categories& shape, const int32_t* chosen, const float* y,
                         const float* logSums, const float* dLosses, float* dy) {
  const auto [rows, classes, places] = shape;
  forBlocks(pool, shape, [&, classes = classes, places = places](int64_t row, int64_t first, int64_t count) {
    const int64_t at = row * classes * places + first;
    gradientOf(y + at, classes, places, count, logSums + row * places + first, dLosses[row], dy + at);
    for (int64_t p = 0; p < count; ++p) {
      dy[at + chosen[row * places + first + p] * places + p] -= dLosses[row];
    }
  });
}

}  // namespace torchvae::cpu
