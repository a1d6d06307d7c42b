#include "random/draws.h"

#include <ATen/ops/empty.h>

namespace torchvae {
namespace {

// Streams of requests after the first begin above those that have names.
constexpr uint32_t kFirstRequestStream = 16;

const c10::TensorOptions kHostFloat = c10::TensorOptions().dtype(c10::kFloat);

}  // namespace

Draw Draws::next() {
  Draw draw = draw_;
  if (requests_ > 0) draw.stream = static_cast<Stream>(kFirstRequestStream + requests_);
  ++requests_;
  return draw;
}

Tensor Draws::drawn(const Draw& draw, at::IntArrayRef sizes, bool isUniform) const {
  if (context_.kernels != nullptr) {
    const Tensor made = at::empty(sizes, context_.options());
    context_.kernels->fillRandom(draw, isUniform, state_, made);
    return made;
  }
  const Tensor host = at::empty(sizes, kHostFloat);
  if (isUniform) {
    fillUniform(draw, host.data_ptr<float>(), host.numel());
    // Away from 0 and 1, so that logarithms are finite.
    host.mul_(1 - 0x1p-24).add_(0x1p-25);
  } else {
    fillNormal(draw, host.data_ptr<float>(), host.numel());
  }
  return host.to(context_.options());
}

Tensor Draws::normal(at::IntArrayRef sizes) {
  const Draw draw = next();
  if (given_.defined()) return std::exchange(given_, Tensor()).view(sizes);
  return drawn(draw, sizes, false);
}

Tensor Draws::uniform(at::IntArrayRef sizes) {
  const Draw draw = next();
  if (given_.defined()) return std::exchange(given_, Tensor()).view(sizes);
  return drawn(draw, sizes, true);
}

}  // namespace torchvae
