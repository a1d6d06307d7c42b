#include "net/layers.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>

#include "ops/batch_norm.h"
#include "ops/dropout.h"
#include "ops/layer_norm.h"
#include "ops/plain.h"
#include "pass/whole_batch.h"

namespace torchvae {
namespace {

// As torch.nn.Linear and the convolutions draw theirs.
Init fanIn(int64_t inputs) {
  return Init::uniform(1 / std::sqrt(static_cast<double>(inputs)));
}

constexpr double kNormEpsilon = 1e-5;
constexpr double kNormMomentum = 0.1;

std::optional<ConvOp> convOp(const Context* context, ConvOp::Direction direction, const ConvShape& s) {
  if (context == nullptr || !context->tiledProducts()) return std::nullopt;
  return ConvOp(*context, direction,
                {s.largeHeight, s.largeWidth, s.largeChannels, s.smallHeight(), s.smallWidth(),
                 s.smallChannels, s.kernel, s.stride, (s.kernel - 1) / 2});
}

}  // namespace

Linear::Linear(Weights& weights, const std::string& name, int64_t in, int64_t out)
    : context_(weights.context()) {
  const Weights::DenseLayer layer = weights.dense({name}, in, out);
  weight_ = layer.weights[0];
  bias_ = layer.biases[0];
  if (layer.slots != nullptr) op_.emplace(*context_, *layer.parameters, *layer.slots);
}

Tensor Linear::operator()(const Tensor& x, ActivationKind activation) const {
  if (op_ && x.dim() == 2 && PlainOperations::served(*context_)) {
    return (*op_)(x, activation);
  }
  return activate(activation, at::linear(x, *weight_, *bias_));
}

LinearPair::LinearPair(Weights& weights, const std::string& first, const std::string& second, int64_t in,
                       int64_t out)
    : context_(weights.context()) {
  const Weights::DenseLayer layer = weights.dense({first, second}, in, out);
  firstWeight_ = layer.weights[0];
  firstBias_ = layer.biases[0];
  secondWeight_ = layer.weights[1];
  secondBias_ = layer.biases[1];
  if (layer.slots != nullptr) op_.emplace(*context_, *layer.parameters, *layer.slots);
}

Tensor LinearPair::operator()(const Tensor& x) const {
  if (op_ && x.dim() == 2 && PlainOperations::served(*context_)) {
    return (*op_)(x, ActivationKind::kIdentity);
  }
  return at::cat({at::linear(x, *firstWeight_, *firstBias_), at::linear(x, *secondWeight_, *secondBias_)}, 1);
}

Convolution::Convolution(Weights& weights, const std::string& name, const ConvShape& shape)
    : shape_(shape),
      weight_(weights.parameter(name + ".weight",
                                {shape.smallChannels, shape.largeChannels, shape.kernel, shape.kernel},
                                fanIn(shape.largeChannels * shape.kernel * shape.kernel))),
      bias_(weights.parameter(name + ".bias", {shape.smallChannels},
                              fanIn(shape.largeChannels * shape.kernel * shape.kernel))),
      context_(weights.context()),
      op_(convOp(context_, ConvOp::Direction::kDown, shape)) {}

Tensor Convolution::operator()(const Tensor& x, const Tensor& added, ActivationKind activation) const {
  if (op_ && PlainOperations::served(*context_)) return (*op_)(x, *weight_, *bias_, added, activation);
  const std::array<int64_t, 2> stride{shape_.stride, shape_.stride};
  const std::array<int64_t, 2> padding{(shape_.kernel - 1) / 2, (shape_.kernel - 1) / 2};
  const Tensor y = at::conv2d(x, *weight_, *bias_, stride, at::IntArrayRef(padding));
  return activate(activation, added.defined() ? added + y : y);
}

TransposedConvolution::TransposedConvolution(Weights& weights, const std::string& name,
                                             const ConvShape& shape)
    : shape_(shape),
      weight_(weights.parameter(name + ".weight",
                                {shape.smallChannels, shape.largeChannels, shape.kernel, shape.kernel},
                                fanIn(shape.largeChannels * shape.kernel * shape.kernel))),
      bias_(weights.parameter(name + ".bias", {shape.largeChannels},
                              fanIn(shape.largeChannels * shape.kernel * shape.kernel))),
      context_(weights.context()),
      op_(convOp(context_, ConvOp::Direction::kUp, shape)) {}

Tensor TransposedConvolution::operator()(const Tensor& x, ActivationKind activation) const {
  if (op_ && PlainOperations::served(*context_)) return (*op_)(x, *weight_, *bias_, {}, activation);
  const std::array<int64_t, 2> stride{shape_.stride, shape_.stride};
  const std::array<int64_t, 2> padding{(shape_.kernel - 1) / 2, (shape_.kernel - 1) / 2};
  // What the convolution's division left over.
  const std::array<int64_t, 2> rest{(shape_.largeHeight - 1) % shape_.stride,
                                    (shape_.largeWidth - 1) % shape_.stride};
  return activate(activation, at::conv_transpose2d(x, *weight_, *bias_, stride, padding, rest));
}

Norm::Norm(Weights& weights, const std::string& name, NormKind kind, int64_t features) : kind_(kind) {
  if (kind == NormKind::kNone) return;
  weight_ = weights.parameter(name + ".weight", {features}, Init::constant(1));
  bias_ = weights.parameter(name + ".bias", {features}, Init::constant(0));
  if (kind != NormKind::kBatch) return;
  runningMean_ = weights.buffer(name + ".running_mean", {features}, Init::constant(0));
  runningVariance_ = weights.buffer(name + ".running_var", {features}, Init::constant(1));
}

Tensor Norm::operator()(const Tensor& x, const Pass& pass, ActivationKind activation) const {
  return besideInput(x, pass, activation).y;
}

Normed Norm::besideInput(const Tensor& x, const Pass& pass, ActivationKind activation) const {
  switch (kind_) {
    case NormKind::kNone:
      break;
    case NormKind::kBatch:
      return overBatch(x, pass, activation);
    case NormKind::kLayer:
      return overChannels(x, pass, activation);
  }
  return {activate(activation, x), x};
}

Normed Norm::overBatch(const Tensor& x, const Pass& pass, ActivationKind activation) const {
  // A batch of one has no variance: it is normalized as examples are after training.
  const int64_t rows = pass.whole == nullptr ? x.size(0) : pass.whole->all(x.size(0));
  const bool isOfBatch = pass.training && rows > 1;
  if (isOfBatch && pass.whole != nullptr) return {activate(activation, overWholeBatch(x, *pass.whole)), x};
  const Context& context = pass.draws.context();
  if (PlainOperations::served(context)) {
    return batchNorm(context, {isOfBatch, kNormMomentum, kNormEpsilon, activation}, x, *weight_, *bias_,
                     *runningMean_, *runningVariance_);
  }
  const Tensor y = at::batch_norm(x, *weight_, *bias_, *runningMean_, *runningVariance_, isOfBatch,
                                  kNormMomentum, kNormEpsilon, true);
  return {activate(activation, y), x};
}

Tensor Norm::overWholeBatch(const Tensor& x, const WholeBatch& whole) const {
  std::vector<int64_t> over{0}, broadcast{1, x.size(1)};
  for (int64_t i = 2; i < x.dim(); ++i) {
    over.push_back(i);
    broadcast.push_back(1);
  }
  const auto count = static_cast<double>(whole.all(x.size(0)) * (x.numel() / x.size(0) / x.size(1)));
  const auto byChannel = [&](const Tensor& values) { return values.view(broadcast); };
  const Tensor mean = whole.sum(x.sum(over)) / count;
  const Tensor centered = x - byChannel(mean);
  const Tensor variance = whole.sum(centered.square().sum(over)) / count;
  {
    const c10::NoGradGuard noGrad;
    Tensor runningMean = *runningMean_, runningVariance = *runningVariance_;
    runningMean.mul_(1 - kNormMomentum).add_(mean, kNormMomentum);
    runningVariance.mul_(1 - kNormMomentum).add_(variance, kNormMomentum * count / (count - 1));
  }
  return centered * byChannel((variance + kNormEpsilon).rsqrt() * *weight_) + byChannel(*bias_);
}

Normed Norm::overChannels(const Tensor& x, const Pass& pass, ActivationKind activation) const {
  const Context& context = pass.draws.context();
  if (PlainOperations::served(context)) {
    return layerNorm(context, {kNormEpsilon, activation}, x, *weight_, *bias_);
  }
  const bool isImage = x.dim() == 4;
  const Tensor last = isImage ? x.movedim(1, -1) : x;
  const Tensor y = at::layer_norm(last, {last.size(-1)}, *weight_, *bias_, kNormEpsilon);
  return {activate(activation, isImage ? y.movedim(-1, 1) : y), x};
}

Tensor dropout(const Tensor& x, double p, Pass& pass) {
  if (p == 0 || !pass.training) return x;
  const Context& context = pass.draws.context();
  if (PlainOperations::served(context) && x.is_contiguous()) {
    const auto [draw, first] = pass.draws.placeOfMask(x.sizes());
    return dropout(context, x, p, draw, first);
  }
  const Tensor kept = pass.draws.mask(x.sizes()).ge(p);
  return x * kept.to(x.scalar_type()).div(1 - p);
}

}  // namespace torchvae
