// The layers that networks are strung from, in PyTorch's layouts, names and initial values.
#pragma once

#include <optional>
#include <string>

#include "ops/activation.h"
#include "ops/conv.h"
#include "ops/dense.h"
#include "ops/normed.h"
#include "pass/pass.h"
#include "spec.h"
#include "store/weights.h"

namespace torchvae {

// y = x W^T + b; NAME.weight [out, in], NAME.bias [out].
class Linear {
 public:
  Linear() = default;
  Linear(Weights& weights, const std::string& name, int64_t in, int64_t out);
  // y, or activate(y).
  Tensor operator()(const Tensor& x, ActivationKind activation = ActivationKind::kIdentity) const;

 private:
  Weight weight_, bias_;
  const Context* context_ = nullptr;
  std::optional<DenseOp> op_;  // over the CPU's kernels, where the weights lie as these want them
};

// Two such layers of the same input, [B, 2 out]: the values of the first, then those of the second.
class LinearPair {
 public:
  LinearPair(Weights& weights, const std::string& first, const std::string& second, int64_t in, int64_t out);
  Tensor operator()(const Tensor& x) const;

 private:
  Weight firstWeight_, firstBias_, secondWeight_, secondBias_;
  const Context* context_;
  std::optional<DenseOp> op_;  // of both
};

// A convolution that divides the image by `stride`, or its transpose, which restores the image that such a
// convolution took: n to floor((n - 1) / stride) + 1 and back. NAME.weight has the small image's channels
// first: torch.nn.Conv2d's layout and ConvTranspose2d's.
struct ConvShape {
  int64_t largeChannels, largeHeight, largeWidth;
  int64_t smallChannels;
  int64_t kernel, stride;

  int64_t smallHeight() const { return (largeHeight - 1) / stride + 1; }
  int64_t smallWidth() const { return (largeWidth - 1) / stride + 1; }
};

class Convolution {
 public:
  Convolution(Weights& weights, const std::string& name, const ConvShape& shape);
  // The convolution of x, or activate() of its sum with `added`.
  Tensor operator()(const Tensor& x, const Tensor& added = {},
                    ActivationKind activation = ActivationKind::kIdentity) const;

 private:
  ConvShape shape_;
  Weight weight_, bias_;
  const Context* context_;
  std::optional<ConvOp> op_;  // over the CPU's kernels, where the context has them
};

class TransposedConvolution {
 public:
  TransposedConvolution(Weights& weights, const std::string& name, const ConvShape& shape);
  Tensor operator()(const Tensor& x, ActivationKind activation = ActivationKind::kIdentity) const;

 private:
  ConvShape shape_;
  Weight weight_, bias_;
  const Context* context_;
  std::optional<ConvOp> op_;  // over the CPU's kernels, where the context has them
};

// Batch normalization (Ioffe and Szegedy 2015) or layer normalization (Ba et al. 2016) over the features of
// [B, features] or the channels of [B, channels, height, width]; NAME.weight and NAME.bias [features].
class Norm {
 public:
  Norm() = default;
  Norm(Weights& weights, const std::string& name, NormKind kind, int64_t features);
  // The normalized x, or activate() of it.
  Tensor operator()(const Tensor& x, const Pass& pass,
                    ActivationKind activation = ActivationKind::kIdentity) const;
  // activate() of the normalized layer(identity); layer(activation), one operation, without a normalization.
  template <class Layer>
  Tensor after(const Layer& layer, const Pass& pass, ActivationKind activation) const {
    return kind_ == NormKind::kNone ? layer(activation)
                                    : (*this)(layer(ActivationKind::kIdentity), pass, activation);
  }
  // The normalized x activated, and x for what takes it beside that.
  Normed besideInput(const Tensor& x, const Pass& pass, ActivationKind activation) const;

 private:
  Normed overBatch(const Tensor& x, const Pass& pass, ActivationKind activation) const;
  // The same in training, where this rank has a part of the batch.
  Tensor overWholeBatch(const Tensor& x, const WholeBatch& whole) const;
  Normed overChannels(const Tensor& x, const Pass& pass, ActivationKind activation) const;

  NormKind kind_ = NormKind::kNone;
  Weight weight_, bias_, runningMean_, runningVariance_;
};

// Zeroes each value with probability p and scales the others by 1 / (1 - p), while training (Srivastava et
// al. 2014).
Tensor dropout(const Tensor& x, double p, Pass& pass);

}  // namespace torchvae
