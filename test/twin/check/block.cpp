// Perceptrons that one block trains, against the CPU's loop, and many of them side by side against each
// alone.
#include "fused/block.h"

#include <random>

#include "cases.h"
#include "check.h"
#include "data/resident.h"
#include "fused/coverage.h"
#include "part.h"
#include "runs.h"

namespace torchvae::check {
namespace {

twin::TwinPart part;
Kernels kernelsOf(part);
const c10::Device kCpu(c10::kCPU);
const Context kDevice{kCpu, c10::kFloat, nullptr, &kernelsOf};

// As the CPU trains it, in one launch an epoch, and to the same bits however the run is cut.
void compare(const Case& wanted) {
  Pool pool(1);
  const Context loop{kCpu, c10::kFloat, &pool};
  EXPECT(fused::blockObstacle(kDevice, wanted.spec, std::min(wanted.rows, wanted.batch)).empty());
  const int64_t launches = part.launches;
  const Run came = trained(kDevice, wanted.rows, wanted.batch, 1000, true, wanted.spec, wanted.optimizer);
  EXPECT(part.launches - launches == 2);
  sameRun(came, trained(loop, wanted.rows, wanted.batch, 1000, true, wanted.spec, wanted.optimizer), 2e-5);
  sameRun(trained(kDevice, wanted.rows, wanted.batch, 1, true, wanted.spec, wanted.optimizer), came, 0);
  sameRun(trained(kDevice, wanted.rows, wanted.batch, 3, true, wanted.spec, wanted.optimizer), came, 0);
}

void testRuns() {
  int count = 0;
  for (const Case& wanted : perceptronCases()) {
    if (!fused::blockObstacle(kDevice, wanted.spec, wanted.batch).empty()) continue;
    ++count;
    try {
      compare(wanted);
    } catch (const Failure& failure) {
      throw Failure{std::string(wanted.name) + ": " + failure.why};
    }
  }
  EXPECT(count > 20);
}

// Random widths, batches, activations, likelihoods, optimizers.
void testRandomShapes() {
  std::mt19937 draw(17);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(draw() % static_cast<uint32_t>(n)); };
  const auto widths = [&] {
    std::vector<int64_t> all(below(3));
    for (int64_t& width : all) width = 1 + below(40);
    return all;
  };
  for (int i = 0; i < 24; ++i) {
    ModelSpec spec = specOf(1 + below(40), widths(), 1 + below(9), widths());
    spec.encoder.activation = kActivations[below(std::size(kActivations))];
    spec.decoder.activation = kActivations[below(std::size(kActivations))];
    if (i % 3 == 1)
      spec.likelihood = {"gaussian", {{"sigma", 0.8}}, {{"scale", "fixed"}, {"link", "identity"}}, {}};
    if (i % 4 == 1) spec.condition = {3, below(2) == 1, true, false};
    OptimizerSettings optimizer;
    if (i % 2 == 1) optimizer.clipNorm = 0.3;
    const int64_t batch = 1 + below(70);
    compare({"", spec, 1 + below(3 * batch), batch, optimizer});
  }
}

// What has no room in shared memory lies elsewhere, to the same bits.
void testCopies() {
  const ModelSpec spec = specOf(50, {70}, 9, {66});
  std::vector<Run> came;
  std::vector<int> copies;
  for (const auto& [capability, wanted] : {std::pair{90, kernels::kMostCopies}, {80, 2}, {86, 1}}) {
    part.shownCapability = capability;
    kernels::BlockShape shape = fused::blockShapeOf(spec, 32);
    EXPECT(placeInShared(shape, sharedFloatsOf(capability)));
    EXPECT(shape.copies == wanted);
    came.push_back(trained(kDevice, 100, 32, 1000, true, spec));
  }
  part.shownCapability = 90;
  sameRun(came[1], came[0], 0);
  sameRun(came[2], came[0], 0);
}

// Batches whose values are drawn anew.
void testDrawnValues() {
  Pool pool(1);
  const ModelSpec spec = smallSpec();
  std::vector<float> values(70 * 30);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 11) / 10;
  HostArray array{values.data(), false, 70, 30};
  array.isDrawn = true;
  const auto data = std::make_shared<ResidentDataset>(kCpu, array);
  std::vector<LossSums> sums;
  for (const Context& context : {kDevice, Context{kCpu, c10::kFloat, &pool}}) {
    VaeModel model(context, spec, 1, false);
    sums.push_back(model.train(chunkOf(data, 0, 0, 5, 16)).sums);
  }
  NEAR(sums[0].reconstruction, sums[1].reconstruction, 1e-5);
}

// Members that differ in seeds and numbers, in the length of their chunks, in what is asked of them; one of
// another shape, and one that no block takes: each comes to the bits that it has when it is trained alone.
struct Member {
  ModelSpec spec;
  uint64_t seed;
  double learningRate;
  int64_t batch;
  OptimizerSettings optimizer{};
};
std::vector<Member> allMembers() {
  ModelSpec free = smallSpec(), larger = smallSpec();
  free.objective.numbers["freeBits"] = 0.05;
  larger.encoder.hidden = {17, 9};
  OptimizerSettings plain;
  plain.kind = OptimizerKind::kSgd;
  OptimizerSettings summed;
  summed.accumulate = 2;
  OptimizerSettings averaged;
  averaged.averageDecay = 0.9;
  return {{smallSpec(), 1, 1e-3, 8},
          {smallSpec(), 2, 1e-3, 8},
          {free, 1, 3e-3, 8},
          {larger, 1, 1e-3, 8},
          {smallSpec(), 1, 1e-2, 16},
          {smallSpec(), 3, 1e-3, 8, plain},
          {smallSpec(), 4, 1e-3, 8, summed},
          {smallSpec(), 5, 1e-3, 8, averaged}};
}

TrainChunk chunkOf(const Member& member, const std::shared_ptr<Dataset>& data, int64_t epoch) {
  TrainChunk chunk =
      check::chunkOf(data, epoch, 0, (data->rows() + member.batch - 1) / member.batch, member.batch);
  for (StepSchedule& row : chunk.schedule) row.learningRate = member.learningRate;
  chunk.optimizer = member.optimizer;
  chunk.observe = member.seed == 2;
  return chunk;
}

void testTogether() {
  std::vector<float> values(123 * 30);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 13) / 12;
  const auto data = std::make_shared<ResidentDataset>(kCpu, HostArray{values.data(), false, 123, 30});
  std::vector<std::unique_ptr<VaeModel>> together, alone;
  std::vector<VaeModel*> all;
  for (const Member& member : allMembers()) {
    together.push_back(std::make_unique<VaeModel>(kDevice, member.spec, member.seed, false));
    alone.push_back(std::make_unique<VaeModel>(kDevice, member.spec, member.seed, false));
    all.push_back(together.back().get());
  }
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<TrainChunk> chunks;
    for (const Member& member : allMembers()) chunks.push_back(chunkOf(member, data, epoch));
    const int64_t launches = part.launches;
    const std::vector<TrainOutcome> outcomes = VaeModel::trainTogether(all, chunks);
    const int64_t shared = part.launches - launches;
    for (size_t i = 0; i < all.size(); ++i) {
      const TrainResult wanted = alone[i]->train(chunks[i]);
      const TrainResult& came = outcomes[i].result;
      EXPECT(!outcomes[i].error && came.steps == wanted.steps);
      EXPECT(came.isSideBySide == (chunks[i].optimizer.accumulate == 1));
      EXPECT(came.sums.loss == wanted.sums.loss && came.sums.kl == wanted.sums.kl);
      EXPECT(came.norms.size() == wanted.norms.size());
      EXPECT(all[i]->step() == alone[i]->step());
      for (const StateTensor& tensor : all[i]->stateTensors())
        EXPECT(all[i]->readState(tensor.name) == alone[i]->readState(tensor.name));
    }
    EXPECT(part.launches - launches - shared > shared);
  }
}

// A member whose loss is not finite stops, and so does one that is aborted; the others go on.
void testEndsOfMembers() {
  const std::vector<float> values(400 * 30, 0.5f);
  const auto data = std::make_shared<ResidentDataset>(kCpu, HostArray{values.data(), false, 400, 30});
  std::vector<std::unique_ptr<VaeModel>> models;
  std::vector<VaeModel*> all;
  std::vector<TrainChunk> chunks;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    all.push_back(models.emplace_back(std::make_unique<VaeModel>(kDevice, smallSpec(), seed, false)).get());
    chunks.push_back(check::chunkOf(data, 0, 0, 50, 8));
  }
  chunks[1].schedule[30].learningRate = 1e30;
  chunks[2].abort = std::make_shared<std::atomic<bool>>(true);
  const std::vector<TrainOutcome> outcomes = VaeModel::trainTogether(all, chunks);
  EXPECT(outcomes[0].result.steps == 50 && outcomes[0].result.reason == StopReason::kDone);
  EXPECT(outcomes[1].result.steps == 31 && outcomes[1].result.reason == StopReason::kNonFinite);
  EXPECT(!outcomes[1].result.faults.empty());
  EXPECT(outcomes[2].result.steps == 0 && outcomes[2].result.reason == StopReason::kAborted);
}

// One that is refused says so in place of its result.
void testRefusedMember() {
  ModelSpec labeled = smallSpec();
  labeled.condition = {3, true, true, false};
  const std::vector<float> values(40 * 30, 0.5f);
  const auto data = std::make_shared<ResidentDataset>(kCpu, HostArray{values.data(), false, 40, 30});
  VaeModel first(kDevice, smallSpec(), 1, false), second(kDevice, labeled, 1, false);
  const TrainChunk chunk = check::chunkOf(data, 0, 0, 5, 8);
  const std::vector<TrainOutcome> outcomes = VaeModel::trainTogether({&first, &second}, {chunk, chunk});
  EXPECT(!outcomes[0].error && outcomes[0].result.steps == 5);
  EXPECT(outcomes[1].error && outcomes[1].error->code() == "ERR_SHAPE");
}

// What is left to other kernels.
void testObstacles() {
  const auto takes = [&](const Context& context, const ModelSpec& spec, int64_t rows) {
    return fused::blockObstacle(context, spec, rows).empty();
  };
  const ModelSpec tiny = specOf(9, {8}, 2, {8});
  EXPECT(takes(kDevice, tiny, 256) && !takes(kDevice, tiny, 257));
  EXPECT(takes(kDevice, specOf(20, {64}, 8, {64}), 64));
  EXPECT(!takes(kDevice, specOf(784, {400}, 20, {400}), 16));
  // As many products as one block may take, and more.
  EXPECT(takes(kDevice, specOf(20, {64}, 8, {64}), 128) && !takes(kDevice, specOf(20, {64}, 8, {64}), 129));
  // Few products, and more weights than shared memory holds.
  EXPECT(!takes(kDevice, specOf(300, {200}, 8, {20}), 1));
  for (const char* step : {"layers", "fused"}) {
    const AskedStep asked(step);
    EXPECT(!takes(kDevice, smallSpec(), 8));
  }
  Context rounded = kDevice;
  rounded.tf32 = true;
  EXPECT(!takes(rounded, smallSpec(), 8));
}

}  // namespace

void checkBlock() {
  test("perceptrons of every shape train by one block as on the CPU", testRuns);
  test("perceptrons of random shapes too", testRandomShapes);
  test("what shared memory has no room for", testCopies);
  test("values that are drawn", testDrawnValues);
  test("models that one block leaves to others", testObstacles);
  test("members side by side have the bits of their own runs", testTogether);
  test("a member that ends leaves the others alone", testEndsOfMembers);
  test("a member that is refused says so", testRefusedMember);
}

}  // namespace torchvae::check
