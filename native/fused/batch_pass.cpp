#include "fused/batch_pass.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "base/floats.h"
#include "base/memory.h"
#include "error.h"
#include "store/optimizer.h"

namespace torchvae::fused {

VaePlan declareVae(Parameters& parameters, const ModelSpec& spec) {
  VaePlan plan;
  Features encoded;
  plan.encoder = declareEncoder(parameters, spec, encoded);
  plan.head = declarePosterior(parameters, spec, encoded);
  declareLikelihood(parameters, spec);
  plan.decoder = declareDecoder(parameters, spec);
  return plan;
}

namespace {

// Of what no layer made.
ProductRole inputRole(const Context& context, bool training) {
  if (context.panels()) return ProductRole::kNone;
  return training ? ProductRole::kTrainingInput : ProductRole::kInput;
}

// The layer that multiplies x; null where a convolution does.
const DenseSlots* firstDense(const VaePlan& plan) {
  if (plan.encoder.empty()) return &plan.head;
  const auto* dense = std::get_if<DensePlan>(&plan.encoder.front().layer);
  return dense == nullptr ? nullptr : &dense->slots;
}

bool skipsZeros(const Context& context, const VaePlan& plan) {
  const DenseSlots* first = firstDense(plan);
  return context.panels() && first != nullptr && first->panels && cpu::skipsZeros();
}

int64_t drawsOf(const std::unique_ptr<ImportanceCost>& cost) {
  return cost ? cost->draws() : 1;
}

}  // namespace

BatchPass::BatchPass(const Context& context, const Store& store, const VaePlan& plan, const ModelSpec& spec,
                     int64_t capacity, PassUse use)
    : BatchPass(context, store.model, plan, spec, capacity, use,
                makePosterior(context, store, spec, capacity),
                use == PassUse::kOneDraw ? nullptr : makeImportanceCost(context, spec, capacity)) {}

BatchPass::BatchPass(const Context& context, const Parameters& parameters, const VaePlan& plan,
                     const ModelSpec& spec, int64_t capacity, PassUse use,
                     std::unique_ptr<Posterior> posterior, std::unique_ptr<ImportanceCost> importanceCost)
    : channels(imageChannels(parameters, spec)),
      labels(labelsOf(spec)),
      x(makeActivations(context, capacity + posterior->furtherRows(),
                        spec.inputSize() / channels.used * channels.stored + labels.encoder,
                        inputRole(context, use == PassUse::kTraining))),
      noise(zeroed(context, {capacity * drawsOf(importanceCost), noiseSize(spec)})),
      z(makeActivations(context, capacity * drawsOf(importanceCost), codeSize(spec) + labels.decoder,
                        inputRole(context, use == PassUse::kTraining))),
      reconstruction(zeroed(context, {capacity * drawsOf(importanceCost)})),
      kl(zeroed(context, {capacity})),
      context_(context),
      capacity_(capacity),
      importanceCost_(std::move(importanceCost)),
      posterior_(std::move(posterior)),
      likelihood_(makeLikelihood(context, parameters, spec, capacity)),
      encoder_(context, parameters, plan.encoder, capacity + further(),
               {use == PassUse::kTraining, true, further() == 0}),
      head_(context, parameters, plan.head, ActivationKind::kIdentity, capacity + further(),
            {use == PassUse::kTraining, false, plan.encoder.empty() && further() == 0}),
      decoder_(context, parameters, plan.decoder, capacity * draws(),
               {use == PassUse::kTraining, false, false, true}),
      klCost_(context, spec.objective, spec.latentSize),
      aggregateCost_(makeAggregateCost(context, spec.objective, spec.latentSize, capacity)),
      skipsZeros_(skipsZeros(context, plan)),
      isTraining_(use == PassUse::kTraining) {
  if (aggregateCost_ && aggregateCost_->takesPriorDraws()) {
    priorDraws = zeroed(context, {capacity, spec.latentSize});
  }
  if (use != PassUse::kTraining) return;
  zGradient_ =
      makeActivations(context, capacity * draws(), codeSize(spec) + labels.decoder, ProductRole::kResult);
  if (context.kernels == nullptr) return;
  const int64_t blocks = Kernels::gradientBlocks(gradientParts(capacity));
  partials_ = at::zeros({blocks}, c10::TensorOptions().dtype(c10::kDouble).device(context.device));
}

void BatchPass::encode(int64_t rows) {
  posterior_->appendRows(context_, rows, x);
  findNonzeros(rows + further());
  encoded_ = &encoder_.forward(x, rows + further());
  head_.forward(*encoded_, rows + further());
}

void BatchPass::findNonzeros(int64_t rows) {
  if (!skipsZeros_) return;
  const bool areFew = nonzeros_.find(*context_.pool, floats(x.value), rows, x.value.size(1), isTraining_);
  x.nonzeros = areFew ? &nonzeros_ : nullptr;
}

std::pair<at::Tensor, at::Tensor> BatchPass::moments(int64_t rows) {
  findNonzeros(rows);
  head_.forward(encoder_.forward(x, rows), rows);
  return posterior_->moments(context_, head(), rows);
}

void BatchPass::sample(int64_t rows) {
  if (importanceCost_) {
    importanceCost_->sample(head(), noise, rows, z);
  } else {
    posterior_->sample(context_, head(), noise, rows, z, kl);
  }
}

void BatchPass::price(int64_t rows, int64_t examples, const KlWeight& weight, bool withGradient) {
  if (aggregateCost_) {
    aggregateCost_->evaluate({head(), noise, z.value, priorDraws, rows, examples}, weight.beta, withGradient);
  } else {
    klCost_.evaluate(head(), weight, rows);
  }
}

void BatchPass::decode(int64_t rows) {
  decoded_ = &decoder_.forward(z, rows * draws());
}

void BatchPass::reconstruct(int64_t rows, bool withGradient) {
  Activations* gradient = withGradient ? &decoder_.outputGradient() : nullptr;
  if (importanceCost_) {
    importanceCost_->reconstruct(*likelihood_, x.value, *decoded_, rows, reconstruction, gradient);
  } else {
    likelihood_->negativeLogProb(context_, x.value, *decoded_, rows, reconstruction, gradient);
  }
}

void BatchPass::backward(int64_t rows, const KlWeight& beta) {
  decoder_.backward(&zGradient_, rows * draws());
  headBackward(rows, beta);
  if (!encoder_.empty()) {
    head_.inputGradient(encoder_.lastActivation(), encoder_.outputGradient(), rows + further());
    encoder_.backward(nullptr, rows + further());
  }
  if (further() == 0) return;
  Dense& first = encoder_.empty() ? head_ : static_cast<Dense&>(*encoder_.layers().front());
  first.inputGradientOfRows(rows, further(), posterior_->furtherGradients());
}

void BatchPass::headBackward(int64_t rows, const KlWeight& beta) {
  if (importanceCost_) {
    importanceCost_->backward(head(), noise, z.value, zGradient_.value, rows, head_.outputGradient);
    return;
  }
  const at::Tensor others = aggregateCost_ ? aggregateCost_->gradients() : at::Tensor();
  const KlWeight ofKl = aggregateCost_ ? KlWeight(beta.beta * aggregateCost_->klShare()) : beta;
  posterior_->backward(context_, head(), noise, {zGradient_.value, ofKl, klCost_.factors(), others}, rows,
                       head_.outputGradient);
}

template <class F>
void BatchPass::forLayers(int64_t rows, const F& f) {
  for (const auto& layer : decoder_.layers()) f(*layer, rows * draws());
  f(head_, rows);
  for (const auto& layer : encoder_.layers()) f(*layer, rows);
}

const std::vector<cpu::WeightProduct>& BatchPass::weightProducts() {
  products_.clear();
  forLayers(0, [&](const Layer& layer, int64_t /*rows*/) {
    if (layer.weightProduct() != nullptr) products_.push_back(*layer.weightProduct());
  });
  return products_;
}

std::vector<GradientPart> BatchPass::gradientParts(int64_t rows) {
  std::vector<GradientPart> parts;
  forLayers(rows, [&](const Layer& layer, int64_t own) { layer.gradientParts(own, parts); });
  return parts;
}

void BatchPass::finishGradients(Parameters& parameters, int64_t rows, const OptimizerSettings& settings,
                                StepState* state, const ScheduleRow* schedule) {
  forLayers(rows, [&](Layer& layer, int64_t own) { layer.weightGradient(own); });
  context_.kernels->finishGradients(gradientParts(rows), rows, parameters.gradients, partials_,
                                    {reconstruction, kl, {}, klCost_.cost()}, settings, state, schedule);
}

void BatchPass::optimize(Parameters& parameters, int64_t rows, const OptimizerSettings& settings,
                         StepState* state, const ScheduleRow* schedule) {
  const at::Tensor rounded = context_.bf16 ? parameters.roundedWeights : at::Tensor();
  context_.kernels->optimize({parameters.values, parameters.gradients, parameters.firstMoments,
                              parameters.secondMoments, rounded, partials_},
                             partials_.size(0), rows, settings, state, schedule);
}

void BatchPass::weightGradients(Parameters& parameters, int64_t rows) {
  if (context_.kernels != nullptr) {
    finishGradients(parameters, rows, {}, nullptr, nullptr);
    return;
  }
  posterior_->weightGradients(context_, parameters);
  likelihood_->weightGradients(context_, parameters);
  forLayers(rows, [&](Layer& layer, int64_t own) {
    if (layer.weightProduct() == nullptr) layer.weightGradient(own);
  });
  if (context_.tiled()) {
    cpu::weightGradients(*context_.pool, weightProducts(), parameters.gradients.data_ptr<float>());
  }
}

bool BatchPass::updateWeights(Parameters& parameters, int64_t rows,
                              const cpu::OptimizerCoefficients& coefficients) {
  if (!context_.tiled()) return false;
  bool isBounded = true;
  others_.clear();
  posterior_->weightGradients(context_, parameters);
  likelihood_->weightGradients(context_, parameters);
  for (const FlatRange& own : {posterior_->parameterRange(), likelihood_->parameterRange()}) {
    if (own.count > 0) others_.push_back(own);
  }
  forLayers(rows, [&](Layer& layer, int64_t own) {
    if (layer.weightProduct() != nullptr) {
      isBounded = isBounded && layer.weightGradientBounded(own + further());
      return;
    }
    layer.weightGradient(own);
    others_.push_back(layer.parameterRange());
  });
  return isBounded && updateAtOnce(context_, parameters, weightProducts(), others_, coefficients);
}

}  // namespace torchvae::fused
