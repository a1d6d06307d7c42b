// A step by fused kernels, with derivatives written out.
#pragma once

#include <memory>

#include "fused/batch_pass.h"
#include "fused/block.h"
#include "fused/perceptron.h"
#include "step/step.h"

namespace torchvae {

class FusedStep : public Step {
 public:
  // `plan` says where in store.model the layers' tensors lie.
  FusedStep(const Context& context, const ModelSpec& spec, Store& store, fused::VaePlan plan);

  bool reserve(int64_t rows) override;
  fused::BlockPerceptron* block() override { return block_.get(); }
  bool mayOverlap() const override { return perceptron_ != nullptr; }
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
  void prepare(int64_t rows);  // for batches of up to `rows`
  fused::BatchPass& evaluationPass(int64_t rows);
  fused::BatchPass& oneDrawPass(int64_t rows);
  BatchSource sourceOf(const StepInput& input) const;
  void load(fused::BatchPass& pass, const StepInput& input) const;
  void load(fused::BatchPass& pass, const HostInput& input) const;
  void loadNoise(fused::BatchPass& pass, const HostInput& input) const;
  void forward(fused::BatchPass& pass, int64_t rows, bool withGradient);
  // What training minimizes, of a batch that went forward, from a data set of `examples`.
  void price(int64_t examples, const KlWeight& weight, bool withGradient);

  const Context& context_;
  const ModelSpec& spec_;
  const Store& store_;
  Parameters& parameters_;
  fused::VaePlan plan_;
  std::unique_ptr<fused::BatchPass> training_, evaluation_, oneDraw_, asked_;
  // On a device at most one of these: what takes whole chunks, and what takes the training batches that a
  // clock points to.
  std::unique_ptr<fused::BlockPerceptron> block_;
  std::unique_ptr<fused::Perceptron> perceptron_;
  // Of the batch that was taken last.
  fused::BatchPass* pass_ = nullptr;  // null where the perceptron took it
  int64_t rows_ = 0;
  double beta_ = 0;
};

}  // namespace torchvae
