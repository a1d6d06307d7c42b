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

Tensor Draws::upload(const Tensor& host) const {
  return host.to(context_.options());
}

Tensor Draws::normal(at::IntArrayRef sizes) {
  const Draw draw = next();
  if (given_.defined()) return std::exchange(given_, Tensor()).view(sizes);
  const Tensor host = at::empty(sizes, kHostFloat);
  fillNormal(draw, host.data_ptr<float>(), host.numel());
  return upload(host);
}

Tensor Draws::uniform(at::IntArrayRef sizes) {
  const Draw draw = next();
  if (given_.defined()) return std::exchange(given_, Tensor()).view(sizes);
  const Tensor host = at::empty(sizes, kHostFloat);
  fillUniform(draw, host.data_ptr<float>(), host.numel());
  // Away from 0 and 1, so that logarithms are finite.
  return upload(host.mul_(1 - 0x1p-24).add_(0x1p-25));
}

}  // namespace torchvae
