// The optimizers of torch.optim over one flat buffer.
//
// In this order: the gradients of the batches are averaged, the norm of the whole is cut, then the magnitude
// of each value; penalties (L2 by `weightDecay`, L1) are added; the rule of the optimizer follows.
#pragma once

#include "base/context.h"
#include "cpu/optimizer.h"
#include "engine.h"
#include "store/parameters.h"

namespace torchvae {

// Where an update stands, and what it starts from.
struct UpdatePoint {
  double learningRate = 0;
  int64_t step = 1;     // of this update, counted from 1
  int64_t batches = 1;  // whose gradients' sum parameters.gradients holds
  double squares = 0;   // of that sum, as sumOfSquares() finds it; read where the norm is cut, on the CPU
};

// What a step's number makes of the settings, for one batch and with the norm as it is.
cpu::OptimizerCoefficients optimizerCoefficients(const OptimizerSettings& settings, double learningRate,
                                                 int64_t step);

// Whether a value's update depends on its own gradient alone, so that it can be made as soon as that is
// known.
inline bool isElementwise(const OptimizerSettings& settings) {
  return settings.clipNorm == 0 && settings.accumulate == 1;
}

// Of parameters.gradients; finite only if all of them are. Waits for the device.
double sumOfSquares(const Context& context, const Parameters& parameters);

// Takes one batch's gradients into the sum over its group, the `first` or the `last` of which it may be;
// after the last, the sum is in parameters.gradients.
void accumulateGradients(const Context& context, Parameters& parameters, bool first, bool last);

// One update from parameters.gradients. Waits for nothing.
void optimizerStep(const Context& context, Parameters& parameters, const OptimizerSettings& settings,
                   const UpdatePoint& point);

// The update of an elementwise optimizer, on the CPU, by the gradients in `products`, which are made on the
// way, and by those of the `others`, which are there. Returns false, with the weights as they were, where one
// of the latter is not finite.
bool updateAtOnce(const Context& context, Parameters& parameters,
                  const std::vector<cpu::WeightProduct>& products, const std::vector<FlatRange>& others,
                  const cpu::OptimizerCoefficients& coefficients);

// The moving average of the weights, after an update: the weights themselves the first time
// (Polyak and Juditsky 1992; torch.optim.swa_utils with an exponential average).
void averageWeights(const Context& context, Parameters& parameters, double decay);

}  // namespace torchvae
