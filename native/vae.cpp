#include "vae.h"

#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>

#include <cmath>

#include "error.h"
#include "memory.h"

namespace torchvae {

VaeSlots declareVae(Parameters& parameters, const ModelSpec& spec) {
  if (spec.encoder.type != "mlp" || spec.decoder.type != "mlp") {
    throw Error("ERR_SPEC", "The engine has no network of type " +
                                (spec.encoder.type != "mlp" ? spec.encoder.type : spec.decoder.type));
  }
  const auto likelihood = makeLikelihood(spec.likelihood);
  VaeSlots slots;
  slots.encoder = declareMlp(parameters, "encoder", spec.inputSize(), spec.encoder.hidden);
  const int64_t encoded = spec.encoder.hidden.empty() ? spec.inputSize() : spec.encoder.hidden.back();
  slots.head = parameters.addDense({"posterior.mean", "posterior.logVariance"}, encoded, spec.latentSize);
  std::vector<int64_t> widths = spec.decoder.hidden;
  widths.push_back(likelihood->decoderSize(spec.inputSize()));
  slots.decoder = declareMlp(parameters, "decoder", spec.latentSize, widths);
  return slots;
}

Vae::Vae(const Context& context, const Parameters& parameters, const VaeSlots& slots, const ModelSpec& spec,
         int64_t capacity, bool training)
    : x(makeActivations(context, capacity, spec.inputSize(), training)),
      noise(zeroed(context, {capacity, spec.latentSize})),
      z(makeActivations(context, capacity, spec.latentSize, training)),
      reconstruction(zeroed(context, {capacity})),
      kl(zeroed(context, {capacity})),
      context_(context),
      capacity_(capacity),
      posterior_(makePosterior(spec.posterior, spec.prior)),
      likelihood_(makeLikelihood(spec.likelihood)),
      encoder_(context, parameters, slots.encoder, spec.encoder.activation, spec.encoder.activation, capacity,
               {training, true}),
      head_(context, parameters, slots.head, ActivationKind::kIdentity, capacity, {training, false}),
      decoder_(context, parameters, slots.decoder, spec.decoder.activation, ActivationKind::kIdentity,
               capacity, {training, false}) {
  if (training) zGradient_ = makeActivations(context, capacity, spec.latentSize, true);
}

void Vae::encode(int64_t rows) {
  encoded_ = &encoder_.forward(x, rows);
  head_.forward(*encoded_, rows);
}

void Vae::sample(int64_t rows) {
  posterior_->sample(context_, head(), noise, rows, z, kl);
}

void Vae::decode(int64_t rows) {
  decoded_ = &decoder_.forward(z, rows);
}

void Vae::reconstruct(int64_t rows, bool withGradient) {
  likelihood_->negativeLogProb(context_, x.value, decoded_->value, rows, reconstruction,
                               withGradient ? &decoder_.outputGradient() : nullptr);
}

void Vae::backward(int64_t rows, double beta) {
  decoder_.backward(&zGradient_, rows);
  posterior_->backward(context_, head(), noise, zGradient_.value, beta, rows, head_.outputGradient);
  if (encoder_.empty()) return;
  head_.inputGradient(encoder_.lastActivation(), encoder_.outputGradient(), rows);
  encoder_.backward(nullptr, rows);
}

template <class F>
void Vae::forLayers(const F& f) {
  for (Dense& layer : decoder_.layers()) f(layer);
  f(head_);
  for (Dense& layer : encoder_.layers()) f(layer);
}

std::vector<cpu::WeightProduct> Vae::weightProducts() {
  std::vector<cpu::WeightProduct> products;
  forLayers([&](const Dense& layer) { products.push_back(layer.weightProduct()); });
  return products;
}

bool Vae::weightGradients(Parameters& parameters, int64_t rows) {
  if (context_.tiled()) {
    float* gradients = parameters.gradients.data_ptr<float>();
    return std::isfinite(cpu::weightGradients(*context_.pool, weightProducts(), rows, gradients));
  }
  forLayers([&](Dense& layer) { layer.weightGradient(rows); });
  return std::isfinite(parameters.gradients.square().sum().item<double>());
}

bool Vae::updateWeights(Parameters& parameters, int64_t rows, const cpu::AdamCoefficients& coefficients) {
  bool bounded = context_.tiled();
  forLayers([&](const Dense& layer) { bounded = bounded && layer.weightGradientBounded(rows); });
  if (!bounded) return false;
  cpu::updateWeights(*context_.pool, weightProducts(), rows, coefficients,
                     {parameters.values.data_ptr<float>(), parameters.firstMoments.data_ptr<float>(),
                      parameters.secondMoments.data_ptr<float>()});
  return true;
}

}  // namespace torchvae
