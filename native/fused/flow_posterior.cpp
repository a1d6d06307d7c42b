#include "fused/flow_posterior.h"

#include <algorithm>

#include "base/memory.h"
#include "cpu/gaussian_draw.h"
#include "cpu/pool.h"
#include "cpu/slope.h"
#include "store/flow_tensors.h"

namespace torchvae::fused {
namespace {

float* values(const at::Tensor& tensor) {
  return tensor.mutable_data_ptr<float>();
}

// Calls body(first, last) for ranges of rows.
template <class Body>
void forRows(Pool& pool, int64_t rows, const Body& body) {
  constexpr int64_t kRange = 32;
  pool.run((rows + kRange - 1) / kRange,
           [&](int64_t range) { body(range * kRange, std::min((range + 1) * kRange, rows)); });
}

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

FlowPosterior::FlowPosterior(const Context& context, const Parameters& parameters, const ModelSpec& spec,
                             int64_t capacity)
    : parameters_(parameters),
      latent_(spec.latentSize),
      context_(spec.posterior.integer("context")),
      shape_{capacity, latent_, context_, spec.posterior.integer("hidden")} {
  const int64_t steps = spec.posterior.integer("steps");
  for (int64_t step = 0; step < steps; ++step) {
    Places places{};
    size_t i = 0;
    for (const FlowTensor& tensor : flowTensors(spec, step)) {
      const Slot& slot = parameters.find(tensor.name)->slot;
      if (range_.count == 0) range_.first = slot.offset;
      range_.count = slot.offset + parameters.value(slot).numel() - range_.first;
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
  forRows(*context.pool, rows, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      cpu::applyActivation(ActivationKind::kElu, values(head) + i * columns + 2 * latent_, context_,
                           values(given_) + i * context_, nullptr);
    }
  });
  shape_.rows = rows;
  std::vector<cpu::FlowStepWeights> weights;
  const float* all = parameters_.values.const_data_ptr<float>();
  for (const auto& [first, firstBias, given, givenBias, second, secondBias] : places_) {
    weights.push_back(
        {{all + first, all + firstBias, all + given, all + givenBias, all + second, all + secondBias},
         values(firstMask_),
         values(secondMask_)});
  }
  flow_ = cpu::makeFlow(shape_, std::move(weights), values(memory_));
}

void FlowPosterior::sample(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                           int64_t rows, Activations& z, at::Tensor& kl) {
  Pool& pool = *context.pool;
  begin(context, head, rows);
  cpu::drawGaussian(pool, {rows, 1, latent_, values(head), head.size(1), values(noise)}, values(base_),
                    values(divergence_), values(baseLogQ_));
  cpu::flowForward(pool, flow_, {values(base_), values(baseLogQ_)}, values(given_),
                   {values(flowed_), values(logQ_)});
  const int64_t stride = z.value.size(1);
  z.magnitude.reset();
  forRows(pool, rows, [&](int64_t first, int64_t last) {
    float* divergences = values(kl);
    cpu::standardNormalLogDensity(values(flowed_) + first * latent_, last - first, latent_,
                                  divergences + first);
    for (int64_t i = first; i < last; ++i) {
      divergences[i] = values(logQ_)[i] - divergences[i];
      std::copy_n(values(flowed_) + i * latent_, latent_, values(z.value) + i * stride);
    }
    z.magnitude.include(largestMagnitudeBits(values(z.value) + first * stride, last - first, stride, stride));
    z.finishRows(first, last);
  });
}

void FlowPosterior::backward(const Context& context, const at::Tensor& head, const at::Tensor& noise,
                             const CodeGradients& given, int64_t rows, Activations& headGradient) {
  Pool& pool = *context.pool;
  // Of log q - log p, each example's part of the mean.
  const auto ofKl = static_cast<float>(given.beta.beta / static_cast<double>(rows));
  const int64_t stride = given.z.size(1);
  forRows(pool, rows, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const float *dz = values(given.z) + i * stride, *z = values(flowed_) + i * latent_;
      float* to = values(ofFlowed_) + i * latent_;
      for (int64_t j = 0; j < latent_; ++j) to[j] = dz[j] + ofKl * z[j];
      values(ofLogQ_)[i] = ofKl;
    }
  });
  cpu::flowBackward(pool, flow_, {values(ofFlowed_), values(ofLogQ_)}, values(ofBase_), values(ofGiven_));
  cpu::drawGaussianBackward(pool, {rows, 1, latent_, values(head), head.size(1), values(noise)},
                            {values(ofBase_), nullptr, values(ofLogQ_)}, values(headGradient.value));
  const int64_t columns = head.size(1);
  headGradient.magnitude.reset();
  forRows(pool, rows, [&](int64_t first, int64_t last) {
    float* gradient = values(headGradient.value);
    for (int64_t i = first; i < last; ++i) {
      cpu::multiplyBySlope(ActivationKind::kElu, values(ofGiven_) + i * context_,
                           values(given_) + i * context_, context_, gradient + i * columns + 2 * latent_);
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
  cpu::flowForward(*context.pool, flow_, {values(base_), values(baseLogQ_)}, values(given_),
                   {values(flowed_), values(logQ_)});
  return {flowed_.narrow(0, 0, rows), own.narrow(1, latent_, latent_)};
}

void FlowPosterior::weightGradients(const Context& context, Parameters& parameters) {
  float* all = values(parameters.gradients);
  std::fill_n(all + range_.first, range_.count, 0.0f);
  std::vector<cpu::FlowWeights<float>> gradients;
  for (const auto& [first, firstBias, given, givenBias, second, secondBias] : places_) {
    gradients.push_back(
        {all + first, all + firstBias, all + given, all + givenBias, all + second, all + secondBias});
  }
  cpu::flowWeightGradients(*context.pool, flow_, gradients);
}

}  // namespace torchvae::fused
