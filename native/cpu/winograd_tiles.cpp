#include "cpu/winograd_tiles.h"

#include "cpu/sixteen.h"
#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

namespace avx512 {

using namespace torchvae::avx512;
#define TORCHVAE_SET TORCHVAE_AVX512

using Register = Sixteen;
constexpr int64_t kWidth = 16;

#include "cpu/winograd_sums.h"
#undef TORCHVAE_SET

}  // namespace avx512

namespace avx2 {

#define TORCHVAE_SET TORCHVAE_AVX2

using Register = __m256;
using Lanes = __m256i;
constexpr int64_t kWidth = 8;

TORCHVAE_SET TORCHVAE_INLINE Lanes lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
TORCHVAE_SET TORCHVAE_INLINE Register spread(float x) {
  return _mm256_set1_ps(x);
}
TORCHVAE_SET TORCHVAE_INLINE Register load(const float* from) {
  return _mm256_loadu_ps(from);
}
TORCHVAE_SET TORCHVAE_INLINE Register load(const float* from, Lanes lanes) {
  return _mm256_maskload_ps(from, lanes);
}
TORCHVAE_SET TORCHVAE_INLINE void store(float* to, Register x) {
  _mm256_storeu_ps(to, x);
}
TORCHVAE_SET TORCHVAE_INLINE void store(float* to, Register x, Lanes lanes) {
  _mm256_maskstore_ps(to, lanes, x);
}

#include "cpu/winograd_sums.h"
#undef TORCHVAE_SET

}  // namespace avx2

#define TORCHVAE_OVER_CHANNELS(channels, Transform, ...)                                    \
  do {                                                                                      \
    if (hasAvx512()) return avx512::overChannels(channels, avx512::Transform{__VA_ARGS__}); \
    avx2::overChannels(channels, avx2::Transform{__VA_ARGS__});                             \
  } while (false)

}  // namespace

void inputToForm(const float* const (&pixels)[16], int64_t channels, float* form, int64_t apart) {
  TORCHVAE_OVER_CHANNELS(channels, InputToForm, pixels, form, apart);
}

void formToOutput(const float* form, int64_t apart, int64_t channels, float* const (&pixels)[4]) {
  TORCHVAE_OVER_CHANNELS(channels, FormToOutput, form, apart, pixels);
}

void outputGradientToForm(const float* const (&pixels)[4], int64_t channels, float* form, int64_t apart) {
  TORCHVAE_OVER_CHANNELS(channels, OutputGradientToForm, pixels, form, apart);
}

void weightsToForm(const float* weights, int64_t channels, bool isTurned, float* form, int64_t apart) {
  TORCHVAE_OVER_CHANNELS(channels, WeightsToForm, weights, channels, isTurned, form, apart);
}

void formToWeightGradients(const float* form, int64_t apart, int64_t sums, int64_t sumsApart,
                           int64_t channels, float* weights) {
  TORCHVAE_OVER_CHANNELS(channels, FormToWeightGradients, form, apart, sums, sumsApart, channels, weights);
}

#undef TORCHVAE_OVER_CHANNELS

}  // namespace torchvae::cpu
