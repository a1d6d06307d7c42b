// Training runs of small models, which the checks compare.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "check.h"
#include "engine.h"
#include "model/model.h"

namespace torchvae::check {

// Where a run of two epochs came to.
struct Run {
  TrainResult last;
  std::map<std::string, std::vector<double>> state;
  int64_t step = 0;
};

TrainChunk chunkOf(const std::shared_ptr<Dataset>& data, int64_t epoch, int64_t first, int64_t steps,
                   int64_t batch);

// Two epochs of `rows` examples, in chunks of at most `most` steps.
Run train(VaeModel& model, const ModelSpec& spec, int64_t rows, int64_t batch, int64_t most, bool bytes,
          const OptimizerSettings& optimizer = {});
Run trained(const Context& context, int64_t rows, int64_t batch, int64_t most, bool bytes,
            const ModelSpec& spec = smallSpec(), const OptimizerSettings& optimizer = {});

// That sums are within `tolerance`, weights and moments within ten times that.
void sameRun(const Run& a, const Run& b, double tolerance);

}  // namespace torchvae::check
