// A step by libtorch's operations and derivatives: for every model, on every device.
#pragma once

#include "objective/objective.h"
#include "step/step.h"
#include "store/weights.h"

namespace torchvae {

class ReferenceStep : public Step {
 public:
  ReferenceStep(const Context& context, const ModelSpec& spec, Store& store, const Vae& vae,
                const Objective& objective);

  void differentiate(const StepInput& input) override;
  void differentiate(const HostInput& input, const StepSchedule& schedule) override;
  void evaluate(const StepInput& input) override;
  bool addLosses(LossSums& sums) override;
  void makeGradients() override;
  bool updateAtOnce(const cpu::OptimizerCoefficients& coefficients) override;
  void judge(const DeviceClock& clock, bool isSummand) override;
  void update(const DeviceClock& clock) override;
  std::pair<at::Tensor, at::Tensor> encode(const HostInput& input) override;
  std::pair<at::Tensor, at::Tensor> losses(const HostInput& input) override;

 private:
  Tensor load(const StepInput& input, Pass& pass) const;
  void backward(const Tensor& x, int64_t examples, Pass& pass);

  const Context& context_;
  const ModelSpec& spec_;
  Store& store_;
  const Vae& vae_;
  const Objective& objective_;
  // Of the batch that was taken last.
  Terms terms_;
  int64_t rows_ = 0;
  // For judge(): the whole flat gradient, its sums of squares, sums of the objective's further terms.
  std::vector<GradientPart> all_;
  Tensor partials_, extra_;
};

}  // namespace torchvae
