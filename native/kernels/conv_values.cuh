// The numbers that images are of, by how their products round.
#pragma once

#include "numbers.cuh"

namespace torchvae::kernels {

template <Precision P>
struct ConvValues {
  using Type = float;
};
template <>
struct ConvValues<kBf16> {
  using Type = Bf16;
};
template <Precision P>
using ConvValue = typename ConvValues<P>::Type;

}  // namespace torchvae::kernels
