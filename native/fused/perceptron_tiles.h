// In which tiles a perceptron's kernels take its products, and by which of them its step goes.
#pragma once

#include "fused/batch_pass.h"
#include "kernels/perceptron.h"

namespace torchvae::fused {

const DenseSlots& slotsOf(const LayerPlan& plan);

// For batches of up to `capacity` examples. A function of shapes and of the device's kind.
PerceptronKind perceptronKind(const Context& context, const VaePlan& plan, const ModelSpec& spec,
                              int64_t capacity);

}  // namespace torchvae::fused
