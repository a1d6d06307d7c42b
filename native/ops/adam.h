// Adam (Kingma and Ba 2015, algorithm 1) over one flat buffer, in the arithmetic of torch.optim.Adam.
#pragma once

#include "context.h"
#include "cpu/adam.h"
#include "engine.h"
#include "parameters.h"

namespace torchvae {

// What a step's number makes of the settings; `step` counts from 1.
cpu::AdamCoefficients adamCoefficients(const OptimiserSettings& settings, double learningRate, int64_t step);

// One update from parameters.gradients; `step` counts from 1.
void adamStep(const Context& context, Parameters& parameters, const OptimiserSettings& settings,
              double learningRate, int64_t step);

}  // namespace torchvae
