// What follows a model's training on a device: the weights' moving average, running statistics, codebooks.
// Each against the loop's, and the average against its definition.
#include <cmath>
#include <limits>
#include <set>

#include "check.h"
#include "data/resident.h"
#include "part.h"
#include "runs.h"

namespace torchvae::check {
namespace {

twin::TwinPart part;
Kernels kernelsOf(part);
const c10::Device kCpu(c10::kCPU);
const Context kDevice{kCpu, c10::kFloat, nullptr, &kernelsOf},
    kExact{kCpu, c10::kDouble, nullptr, &kernelsOf};

struct Followed {
  const char* name;
  ModelSpec spec;
};

// Models that have buffers, on libtorch's derivatives.
std::vector<Followed> followedModels() {
  ModelSpec table = smallSpec(), images = smallSpec(), codebook = smallSpec();
  table.encoder.norm = table.decoder.norm = NormKind::kBatch;
  images.inputShape = {1, 6, 5};
  images.encoder.type = images.decoder.type = "residual";
  images.encoder.channels = {3, 4};
  images.decoder.channels = {4, 3};
  images.encoder.norm = images.decoder.norm = NormKind::kBatch;
  images.encoder.dropout = 0.1;
  codebook.posterior = {
      "vector-quantized", {{"positions", 2}, {"codes", 6}, {"commitment", 0.25}, {"decay", 0.9}}, {}, {}};
  codebook.prior.type = "categorical";
  return {{"batch norm", table}, {"batch norm of images", images}, {"a codebook", codebook}};
}

OptimizerSettings averaged(double decay = 0.9) {
  OptimizerSettings settings;
  settings.averageDecay = decay;
  return settings;
}

// 80 examples of smallSpec's size, of which those of the `refused` batches of 8 have no finite loss.
std::shared_ptr<ResidentDataset> dataOf(const std::set<int64_t>& refused) {
  std::vector<float> values(80 * 30);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7 % 13) / 12;
  for (const int64_t batch : refused)
    values[static_cast<size_t>(batch * 8 * 30 + 11)] = std::numeric_limits<float>::quiet_NaN();
  return std::make_shared<ResidentDataset>(kCpu, HostArray{values.data(), false, 80, 30});
}

TrainChunk chunkInOrder(const std::shared_ptr<Dataset>& data, int64_t first, int64_t steps, bool skips) {
  TrainChunk chunk = chunkOf(data, 0, first, steps, 8);
  chunk.shuffle = false;
  chunk.optimizer = averaged();
  chunk.optimizer.skipNonFinite = skips;
  return chunk;
}

using State = std::map<std::string, StateValues>;
State stateOf(const VaeModel& model) {
  State state;
  for (const StateTensor& tensor : model.stateTensors()) state[tensor.name] = model.readState(tensor.name);
  return state;
}

bool hasAverage(const State& state) {
  return std::ranges::any_of(state, [](const auto& entry) { return entry.first.starts_with("average."); });
}

void nearState(const State& came, const State& wanted, double tolerance) {
  EXPECT(came.size() == wanted.size());
  for (const auto& [name, values] : wanted) {
    const StateValues& own = came.at(name);
    EXPECT(own.size() == values.size());
    for (size_t i = 0; i < values.doubles.size(); ++i) NEAR(own.doubles[i], values.doubles[i], tolerance);
    for (size_t i = 0; i < values.floats.size(); ++i) NEAR(own.floats[i], values.floats[i], tolerance);
  }
}

template <class Body>
void forModels(const Body& body) {
  for (const auto& [name, spec] : followedModels()) {
    try {
      body(spec);
    } catch (const Failure& failure) {
      throw Failure{std::string(name) + ": " + failure.why};
    }
  }
}

// Whole runs, with averages, by graphs of many steps and of one, and in the loop, on the device and on the
// CPU. An epoch's last batch is of one example, which is normalized by the running statistics.
void testRuns() {
  Pool pool(1);
  const Context loop{kCpu, c10::kDouble, &pool};
  forModels([&](const ModelSpec& spec) {
    const auto run = [&](const Context& context, int64_t most) {
      return trained(context, 109, 4, most, true, spec, averaged());
    };
    const Run wanted = run(loop, 1000);
    int64_t replays = part.replays;
    const Run came = run(kExact, 1000);
    EXPECT(part.replays > replays && came.state.contains("average.encoder.0.weight"));
    sameRun(came, wanted, 2e-5);
    sameRun(run(kExact, 7), came, 0);
    const AskedStep asked("loop");
    replays = part.replays;
    sameRun(run(kExact, 1000), came, 2e-5);
    EXPECT(part.replays == replays);
  });
}

// The average of the weights after every update, by its definition.
void testAverages() {
  Context bf16 = kDevice;
  bf16.bf16 = true;
  const auto data = dataOf({});
  for (const char* step : {"", "fused", "layers"}) {
    const AskedStep asked(step);
    for (const double decay : {0.9, 0.3}) {
      for (const Context& context : {kDevice, bf16, kExact}) {
        VaeModel model(context, smallSpec(), 1, false), whole(context, smallSpec(), 1, false);
        State wanted;
        for (int64_t i = 0; i < 5; ++i) {
          TrainChunk chunk = chunkInOrder(data, i, 1, false);
          chunk.optimizer = averaged(decay);
          EXPECT(model.train(chunk).steps == 1);
          for (const auto& [name, values] : stateOf(model)) {
            if (name.starts_with("average.") || name.starts_with("optimizer.")) continue;
            StateValues& average = wanted["average." + name];
            if (i == 0) average = values;
            for (size_t j = 0; j < values.floats.size(); ++j)
              average.floats[j] += static_cast<float>((1 - decay) * (values.floats[j] - average.floats[j]));
            for (size_t j = 0; j < values.doubles.size(); ++j)
              average.doubles[j] += (1 - decay) * (values.doubles[j] - average.doubles[j]);
          }
        }
        const State came = stateOf(model);
        for (const auto& [name, values] : wanted) nearState({{name, came.at(name)}}, {{name, values}}, 1e-6);
        TrainChunk chunk = chunkInOrder(data, 0, 5, false);
        chunk.optimizer = averaged(decay);
        whole.train(chunk);
        EXPECT(stateOf(whole) == came);
      }
    }
  }
}

// Updates that are left out, the first among them, and a run of nothing else, which begins no average.
void testSkipped() {
  Pool pool(1);
  const auto data = dataOf({0, 5, 9});
  const auto check = [&](const ModelSpec& spec) {
    VaeModel captured(kExact, spec, 1, false), loop({kCpu, c10::kDouble, &pool}, spec, 1, false);
    const State begin = stateOf(captured);
    for (VaeModel* model : {&captured, &loop}) {
      EXPECT(model->train(chunkInOrder(data, 0, 1, true)).skipped == 1 && model->step() == 1);
      EXPECT(!hasAverage(stateOf(*model)));
    }
    EXPECT(stateOf(captured) == begin);
    // Epochs of ten steps, so that graphs take them too.
    for (int epoch = 0; epoch < 2; ++epoch) {
      const TrainChunk chunk = chunkInOrder(data, 0, 10, true);
      EXPECT(captured.train(chunk).skipped == 3 && loop.train(chunk).skipped == 3);
    }
    EXPECT(hasAverage(stateOf(captured)));
    nearState(stateOf(captured), stateOf(loop), 2e-5);
  };
  forModels(check);
  for (const char* step : {"", "fused", "layers"}) {
    const AskedStep asked(step);
    check(smallSpec());
  }
}

// A batch that is refused ends the run, with all as it was before.
void testStopped() {
  Pool pool(1);
  const auto data = dataOf({7});
  const auto check = [&](const Context& context, const ModelSpec& spec) {
    VaeModel stopped(context, spec, 1, false), shorter(context, spec, 1, false),
        loop({kCpu, context.dtype, &pool}, spec, 1, false);
    const TrainResult came = stopped.train(chunkInOrder(data, 0, 10, false));
    const TrainResult wanted = loop.train(chunkInOrder(data, 0, 10, false));
    EXPECT(came.reason == StopReason::kNonFinite && came.steps == 7 && wanted.steps == 7);
    EXPECT(!came.faults.empty() && came.faults == wanted.faults);
    shorter.train(chunkInOrder(data, 0, 7, false));
    EXPECT(stateOf(stopped) == stateOf(shorter));
    // The batch is as bad as before, by graphs of the steps before.
    EXPECT(stopped.train(chunkInOrder(data, 7, 3, false)).steps == 0);
    EXPECT(stateOf(stopped) == stateOf(shorter));
  };
  forModels([&](const ModelSpec& spec) { check(kExact, spec); });
  for (const char* step : {"", "fused", "layers"}) {
    const AskedStep asked(step);
    check(kDevice, smallSpec());
  }
}

// An abort amid a chunk, then a model that takes the state over and goes on to the bits of a run in one go.
void testAbortAndResume() {
  const auto data = dataOf({3});
  const auto check = [&](const ModelSpec& spec) {
    VaeModel whole(kExact, spec, 1, false), cut(kExact, spec, 1, false), resumed(kExact, spec, 1, false);
    whole.train(chunkInOrder(data, 0, 10, true));
    TrainChunk chunk = chunkInOrder(data, 0, 10, true);
    chunk.abort = std::make_shared<std::atomic<bool>>(false);
    part.onReplay = [&, left = 4]() mutable {
      if (--left == 0) chunk.abort->store(true);
    };
    const int64_t steps = cut.train(chunk).steps;
    part.onReplay = {};
    EXPECT(steps == 6);  // two that warm up, and four graphs of one step
    for (const auto& [name, values] : stateOf(cut)) resumed.writeState(name, values);
    resumed.setStep(cut.step());
    for (VaeModel* model : {&cut, &resumed}) {
      model->train(chunkInOrder(data, steps, 10 - steps, true));
      EXPECT(stateOf(*model) == stateOf(whole));
    }
  };
  forModels(check);
  const AskedStep layers("layers");
  check(smallSpec());
}

// A graph that cannot be captured leaves what the steps before it have come to.
void testFailedCapture() {
  const auto data = dataOf({});
  forModels([&](const ModelSpec& spec) {
    VaeModel failing(kExact, spec, 1, false), shorter(kExact, spec, 1, false);
    part.failCaptureIn = part.captures + 1;
    std::string code;
    try {
      failing.train(chunkInOrder(data, 0, 10, false));
    } catch (const Error& error) {
      code = error.code();
    }
    part.failCaptureIn = 0;
    EXPECT(code == "ERR_DEVICE" && failing.step() == 2);
    shorter.train(chunkInOrder(data, 0, 2, false));
    EXPECT(stateOf(failing) == stateOf(shorter));
  });
}

// A step that is looked at follows as any other.
void testObserved() {
  const auto data = dataOf({});
  forModels([&](const ModelSpec& spec) {
    VaeModel watched(kExact, spec, 1, false), plain(kExact, spec, 1, false);
    for (int64_t i = 0; i < 5; ++i) {
      TrainChunk chunk = chunkInOrder(data, 2 * i, 2, false);
      chunk.observe = true;
      EXPECT(!watched.train(chunk).norms.empty());
    }
    plain.train(chunkInOrder(data, 0, 10, false));
    EXPECT(stateOf(watched) == stateOf(plain));
  });
}

}  // namespace

void checkFollowing() {
  test("running statistics, codebooks and averages in graphs are the loop's", testRuns);
  test("averages by their definition, by every kind of step", testAverages);
  test("nothing follows an update that is left out", testSkipped);
  test("nothing follows the batch that ends a run", testStopped);
  test("what follows goes on after an abort, and in a model that takes it over", testAbortAndResume);
  test("what follows is whole after a capture that fails", testFailedCapture);
  test("what follows a step that is looked at", testObserved);
}

}  // namespace torchvae::check
