#include "net/layers.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softplus.h>

#include <array>
#include <cmath>

namespace torchvae {
namespace {

// As torch.nn.Linear and the convolutions draw theirs.
Init fanIn(int64_t inputs) {
  return Init::uniform(1 / std::sqrt(static_cast<double>(inputs)));
}

constexpr double kNormEpsilon = 1e-5;
constexpr double kNormMomentum = 0.1;

}  // namespace

Tensor activate(ActivationKind kind, const Tensor& x) {
  switch (kind) {
    case ActivationKind::kRelu:
      return x.relu();
    case ActivationKind::kTanh:
      return x.tanh();
    case ActivationKind::kSigmoid:
      return x.sigmoid();
    case ActivationKind::kElu:
      return at::elu(x);
    case ActivationKind::kSoftplus:
      return at::softplus(x);
    case ActivationKind::kLeakyRelu:
      return at::leaky_relu(x);
    case ActivationKind::kGelu:
      return at::gelu(x);
    case ActivationKind::kSilu:
      return at::silu(x);
    case ActivationKind::kIdentity:
      break;
  }
  return x;
}

Linear::Linear(Weights& weights, const std::string& name, int64_t in, int64_t out)
    : weight_(weights.parameter(name + ".weight", {out, in}, fanIn(in))),
      bias_(weights.parameter(name + ".bias", {out}, fanIn(in))) {}

Tensor Linear::operator()(const Tensor& x) const {
  return at::linear(x, *weight_, *bias_);
}

Convolution::Convolution(Weights& weights, const std::string& name, const ConvShape& shape)
    : shape_(shape),
      weight_(weights.parameter(name + ".weight",
                                {shape.smallChannels, shape.largeChannels, shape.kernel, shape.kernel},
                                fanIn(shape.largeChannels * shape.kernel * shape.kernel))),
      bias_(weights.parameter(name + ".bias", {shape.smallChannels},
                              fanIn(shape.largeChannels * shape.kernel * shape.kernel))) {}

Tensor Convolution::operator()(const Tensor& x) const {
  const std::array<int64_t, 2> stride{shape_.stride, shape_.stride};
  const std::array<int64_t, 2> padding{(shape_.kernel - 1) / 2, (shape_.kernel - 1) / 2};
  return at::conv2d(x, *weight_, *bias_, stride, at::IntArrayRef(padding));
}

TransposedConvolution::TransposedConvolution(Weights& weights, const std::string& name,
                                             const ConvShape& shape)
    : shape_(shape),
      weight_(weights.parameter(name + ".weight",
                                {shape.smallChannels, shape.largeChannels, shape.kernel, shape.kernel},
                                fanIn(shape.largeChannels * shape.kernel * shape.kernel))),
      bias_(weights.parameter(name + ".bias", {shape.largeChannels},
                              fanIn(shape.largeChannels * shape.kernel * shape.kernel))) {}

Tensor TransposedConvolution::operator()(const Tensor& x) const {
  const std::array<int64_t, 2> stride{shape_.stride, shape_.stride};
  const std::array<int64_t, 2> padding{(shape_.kernel - 1) / 2, (shape_.kernel - 1) / 2};
  // What the convolution's division left over.
  const std::array<int64_t, 2> rest{(shape_.largeHeight - 1) % shape_.stride,
                                    (shape_.largeWidth - 1) % shape_.stride};
  return at::conv_transpose2d(x, *weight_, *bias_, stride, padding, rest);
}

Norm::Norm(Weights& weights, const std::string& name, NormKind kind, int64_t features) : kind_(kind) {
  if (kind == NormKind::kNone) return;
  weight_ = weights.parameter(name + ".weight", {features}, Init::constant(1));
  bias_ = weights.parameter(name + ".bias", {features}, Init::constant(0));
  if (kind != NormKind::kBatch) return;
  runningMean_ = weights.buffer(name + ".running_mean", {features}, Init::constant(0));
  runningVariance_ = weights.buffer(name + ".running_var", {features}, Init::constant(1));
}

Tensor Norm::operator()(const Tensor& x, const Pass& pass) const {
  switch (kind_) {
    case NormKind::kNone:
      return x;
    case NormKind::kBatch:
      // A batch of one has no variance: it is normalized as examples are after training.
      return at::batch_norm(x, *weight_, *bias_, *runningMean_, *runningVariance_,
                            pass.training && x.size(0) > 1, kNormMomentum, kNormEpsilon, true);
    case NormKind::kLayer:
      break;
  }
  const Tensor last = x.dim() == 2 ? x : x.movedim(1, -1);
  const Tensor y = at::layer_norm(last, {last.size(-1)}, *weight_, *bias_, kNormEpsilon);
  return x.dim() == 2 ? y : y.movedim(-1, 1);
}

Tensor dropout(const Tensor& x, double p, Pass& pass) {
  if (p == 0 || !pass.training) return x;
  const Tensor kept = pass.draws.mask(x.sizes()).ge(p);
  return x * kept.to(x.scalar_type()).div(1 - p);
}

}  // namespace torchvae
