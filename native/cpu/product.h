// Matrix products on registers of AVX-512 or AVX2, for the layouts that dense layers have. They run within
// some per cent of the multipliers' peak. Each sum is taken in one order: both sets of instructions give the
// same bits.
#pragma once

#include <cstdint>

namespace torchvae::cpu {

// Products c [m, n] = a b, or c += a b, of n columns in one to four sixteens. The sum over k runs in `groups`
// of `length` steps, the last of which may be shorter.
struct Product {
  const float* a;
  int64_t aRow, aStep, aGroup;
  const float* b;
  int64_t bVector, bStep, bGroup;
  float* c;
  int64_t cRow;
  int64_t groups, length;
  bool adds;
  int64_t last = 16;       // columns of the last sixteen
  int64_t lastLength = 0;  // steps of the last group, unless it has as many as the others
};

// Steps of a sum that run without a pause: what they read again for every few rows comes from the
// second-level cache, at no cost; shorter runs, for the first-level one, are up to a tenth slower.
constexpr int64_t kStepsAtOnce = 1024;

// The steps of a sum that are taken, in order.
struct Steps {
  const int32_t* at;
  int64_t count;
};

// m rows of a product with `vectors` sixteens of columns.
void multiplyColumns(const Product& product, int64_t m, int64_t vectors);
// The same where aRow is 16: rows of a panel (panels.h), several panels being the groups.
void multiplyPanelRows(const Product& product, int64_t m, int64_t vectors);
// The same for 1 <= m <= 6 rows, by some steps of the first group alone.
void multiplySteps(const Product& product, const Steps& steps, int64_t m, int64_t vectors);

// c [m, n] = a [m, k] b [k, n], each row-major with its own row stride.
void multiplyRegisters(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b,
                       int64_t ldb, float* c, int64_t ldc);

// The same from a's transpose aT [k, m], or c += a b.
void multiplyTransposed(int64_t m, int64_t n, int64_t k, const float* aT, int64_t lda, const float* b,
                        int64_t ldb, float* c, int64_t ldc, bool adds = false);

}  // namespace torchvae::cpu
