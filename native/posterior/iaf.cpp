// The inverse autoregressive flow (Kingma et al. 2016, algorithm 1): a diagonal Gaussian draw, carried
// through masked perceptrons that each make gate and shift of a dimension from those before it, and from a
// context h:
//   z <- s z + (1 - s) m with s = sigmoid(gate),  log q decreases by sum log s.
// The order of the dimensions is reversed between the steps.

#include <ATen/ops/zeros.h>

#include "ops/flow.h"
#include "ops/gaussian_draw.h"
#include "posterior/tables.h"
#include "store/flow_tensors.h"

namespace torchvae {
namespace {

// Declares or finds a step's perceptron.
FlowStep makeStep(Weights& weights, const ModelSpec& spec, int64_t index) {
  FlowStep step;
  const std::array<FlowTensor, 6> tensors = flowTensors(spec, index);
  size_t i = 0;
  for (Tensor* leaf : {&step.firstWeight, &step.firstBias, &step.contextWeight, &step.contextBias,
                       &step.secondWeight, &step.secondBias}) {
    const FlowTensor& tensor = tensors[i++];
    *leaf = weights.parameter(tensor.name, tensor.shape, tensor.init).leaf();
  }
  if (weights.declaring()) return step;
  const FlowMasks masks = flowMasks(spec, step.secondBias.options().requires_grad(false));
  step.firstMask = masks.first;
  step.secondMask = masks.second;
  return step;
}

class InverseAutoregressiveFlow : public Posterior {
 public:
  InverseAutoregressiveFlow(Weights& weights, const ModelSpec& spec, int64_t features)
      : latentSize_(spec.latentSize),
        head_(weights, "posterior.mean", "posterior.logVariance", features, spec.latentSize) {
    context_ = Linear(weights, "posterior.context", features, spec.posterior.integer("context"));
    for (int64_t i = 0; i < spec.posterior.integer("steps"); ++i)
      steps_.push_back(makeStep(weights, spec, i));
  }

  int64_t codeSize() const override { return latentSize_; }
  bool hasDensity() const override { return true; }

  Latent rsample(const Tensor& features, Pass& pass) const override {
    const Tensor noise = pass.draws.normal({features.size(0), latentSize_});
    const GaussianDraw draw = drawGaussian(pass.draws.context(), head_(features), noise);
    const Flowed flowed = flow(pass, {draw.z, draw.logQ}, features);
    Latent latent;
    latent.z = flowed.z;
    latent.logQ = flowed.logQ;
    return latent;
  }

  // The flow has no moments in closed form: the base's mean is carried through it, and the base's variance is
  // given as it is.
  Gaussian moments(const Tensor& features, Pass& pass) const override {
    const Gaussian base = Gaussian::of(head_(features));
    const Tensor unread = at::zeros({features.size(0)}, features.options());
    return {flow(pass, {base.mean, unread}, features).z, base.logVariance};
  }

 private:
  Flowed flow(const Pass& pass, const Flowed& base, const Tensor& features) const {
    return autoregressiveFlow(pass.draws.context(), steps_, base, context_(features, ActivationKind::kElu));
  }

  int64_t latentSize_;
  LinearPair head_;
  Linear context_;
  std::vector<FlowStep> steps_;
};

}  // namespace

std::unique_ptr<Posterior> makeInverseAutoregressiveFlow(Weights& weights, const ModelSpec& spec,
                                                         int64_t features) {
  return std::make_unique<InverseAutoregressiveFlow>(weights, spec, features);
}

}  // namespace torchvae
