// The graph executor's manners against the plain loop's, on models whose parts have fused kernels and on
// those of libtorch's derivatives.
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "check.h"
#include "data/resident.h"
#include "fused/coverage.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "part.h"
#include "runs.h"
#include "step/fused_step.h"

namespace torchvae::check {
namespace {

twin::TwinPart part;
Kernels kernelsOf(part);

void testExecutor() {
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  const Context loop{cpu, c10::kFloat, &pool}, graphs{cpu, c10::kFloat, nullptr, &kernelsOf};
  // 70 whole batches and one of 3; fewer examples than a batch; whole batches alone.
  for (const auto& [rows, batch] : {std::pair<int64_t, int64_t>{563, 8}, {5, 8}, {64, 8}}) {
    for (const bool bytes : {true, false}) {
      const Run wanted = trained(loop, rows, batch, 1000, bytes);
      const Run whole = trained(graphs, rows, batch, 1000, bytes);
      sameRun(whole, wanted, 1e-4);
      // Cut elsewhere: the same bits.
      sameRun(trained(graphs, rows, batch, 13, bytes), whole, 0);
      sameRun(trained(graphs, rows, batch, 1, bytes), whole, 0);
    }
  }
  const Context exact{cpu, c10::kDouble, &pool}, exactGraphs{cpu, c10::kDouble, nullptr, &kernelsOf};
  sameRun(trained(exactGraphs, 563, 8, 1000, true), trained(exact, 563, 8, 1000, true), 2e-6);
}

void testCaptures() {
  const AskedStep graphsAlone("fused");
  const Context graphs{c10::Device(c10::kCPU), c10::kFloat, nullptr, &kernelsOf};
  const int64_t captures = part.captures, replays = part.replays, launches = part.launches;
  trained(graphs, 563, 8, 1000, true);
  // Of 2 x 70 whole steps two warm up; 2 x 2 graphs of 25 and 2 x 20 - 2 of one follow. The two of the last
  // batch warm up.
  EXPECT(part.captures - captures == 2);
  EXPECT(part.replays - replays == 2 * 2 + (2 * 20 - 2));
  // Six kernels in all 2 x 71 steps, but in four graphs 24 of 25 batches are loaded by the step before.
  EXPECT(part.launches - launches == 2 * 71 * 6 - 4 * 24);
}

void testManyStepsOfOneChunk() {
  // More steps than the schedule's buffer holds.
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  ModelSpec tiny = smallSpec();
  tiny.inputShape = {3};
  tiny.encoder.hidden = {4};
  tiny.decoder.hidden = {4};
  tiny.latentSize = 2;
  const Run wanted = trained({cpu, c10::kDouble, &pool}, 1100, 1, 100000, true, tiny);
  sameRun(trained({cpu, c10::kDouble, nullptr, &kernelsOf}, 1100, 1, 100000, true, tiny), wanted, 1e-5);
}

void testStops() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  std::vector<float> values(400 * 30, 0.5f);
  const auto data = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 400, 30});
  for (const bool onGraphs : {true, false}) {
    VaeModel model(
        onGraphs ? Context{cpu, c10::kFloat, nullptr, &kernelsOf} : Context{cpu, c10::kFloat, &pool},
        smallSpec(), 1, false);
    TrainChunk chunk = chunkOf(data, 0, 0, 50, 8);
    chunk.abort = std::make_shared<std::atomic<bool>>(true);
    TrainResult result = model.train(chunk);
    EXPECT(result.reason == StopReason::kAborted && result.steps == 0 && model.step() == 0);
    chunk.abort->store(false);
    // A learning rate that no weights survive, at step 30: the guard sees it in a later step.
    chunk.schedule[30].learningRate = 1e30;
    result = model.train(chunk);
    EXPECT(result.reason == StopReason::kNonFinite);
    EXPECT(result.steps == 31 && model.step() == 31 && result.sums.examples == 31 * 8);
    EXPECT(std::isfinite(result.sums.reconstruction) && std::isfinite(result.sums.kl));
  }
}

// A step that is looked at, and one that is refused, tell what the loop's tell.
void testObserver() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  std::vector<float> values(400 * 30, 0.5f);
  const auto data = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 400, 30});
  std::vector<TrainResult> looked, refused;
  for (const bool onGraphs : {true, false}) {
    VaeModel model(
        onGraphs ? Context{cpu, c10::kFloat, nullptr, &kernelsOf} : Context{cpu, c10::kFloat, &pool},
        smallSpec(), 1, false);
    TrainChunk chunk = chunkOf(data, 0, 0, 30, 8);
    chunk.observe = true;
    looked.push_back(model.train(chunk));
    chunk = chunkOf(data, 0, 30, 20, 8);
    chunk.schedule[10].learningRate = 1e30;
    refused.push_back(model.train(chunk));
  }
  EXPECT(looked[0].steps == 30 && looked[0].norms.size() == looked[1].norms.size());
  for (size_t i = 0; i < looked[0].norms.size(); ++i) {
    const TensorNorms &came = looked[0].norms[i], &wanted = looked[1].norms[i];
    EXPECT(came.name == wanted.name && wanted.gradient > 0 && wanted.update > 0);
    NEAR(came.gradient / wanted.gradient, 1, 1e-3);
    NEAR(came.update / wanted.update, 1, 1e-3);
    NEAR(came.weight / wanted.weight, 1, 1e-4);
  }
  EXPECT(refused[0].reason == StopReason::kNonFinite && refused[0].steps == refused[1].steps);
  EXPECT(!refused[0].faults.empty() && refused[0].faults == refused[1].faults);
}

// Squared error of a point: what the codes are is no matter, and large data overflow in the gradient first.
ModelSpec pointSpec() {
  ModelSpec spec = smallSpec();
  spec.posterior.type = "deterministic";
  spec.likelihood = {"squared-error", {}, {{"link", "identity"}}, {}};
  return spec;
}

// The last step of a chunk is to be looked at, and is refused: there is no update to tell of.
void testObserverOfRefused() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  const Context loop{cpu, c10::kFloat, &pool}, graphs{cpu, c10::kFloat, nullptr, &kernelsOf};
  std::vector<float> values(400 * 30, 0.5f);
  const auto data = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 400, 30});
  for (const Context& context : {loop, graphs}) {
    VaeModel model(context, smallSpec(), 1, false);
    TrainChunk chunk = chunkOf(data, 0, 0, 20, 8);
    chunk.observe = true;
    chunk.optimizer.skipNonFinite = true;
    chunk.schedule[18].learningRate = 1e30;
    const TrainResult result = model.train(chunk);
    EXPECT(result.steps == 20 && result.skipped == 1 && result.norms.empty());
  }
  // The loss is finite, and the gradient's square is not.
  std::fill(values.begin(), values.end(), 1e12f);
  const auto large = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 400, 30});
  VaeModel model(loop, pointSpec(), 1, false);
  TrainChunk chunk = chunkOf(large, 0, 0, 1, 8);
  chunk.observe = true;
  const TrainResult result = model.train(chunk);
  EXPECT(result.reason == StopReason::kNonFinite && result.norms.empty());
  EXPECT(!result.faults.empty() && result.faults.front().find(".") != std::string::npos);
}

// Running statistics have seen a batch before it is refused.
void testBuffersOfRefused() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  ModelSpec spec = pointSpec();
  spec.encoder.norm = NormKind::kBatch;
  // A good batch, then one that overflows.
  std::vector<float> values(16 * 30, 3e38f);
  for (size_t i = 0; i < 8 * 30; ++i) values[i] = static_cast<float>(i % 7);
  const auto data = std::make_shared<ResidentDataset>(cpu, HostArray{values.data(), false, 16, 30});
  for (const bool skip : {false, true}) {
    VaeModel model({cpu, c10::kFloat, &pool}, spec, 1, false);
    TrainChunk chunk = chunkOf(data, 0, 0, 1, 8);
    chunk.shuffle = false;
    chunk.optimizer.skipNonFinite = skip;
    EXPECT(model.train(chunk).reason == StopReason::kDone);
    const auto before = model.readState("encoder.0.norm.running_var");
    chunk.firstStep = 1;
    const TrainResult result = model.train(chunk);
    EXPECT(result.skipped == (skip ? 1 : 0));
    EXPECT(result.reason == (skip ? StopReason::kDone : StopReason::kNonFinite));
    EXPECT(model.readState("encoder.0.norm.running_var") == before && before.floats.front() != 1);
  }
}

// A graph reads labels where they lie: data whose values lie where another's did may have theirs elsewhere.
void testLabelsElsewhere() {
  const c10::Device cpu(c10::kCPU);
  const Context graphs{cpu, c10::kFloat, nullptr, &kernelsOf};
  const std::vector<float> values(4 * 30, 0.5f);
  const std::vector<int32_t> labels(4);
  const HostArray array{values.data(), false, 4, 30, labels.data()};
  Store store;
  const ModelSpec spec = smallSpec();
  FusedStep step(graphs, spec, store, {});
  const Team alone(TrainChunk(), store);
  std::vector<at::Tensor> taken;
  for (int i = 0; i < 1000; ++i) {
    auto data = std::make_unique<ResidentDataset>(cpu, array);
    const GraphExecutor executor(graphs, step, store, *data, 0, 2, {}, 0, alone);
    EXPECT(executor.fits(*data, 2, {}, alone));
    const void* const place = data->values().const_data_ptr();
    const void* const ofLabels = data->labels().const_data_ptr();
    data.reset();
    taken.push_back(at::zeros({4}, c10::TensorOptions().dtype(c10::kLong)));
    const ResidentDataset other(cpu, array);
    if (other.values().const_data_ptr() != place || other.labels().const_data_ptr() == ofLabels) continue;
    EXPECT(!executor.fits(other, 2, {}, alone));
    return;
  }
#ifndef __SANITIZE_ADDRESS__  // which gives no place twice
  throw Failure{"no place was given twice"};
#endif
}

// As many layers as a kernel takes ranges for, and one more, which goes to the general model.
void testDeepNetworks() {
  const Context graphs{c10::Device(c10::kCPU), c10::kFloat, nullptr, &kernelsOf};
  ModelSpec spec = smallSpec();
  spec.encoder.hidden.assign(15, 4);
  spec.decoder.hidden.assign(15, 4);
  EXPECT(fused::obstacle(graphs, spec).empty());
  trained(graphs, 20, 8, 100, true, spec);
  spec.encoder.hidden.push_back(4);
  EXPECT(!fused::obstacle(graphs, spec).empty());
  VaeModel general(graphs, spec, 1, false);
  train(general, spec, 20, 8, 100, true);
}

// Models on libtorch's derivatives: the device's counters, draws and update give what the loop's give.
void testGeneralModels() {
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  const auto spec = [](const auto& change) {
    ModelSpec made = smallSpec();
    change(made);
    return made;
  };
  const std::pair<const char*, ModelSpec> all[] = {
      {"plain", smallSpec()},
      {"iwae", spec([](ModelSpec& s) {
         s.objective = {"iwae", {{"samples", 3}}, {}, {}};
       })},
      {"dip, which has further terms", spec([](ModelSpec& s) {
         s.objective = {"dip", {{"variant", 2}, {"offDiagonal", 2}, {"diagonal", 3}}, {}, {}};
       })},
      {"capacity, dropout, layer norm", spec([](ModelSpec& s) {
         s.objective.numbers["hasCapacity"] = 1;
         s.encoder.dropout = 0.2;
         s.encoder.norm = s.decoder.norm = NormKind::kLayer;
       })},
      {"relaxed categories", spec([](ModelSpec& s) {
         s.posterior = {"gumbel-softmax", {{"categories", 4}}, {}, {}};
         s.prior.type = "categorical";
       })},
      {"labels", spec([](ModelSpec& s) {
         s.condition = {3, true, true, false};
       })},
  };
  for (const auto& [name, wanted] : all) {
    try {
      VaeModel plain({cpu, c10::kDouble, &pool}, wanted, 11, false);
      VaeModel captured({cpu, c10::kDouble, nullptr, &kernelsOf}, wanted, 11, false);
      VaeModel cut({cpu, c10::kDouble, nullptr, &kernelsOf}, wanted, 11, false);
      const int64_t replays = part.replays;
      const Run whole = train(captured, wanted, 307, 8, 1000, true);
      EXPECT(part.replays > replays);
      sameRun(whole, train(plain, wanted, 307, 8, 1000, true), 2e-5);
      sameRun(train(cut, wanted, 307, 8, 7, true), whole, 0);
    } catch (const Failure& failure) {
      throw Failure{std::string(name) + ": " + failure.why};
    }
  }
}

ModelSpec imageSpec(std::vector<int64_t> shape, ActivationKind activation = ActivationKind::kRelu) {
  ModelSpec spec = smallSpec();
  spec.inputShape = std::move(shape);
  spec.encoder.type = spec.decoder.type = "conv";
  spec.encoder.channels = {4, 5};
  spec.decoder.channels = {5, 8};
  spec.encoder.activation = spec.decoder.activation = activation;
  return spec;
}

// Color images, which are stored with more channels, in whole vectors or not; images of one channel; slopes
// that are kept; an encoder that is linear; networks of two kinds.
std::vector<ModelSpec> imageSpecs() {
  std::vector<ModelSpec> all{imageSpec({3, 8, 6}),
                             imageSpec({9, 5, 7}, ActivationKind::kGelu),
                             imageSpec({1, 9, 6}, ActivationKind::kElu),
                             imageSpec({3, 4, 4}),
                             imageSpec({1, 6, 6}),
                             imageSpec({1, 6, 6})};
  all[3].encoder.activation = ActivationKind::kIdentity;
  all[4].decoder.type = "mlp";
  all[5].encoder.type = "mlp";
  return all;
}

// Convolutions of color images have fused kernels on a device alone; the reference are the general model's
// derivatives by libtorch.
void testConvolutions() {
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  const Context host{cpu, c10::kDouble, &pool}, device{cpu, c10::kDouble, nullptr, &kernelsOf},
      single{cpu, c10::kFloat, nullptr, &kernelsOf};
  Context bf16 = single;
  bf16.bf16 = true;
  EXPECT(!fused::obstacle(host, imageSpec({3, 8, 6})).empty());
  for (const ModelSpec& spec : imageSpecs()) {
    EXPECT(fused::obstacle(device, spec).empty());
    for (const bool bytes : {true, false}) {
      VaeModel plain(host, spec, 11, true);
      const Run wanted = train(plain, spec, 43, 8, 1000, bytes);
      const Run came = trained(device, 43, 8, 1000, bytes, spec);
      sameRun(came, wanted, 2e-6);
      sameRun(trained(device, 43, 8, 2, bytes, spec), came, 0);
      sameRun(trained(single, 43, 8, 1000, bytes, spec), wanted, 2e-4);
      const Run rounded = trained(bf16, 43, 8, 1000, bytes, spec);
      NEAR(rounded.last.sums.reconstruction, wanted.last.sums.reconstruction, 1e-2);
      sameRun(trained(bf16, 43, 8, 2, bytes, spec), rounded, 0);
    }
  }
}

void testLossesOfImages() {
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  for (const ModelSpec& spec : imageSpecs()) {
    VaeModel plain({cpu, c10::kDouble, &pool}, spec, 11, true);
    VaeModel fast({cpu, c10::kDouble, nullptr, &kernelsOf}, spec, 11, false);
    const int64_t columns = spec.inputSize();
    std::vector<float> x(5 * columns), noise(5 * 5, 0.5f);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) / 7;
    const HostArray images{x.data(), false, 5, columns};
    std::vector<float> came(2 * 5), wanted(2 * 5);
    fast.losses(images, {noise.data()}, came.data(), came.data() + 5);
    plain.losses(images, {noise.data()}, wanted.data(), wanted.data() + 5);
    for (size_t i = 0; i < came.size(); ++i) NEAR(came[i], wanted[i], 1e-5);
    // The general model's decoder reads the weights where the convolutions have them.
    std::vector<float> decoded(5 * columns), same(5 * columns);
    fast.decode(noise.data(), nullptr, 5, DecodeKind::kMean, 0, decoded.data());
    plain.decode(noise.data(), nullptr, 5, DecodeKind::kMean, 0, same.data());
    for (size_t i = 0; i < same.size(); ++i) NEAR(decoded[i], same[i], 1e-6);
  }
}

// What the fused step covers beside the plain bound, on the device's kernels and on the loop.
void testCoveredParts() {
  Pool pool(1);
  const c10::Device cpu(c10::kCPU);
  const Context loop{cpu, c10::kDouble, &pool}, graphs{cpu, c10::kDouble, nullptr, &kernelsOf};
  std::vector<ModelSpec> all(6, smallSpec());
  all[0].objective.numbers["freeBits"] = 0.02;
  all[1].objective.numbers["hasCapacity"] = 1;
  all[2].condition = {3, true, true, false};
  all[3].condition = {3, false, true, false};
  all[4].encoder.activation = all[4].decoder.activation = ActivationKind::kGelu;
  all[5].encoder.activation = ActivationKind::kSilu;
  all[5].decoder.activation = ActivationKind::kLeakyRelu;
  for (const ModelSpec& spec : all) {
    EXPECT(fused::obstacle(loop, spec).empty() && fused::obstacle(graphs, spec).empty());
    sameRun(trained(graphs, 203, 8, 1000, true, spec), trained(loop, 203, 8, 1000, true, spec), 2e-6);
  }
}

void testBf16Training() {
  const c10::Device cpu(c10::kCPU);
  Context bf16{cpu, c10::kFloat, nullptr, &kernelsOf};
  bf16.bf16 = true;
  const Run exact = trained({cpu, c10::kFloat, nullptr, &kernelsOf}, 563, 8, 1000, true);
  const Run rounded = trained(bf16, 563, 8, 1000, true);
  EXPECT(rounded.last.sums.reconstruction != exact.last.sums.reconstruction);
  NEAR(rounded.last.sums.reconstruction, exact.last.sums.reconstruction, 5e-3);
  NEAR(rounded.last.sums.kl, exact.last.sums.kl, 0.1);
}

}  // namespace

void checkExecutor() {
  for (const char* step : {"fused", ""}) {
    const AskedStep asked(step);
    const std::string how = *step != 0 ? ", on graphs" : ", by one block";
    test("a run does what the loop's does, however it is cut" + how, testExecutor);
    test("abort and the guard stop where the loop's do" + how, testStops);
    test("norms of a step, and what was not finite" + how, testObserver);
    test("norms are of updates alone" + how, testObserverOfRefused);
  }
  test("graphs are captured once and replayed", testCaptures);
  test("a chunk longer than the schedule's buffer", testManyStepsOfOneChunk);
  test("running statistics of a batch that is refused", testBuffersOfRefused);
  test("data whose labels lie elsewhere take other graphs", testLabelsElsewhere);
  test("deep networks", testDeepNetworks);
  test("models on libtorch's derivatives", testGeneralModels);
  test("free bits, capacity, labels and every kind of slope", testCoveredParts);
  test("convolutions", testConvolutions);
  test("losses of images", testLossesOfImages);
  test("bf16 training follows float32's", testBf16Training);
}

}  // namespace torchvae::check
