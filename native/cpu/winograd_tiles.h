// The sums that bring tiles and weights to Winograd's form of 4 x 4 places and back, for some channels of one
// tile at a time. Places lie `apart` floats from each other.
#pragma once

#include <cstdint>

namespace torchvae::cpu {

// From the values that go in, by their 4 x 4 pixels.
void inputToForm(const float* const (&pixels)[16], int64_t channels, float* form, int64_t apart);

// To the values that come out, by their 2 x 2 pixels; and the same turned about, for their gradients.
void formToOutput(const float* form, int64_t apart, int64_t channels, float* const (&pixels)[4]);
void outputGradientToForm(const float* const (&pixels)[4], int64_t channels, float* form, int64_t apart);

// From 3 x 3 weights, each [channels]; `isTurned` by half a circle. And the same turned about, for their
// gradients, from the sum of `sums` forms that lie `sumsApart` floats from each other.
void weightsToForm(const float* weights, int64_t channels, bool isTurned, float* form, int64_t apart);
void formToWeightGradients(const float* form, int64_t apart, int64_t sums, int64_t sumsApart,
                           int64_t channels, float* weights);

}  // namespace torchvae::cpu
