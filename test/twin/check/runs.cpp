#include "runs.h"

#include <algorithm>
#include <random>

#include "check.h"
#include "data/resident.h"

namespace torchvae::check {

namespace {

std::vector<double> valuesOf(const StateValues& values) {
  if (!values.doubles.empty()) return values.doubles;
  return {values.floats.begin(), values.floats.end()};
}

}  // namespace

TrainChunk chunkOf(const std::shared_ptr<Dataset>& data, int64_t epoch, int64_t first, int64_t steps,
                   int64_t batch) {
  TrainChunk chunk;
  chunk.data = data;
  chunk.orderSeed = 3;
  chunk.epoch = epoch;
  chunk.firstStep = first;
  chunk.steps = steps;
  chunk.batchSize = batch;
  for (int64_t i = 0; i < steps; ++i)
    chunk.schedule.push_back(
        {1e-3 * static_cast<double>(1 + (first + i) % 5), 0.1 * static_cast<double>(epoch + 1)});
  return chunk;
}

Run train(VaeModel& model, const ModelSpec& spec, int64_t rows, int64_t batch, int64_t most, bool bytes,
          const OptimizerSettings& optimizer) {
  std::mt19937 draw(5);
  const int64_t columns = spec.inputSize();
  std::vector<uint8_t> pixels(rows * columns);
  for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(draw());
  std::vector<float> values(pixels.begin(), pixels.end());
  for (float& value : values) value /= 255;
  const void* from = bytes ? static_cast<const void*>(pixels.data()) : values.data();
  std::vector<int32_t> labels(rows);
  for (int64_t i = 0; i < rows; ++i) labels[i] = static_cast<int32_t>(i % 3);
  const auto data = std::make_shared<ResidentDataset>(c10::Device(c10::kCPU),
                                                      HostArray{from, bytes, rows, columns, labels.data()});
  Run run;
  const int64_t batches = (rows + batch - 1) / batch;
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    LossSums sums;
    for (int64_t first = 0; first < batches; first += most) {
      TrainChunk chunk = chunkOf(data, epoch, first, std::min(most, batches - first), batch);
      chunk.sums = sums;
      chunk.optimizer = optimizer;
      run.last = model.train(chunk);
      sums = run.last.sums;
      if (run.last.reason != StopReason::kDone || run.last.steps != chunk.steps)
        throw Failure{"stopped early"};
    }
  }
  run.step = model.step();
  for (const StateTensor& tensor : model.stateTensors())
    run.state[tensor.name] = valuesOf(model.readState(tensor.name));
  return run;
}

Run trained(const Context& context, int64_t rows, int64_t batch, int64_t most, bool bytes,
            const ModelSpec& spec, const OptimizerSettings& optimizer) {
  VaeModel model(context, spec, 11, false);
  return train(model, spec, rows, batch, most, bytes, optimizer);
}

void sameRun(const Run& a, const Run& b, double tolerance) {
  EXPECT(a.step == b.step && a.last.sums.examples == b.last.sums.examples);
  NEAR(a.last.sums.loss, b.last.sums.loss, tolerance);
  NEAR(a.last.sums.reconstruction, b.last.sums.reconstruction, tolerance);
  NEAR(a.last.sums.kl, b.last.sums.kl, tolerance);
  EXPECT(a.last.sums.terms.size() == b.last.sums.terms.size());
  for (size_t i = 0; i < b.last.sums.terms.size(); ++i) {
    NEAR(a.last.sums.terms[i], b.last.sums.terms[i], tolerance);
  }
  for (const auto& [name, wanted] : b.state) {
    const std::vector<double>& came = a.state.at(name);
    EXPECT(came.size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) NEAR(came[i], wanted[i], 10 * tolerance);
  }
}

}  // namespace torchvae::check
