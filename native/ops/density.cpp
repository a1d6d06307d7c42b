#include "ops/density.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/logsumexp.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <optional>

#include "cpu/gaussian_draw.h"
#include "cpu/mixture.h"
#include "ops/plain.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class StandardNormalLogDensity : public torch::autograd::Function<StandardNormalLogDensity> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& z) {
    const Tensor points = z.contiguous(), each = at::empty({z.size(0)}, z.options());
    cpu::standardNormalLogDensity(points.const_data_ptr<float>(), z.size(0), z.size(1),
                                  each.mutable_data_ptr<float>());
    ctx->save_for_backward({points});
    return each;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor z = ctx->get_saved_variables()[0], gradient = gradients[0].contiguous();
    const Tensor dz = at::empty_like(z);
    cpu::standardNormalLogDensityBackward(z.const_data_ptr<float>(), gradient.const_data_ptr<float>(),
                                          z.size(0), z.size(1), dz.mutable_data_ptr<float>());
    return {dz};
  }
};

class LogRatio : public torch::autograd::Function<LogRatio> {
 public:
  static Tensor forward(AutogradContext* /*ctx*/, const Tensor& logQ, const Tensor& logP) {
    const Tensor q = logQ.contiguous(), p = logP.contiguous();
    const Tensor ratio = at::empty({q.size(0), 1}, q.options());
    const float *ofQ = q.const_data_ptr<float>(), *ofP = p.const_data_ptr<float>();
    std::transform(ofQ, ofQ + q.size(0), ofP, ratio.mutable_data_ptr<float>(), std::minus<>());
    return ratio;
  }

  static variable_list backward(AutogradContext* /*ctx*/, const variable_list& gradients) {
    const Tensor gradient = gradients[0].contiguous();
    const int64_t rows = gradient.size(0);
    const Tensor dq = at::empty({rows}, gradient.options()), dp = at::empty_like(dq);
    const float* from = gradient.const_data_ptr<float>();
    std::copy_n(from, rows, dq.mutable_data_ptr<float>());
    std::transform(from, from + rows, dp.mutable_data_ptr<float>(), std::negate<>());
    return {dq, dp};
  }
};

cpu::NormalMixture viewOf(const Tensor& z, const Tensor& mean, const Tensor& logVariance,
                          const Tensor& logWeight) {
  return {z.size(0),
          mean.size(0),
          z.size(1),
          z.const_data_ptr<float>(),
          mean.const_data_ptr<float>(),
          logVariance.const_data_ptr<float>(),
          mean.size(1),
          logWeight.defined() ? logWeight.const_data_ptr<float>() : nullptr};
}

class MixtureLogDensity : public torch::autograd::Function<MixtureLogDensity> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& z, const Tensor& mean, const Tensor& logVariance,
                        const std::optional<Tensor>& logWeight, Pool* pool) {
    const Tensor points = z.contiguous(), means = mean.contiguous(), logVariances = logVariance.contiguous();
    const Tensor weights = logWeight ? logWeight->contiguous() : Tensor();
    const Tensor total = at::empty({z.size(0)}, z.options()),
                 shares = at::empty({z.size(0), mean.size(0)}, z.options());
    cpu::mixtureLogDensities(*pool, viewOf(points, means, logVariances, weights),
                             total.mutable_data_ptr<float>(), shares.mutable_data_ptr<float>());
    ctx->save_for_backward({points, means, logVariances, weights, shares});
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return total;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const Tensor gradient = gradients[0].contiguous();
    const Tensor dz = at::empty_like(saved[0]), dmean = at::empty_like(saved[1]),
                 dlogVariance = at::empty_like(saved[2]),
                 dlogWeight = saved[3].defined() ? at::empty_like(saved[3]) : Tensor();
    cpu::mixtureLogDensitiesBackward(*pool, viewOf(saved[0], saved[1], saved[2], saved[3]),
                                     saved[4].const_data_ptr<float>(), gradient.const_data_ptr<float>(),
                                     {dz.mutable_data_ptr<float>(), dmean.mutable_data_ptr<float>(),
                                      dlogVariance.mutable_data_ptr<float>(),
                                      dlogWeight.defined() ? dlogWeight.mutable_data_ptr<float>() : nullptr});
    return {dz, dmean, dlogVariance, dlogWeight, Tensor()};
  }
};

cpu::BatchPosteriors batchOf(const Tensor& z, const Tensor& mean, const Tensor& logVariance,
                             const cpu::PairWeights& logWeight) {
  return {z.size(0),
          z.size(1),
          z.const_data_ptr<float>(),
          z.size(1),
          mean.const_data_ptr<float>(),
          logVariance.const_data_ptr<float>(),
          z.size(1),
          logWeight};
}

class AggregateLogDensities : public torch::autograd::Function<AggregateLogDensities> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& z, const Tensor& mean,
                               const Tensor& logVariance, const cpu::PairWeights* logWeight, Pool* pool) {
    const Tensor points = z.contiguous(), means = mean.contiguous(), logVariances = logVariance.contiguous();
    const Tensor joint = at::empty({z.size(0)}, z.options()), product = at::empty_like(joint);
    cpu::AggregatePosterior(*pool).evaluate(
        batchOf(points, means, logVariances, *logWeight),
        {joint.mutable_data_ptr<float>(), product.mutable_data_ptr<float>()}, nullptr);
    ctx->save_for_backward({points, means, logVariances});
    ctx->saved_data["weight"] = std::vector<double>{logWeight->own, logWeight->previous, logWeight->other};
    ctx->saved_data["pool"] = reinterpret_cast<int64_t>(pool);
    return {joint, product};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const std::vector<double> weight = ctx->saved_data["weight"].toDoubleVector();
    auto* pool = reinterpret_cast<Pool*>(ctx->saved_data["pool"].toInt());
    const Tensor ofJoint = gradients[0].contiguous(), ofProduct = gradients[1].contiguous();
    const Tensor dz = at::empty_like(saved[0]), dmean = at::empty_like(saved[0]),
                 dlogVariance = at::empty_like(saved[0]);
    const Tensor joint = at::empty_like(ofJoint), product = at::empty_like(ofProduct);
    const cpu::AggregateGradients to{
        ofJoint.const_data_ptr<float>(), ofProduct.const_data_ptr<float>(),      dz.mutable_data_ptr<float>(),
        dmean.mutable_data_ptr<float>(), dlogVariance.mutable_data_ptr<float>(), dz.size(1)};
    cpu::AggregatePosterior(*pool).evaluate(
        batchOf(saved[0], saved[1], saved[2], {weight[0], weight[1], weight[2]}),
        {joint.mutable_data_ptr<float>(), product.mutable_data_ptr<float>()}, &to);
    return {dz, dmean, dlogVariance, Tensor(), Tensor()};
  }
};

// [rows, rows].
Tensor matrixOf(const cpu::PairWeights& weight, int64_t rows, const c10::TensorOptions& options) {
  const Tensor all = at::full({rows, rows}, weight.other, options);
  all.diagonal(-1).fill_(weight.previous);
  all.select(0, 0).select(0, rows - 1).fill_(weight.previous);
  all.diagonal().fill_(weight.own);
  return all;
}

}  // namespace

Tensor standardNormalLogDensity(const Context& context, const Tensor& z) {
  if (PlainOperations::served(context)) return StandardNormalLogDensity::apply(z);
  const double constant = 0.5 * static_cast<double>(z.size(1)) * std::log(2 * std::numbers::pi);
  return z.square().sum(1) * -0.5 - constant;
}

Tensor logRatio(const Context& context, const Tensor& logQ, const Tensor& logP) {
  if (PlainOperations::served(context)) return LogRatio::apply(logQ, logP);
  return (logQ - logP).unsqueeze(1);
}

Tensor mixtureLogDensity(const Context& context, const Tensor& z, const Tensor& mean,
                         const Tensor& logVariance, const Tensor& logWeight) {
  if (PlainOperations::served(context)) {
    const auto weight = logWeight.defined() ? std::optional(logWeight) : std::nullopt;
    return MixtureLogDensity::apply(z, mean, logVariance, weight, context.pool);
  }
  const double constant = std::log(2 * std::numbers::pi);
  const Tensor difference = z.unsqueeze(1) - mean.unsqueeze(0);
  const Tensor spread = logVariance.unsqueeze(0);
  const Tensor each = ((difference.square() * (-spread).exp() + spread + constant) * -0.5).sum(2);
  if (logWeight.defined()) return at::logsumexp(each + logWeight, {1});
  return at::logsumexp(each, {1}) - std::log(static_cast<double>(mean.size(0)));
}

AggregateDensities aggregateLogDensities(const Context& context, const Tensor& z, const Tensor& mean,
                                         const Tensor& logVariance, const cpu::PairWeights& logWeight) {
  if (PlainOperations::served(context)) {
    const auto made = AggregateLogDensities::apply(z, mean, logVariance, &logWeight, context.pool);
    return {made[0], made[1]};
  }
  const double constant = std::log(2 * std::numbers::pi);
  const Tensor spread = logVariance.unsqueeze(0);
  // [i, j, d] = log q(z_i,d | x_j).
  const Tensor pairs =
      ((z.unsqueeze(1) - mean.unsqueeze(0)).square() * (-spread).exp() + spread + constant) * -0.5;
  const Tensor weight = matrixOf(logWeight, z.size(0), z.options());
  return {at::logsumexp(pairs.sum(2) + weight, {1}), at::logsumexp(pairs + weight.unsqueeze(2), {1}).sum(1)};
}

}  // namespace torchvae
