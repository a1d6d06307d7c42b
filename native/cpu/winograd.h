// Convolutions of 3 x 3 at stride 1 by Winograd's F(2 x 2, 3 x 3) (Lavin and Gray 2016): a tile of 2 x 2
// values that come out takes 16 products of channels in place of 36.
//
// A tile of 4 x 4 values that go in, the 3 x 3 weights and the 2 x 2 values that come out have a form of 16
// places each, by sums alone. Place by place, the form of what comes out is a product over the channels of
// the others. Images have their channels innermost; forms are matrices [tiles or channels, channels], one
// for each place.
#pragma once

#include <cstdint>

#include "cpu/conv.h"

namespace torchvae::cpu {

// Whether a convolution that divides nothing is computed so: it takes as many channels as fill a register on
// both sides.
bool isWinograd(const ConvGeometry& geometry);

constexpr int64_t kWinogradPlaces = 16;

// From the large image to the small one, which is as large here, or back: the same with the weights turned by
// half a circle.
enum class WinogradUse : uint8_t { kToSmall, kToLarge };

// The form of weights [smallChannels, 3, 3, largeChannels]: [16, channels that go in, channels that come
// out].
void winogradWeights(Pool& pool, const ConvGeometry& geometry, WinogradUse use, const float* weights,
                     float* form);

void winogradConvolve(Pool& pool, const ConvGeometry& geometry, WinogradUse use, int64_t images,
                      const float* from, const float* form, const ConvFinish& finish, float* to);

// Floats that `memory` below holds.
int64_t winogradGradientMemory(const ConvGeometry& geometry, int64_t images);
// dweights from the images of which one went in and the other is the gradient in what came out. Either the
// images are cut into as many runs whatever the number of threads, whose sums are added up in order; or,
// where these sums, of many channels, would be larger than the forms of all images, those are kept and no sum
// is cut.
void winogradWeightGradient(Pool& pool, const ConvGeometry& geometry, int64_t images, const float* small,
                            const float* large, float* memory, float* dweights);

}  // namespace torchvae::cpu
