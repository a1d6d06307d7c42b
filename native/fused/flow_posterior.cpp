#include "fused/flow_posterior.h"

#include <algorithm>

#include "base/floats.h"
#include "base/memory.h"
#include "cpu/gaussian_draw.h"
#include "cpu/ranges.h"
#include "cpu/slope.h"
#include "store/flow_tensors.h"

namespace torchvae::fused {
namespace {

constexpr int64_t kFlowRange = 32;  // rows that a thread takes at a time

}  // namespace

DenseSlots FlowPosterior::declare(Parameters& parameters, const ModelSpec& spec, const Features& encoded) {
  const DenseSlots head = declareHead(parameters,
                                      {{"posterior.mean", spec.latentSize},
                                       {"posterior.logVariance", spec.latentSize},
                                       {"posterior.context", spec.posterior.integer("context")}},
                                      encoded);
  for (int64_t step = 0; step < spec.posterior.integer("steps"); ++step) {
    for (const FlowTensor& tensor : flowTensors(spec, step)) {
      parameters.add(tensor.name, tensor.shape, tensor.init);
    }
  }
  return head;
}

FlowPosterior::FlowPosterior(const Context& context, const Store& store, const ModelSpec& spec,
                             int64_t capacity)
    : parameters_(store.model),
      latent_(spec.latentSize),
      context_(spec.posterior.integer("context")),
      shape_{capacity, latent_, context_, spec.posterior.integer("hidden")} {
  const int64_t steps = spec.posterior.integer("steps");
  for (int64_t step = 0; step < steps; ++step) {
    Places places{};
    size_t i = 0;
    for (const FlowTensor& tensor : flowTensors(spec, step)) {
      const Slot& slot = parameters_.find(tensor.name)->slot;
      if (range_.count == 0) range_.first = slot.offset;
      range_.count = slot.offset + parameters_.value(slot).numel() - range_.first;
      places[i++] = slot.offset;
    }
    places_.push_back(places);
  }
  const FlowMasks masks = flowMasks(spec, context.options());
  firstMask_ = masks.first;
  secondMask_ = masks.second;
  memory_ = zeroed(context, {steps * cpu::flowMemorySize(shape_)});
  for (at::Tensor* codes : {&base_, &flowed_, &divergence_, &ofFlowed_, &ofBase_}) {
    *codes = zeroed(context, {capacity, latent_});
  }
  for (at::Tensor* given : {&given_, &ofGiven_}) *given = zeroed(context, {capacity, context_});
  for (at::Tensor* density : {&baseLogQ_, &logQ_, &ofLogQ_}) *density = zeroed(context, {capacity});
}

void FlowPosterior::begin(const Context& context, const at::Tensor& head, int64_t rows) {
  const int64_t columns = head.size(1);
  forRanges(*context.pool, rows, kFlowRange, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      cpu::applyActivation(ActivationKind::kElu, floats(head) + i * columns + 2 * latent_, context_,
                           floats(given_) + i * context_, nullptr);
    }
  });
  shape_.rows = rows;
  std::vector<cpu::FlowStepWeights> weights;
  const float* all = parameters_.values.const_data_ptr<float>();
  for (const auto& [first, firstBias, given, givenBias, second, secondBias] : places_) {
    weights.push_back(
        {{all + first, all + firstBias, all + given, all + givenBias, all + second, all + secondBias},
         floats(firstMask_),
         floats(secondMask_)});
  }
  flow_ = cpu::makeFlow(shape_, std::move(weights), floats(memory_));
}

void FlowPosterior::sample(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                           int64_t rows, Activations& z, at::Tensor& kl) {
  Pool& pool = *context.pool;
  begin(context, head, rows);
  cpu::drawGaussian(pool, {rows, 1, latent_, floats(head), head.size(1), floats(noise)}, floats(base_),
                    floats(divergence_), floats(baseLogQ_));
  cpu::flowForward(pool, flow_, {floats(base_), floats(baseLogQ_)}, floats(given_),
                   {floats(flowed_), floats(logQ_)});
  const int64_t stride = z.value.size(1);
  z.magnitude.reset();
  forRanges(pool, rows, kFlowRange, [&](int64_t first, int64_t last) {
    float* divergences = floats(kl);
    cpu::standardNormalLogDensity(floats(flowed_) + first * latent_, last - first, latent_,
                                  divergences + first);
    for (int64_t i = first; i < last; ++i) {
      divergences[i] = floats(logQ_)[i] - divergences[i];
      std::copy_n(floats(flowed_) + i * latent_, latent_, floats(z.value) + i * stride);
    }
    z.magnitude.include(largestMagnitudeBits(floats(z.value) + first * stride, last - first, stride, stride));
    z.finishRows(first, last);
  });
}

void FlowPosterior::backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                             const CodeGradients& given, int64_t rows, Activations& headGradient) {
  Pool& pool = *context.pool;
  // Of log q - log p, each example's part of the mean.
  const auto ofKl = static_cast<float>(given.beta.beta / static_cast<double>(rows));
  const int64_t stride = given.z.size(1);
  const float* others = given.others.defined() ? floats(given.others) : nullptr;
  forRanges(pool, rows, kFlowRange, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const float *dz = floats(given.z) + i * stride, *z = floats(flowed_) + i * latent_;
      float* to = floats(ofFlowed_) + i * latent_;
      for (int64_t j = 0; j < latent_; ++j) to[j] = dz[j] + ofKl * z[j];
      if (others != nullptr) {
        for (int64_t j = 0; j < latent_; ++j) to[j] += others[i * 3 * latent_ + j];
      }
      floats(ofLogQ_)[i] = ofKl;
    }
  });
  cpu::flowBackward(pool, flow_, {floats(ofFlowed_), floats(ofLogQ_)}, floats(ofBase_), floats(ofGiven_));
  cpu::drawGaussianBackward(pool, {rows, 1, latent_, floats(head), head.size(1), floats(noise)},
                            {floats(ofBase_), nullptr, floats(ofLogQ_)}, floats(headGradient.value));
  const int64_t columns = head.size(1);
  headGradient.magnitude.reset();
  forRanges(pool, rows, kFlowRange, [&](int64_t first, int64_t last) {
    float* gradient = floats(headGradient.value);
    for (int64_t i = first; i < last; ++i) {
      cpu::multiplyBySlope(ActivationKind::kElu, floats(ofGiven_) + i * context_,
                           floats(given_) + i * context_, context_, gradient + i * columns + 2 * latent_);
    }
    headGradient.magnitude.include(
        largestMagnitudeBits(gradient + first * columns, last - first, columns, columns));
    headGradient.finishRows(first, last);
  });
}

std::pair<at::Tensor, at::Tensor> FlowPosterior::moments(const Context& context, const at::Tensor& head,
                                                         int64_t rows) {
  begin(context, head, rows);
  const at::Tensor own = head.narrow(0, 0, rows);
  base_.narrow(0, 0, rows).copy_(own.narrow(1, 0, latent_));
  cpu::flowForward(*context.pool, flow_, {floats(base_), floats(baseLogQ_)}, floats(given_),
                   {floats(flowed_), floats(logQ_)});
  return {flowed_.narrow(0, 0, rows), own.narrow(1, latent_, latent_)};
}

void FlowPosterior::weightGradients(const Context& context, Parameters& parameters) {
  float* all = floats(parameters.gradients);
  std::fill_n(all + range_.first, range_.count, 0.0f);
  std::vector<cpu::FlowWeights<float>> gradients;
  for (const auto& [first, firstBias, given, givenBias, second, secondBias] : places_) {
    gradients.push_back(
        {all + first, all + firstBias, all + given, all + givenBias, all + second, all + secondBias});
  }
  cpu::flowWeightGradients(*context.pool, flow_, gradients);
}

}  // namespace torchvae::fused
