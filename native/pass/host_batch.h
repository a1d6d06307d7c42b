// Rows of the host as a batch: what questions to a model are about.
#pragma once

#include "engine.h"
#include "pass/pass.h"

namespace torchvae {

// A batch of values of the host: rows [first, first + rows) of x.
struct HostInput {
  const HostArray& x;
  int64_t first;
  int64_t rows;
  const NoiseSource& noise;
};

// A pass over a batch, weighed by `schedule`.
Pass makePass(const Context& context, Draws& draws, const StepSchedule& schedule, bool training);

// One-hot [rows, classes], undefined for a model without labels. Throws ERR_SHAPE where labels are missing,
// ERR_RANGE for one that is of no class.
Tensor loadLabels(const Context& context, const ModelSpec& spec, const int32_t* labels, int64_t rows);

// x on the device, pixels divided by 255, with its labels in the pass. Throws as loadLabels() does.
Tensor loadRows(const Context& context, const ModelSpec& spec, const HostInput& input, Pass& pass);

// Answers the first request for noise with the input's values, [rows, codeSize], where it has some.
void giveNoise(const Context& context, const HostInput& input, int64_t codeSize, Draws& draws);

// A number for each of these rows that depends on its values alone: a row's noise is drawn by it, so that
// what a model says of a row depends neither on the row's place nor on the rows beside it.
std::vector<uint64_t> keysOfRows(const HostInput& input);
// Draws by these keys, from the input's seed and the `place` of the draw among several.
Draws drawsByRow(const Context& context, const HostInput& input, uint64_t place = 0);

}  // namespace torchvae
