// Perceptrons that are trained by captured graphs, several at a time in lanes: each comes to the bits that it
// has alone.
#include <random>

#include "cases.h"
#include "check.h"
#include "data/resident.h"
#include "part.h"
#include "runs.h"

namespace torchvae::check {
namespace {

twin::TwinPart part;
Kernels kernelsOf(part);
const c10::Device kCpu(c10::kCPU);
const Context kDevice{kCpu, c10::kFloat, nullptr, &kernelsOf};

std::shared_ptr<ResidentDataset> dataOf(int64_t rows) {
  std::vector<float> values(static_cast<size_t>(rows) * 30);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 13) / 12;
  return std::make_shared<ResidentDataset>(kCpu, HostArray{values.data(), false, rows, 30});
}

// While it lives, lanes' kernels wait for the end, and run in an order that is drawn.
class DrawnOrder {
 public:
  explicit DrawnOrder(uint32_t seed) {
    part.drawLane = [draw = std::mt19937(seed)]() mutable { return static_cast<uint32_t>(draw()); };
  }
  ~DrawnOrder() { part.drawLane = {}; }
  DrawnOrder(const DrawnOrder&) = delete;
  DrawnOrder& operator=(const DrawnOrder&) = delete;
};

std::vector<VaeModel*> made(std::vector<std::unique_ptr<VaeModel>>& models, uint64_t count,
                            const ModelSpec& spec = smallSpec(), const Context& context = kDevice) {
  std::vector<VaeModel*> all;
  for (uint64_t seed = 0; seed < count; ++seed)
    all.push_back(models.emplace_back(std::make_unique<VaeModel>(context, spec, seed, false)).get());
  return all;
}

void sameModel(const VaeModel& came, const VaeModel& wanted) {
  EXPECT(came.step() == wanted.step());
  for (const StateTensor& tensor : wanted.stateTensors())
    EXPECT(came.readState(tensor.name) == wanted.readState(tensor.name));
}

void sameResult(const TrainOutcome& came, const TrainResult& wanted) {
  EXPECT(!came.error && came.result.steps == wanted.steps && came.result.reason == wanted.reason);
  EXPECT(came.result.sums.loss == wanted.sums.loss && came.result.sums.kl == wanted.sums.kl);
  EXPECT(came.result.sums.examples == wanted.sums.examples && came.result.skipped == wanted.skipped);
  EXPECT(came.result.faults == wanted.faults && came.result.norms.size() == wanted.norms.size());
  for (size_t i = 0; i < wanted.norms.size(); ++i)
    EXPECT(came.result.norms[i].update == wanted.norms[i].update);
}

// More members than lanes, whose chunks are of other lengths, in whatever order the device takes their
// kernels: first steps, which are not captured; graphs of many steps and of one; an epoch's last batch.
void testMembers() {
  const AskedStep graphs("fused");
  const auto data = dataOf(243);
  for (const bool isBf16 : {false, true}) {
    Context context = kDevice;
    context.bf16 = isBf16;
    std::vector<std::unique_ptr<VaeModel>> models, others;
    const std::vector<VaeModel*> together = made(models, 11, smallSpec(), context);
    const std::vector<VaeModel*> alone = made(others, 11, smallSpec(), context);
    part.mostLanes = part.turns = 0;
    part.launchesOf.clear();
    for (int64_t epoch = 0; epoch < 2; ++epoch) {
      std::vector<TrainChunk> chunks;
      for (int64_t i = 0; i < 11; ++i) {
        chunks.push_back(check::chunkOf(data, epoch, 0, i == 3 ? 2 : i % 4 == 0 ? 31 - i : 4, 8));
        if (i % 2 == 0) chunks.back().optimizer.averageDecay = 0.9;
      }
      std::vector<TrainOutcome> outcomes;
      {
        const DrawnOrder drawn(static_cast<uint32_t>(epoch));
        outcomes = VaeModel::trainTogether(together, chunks);
      }
      for (size_t i = 0; i < together.size(); ++i) {
        sameResult(outcomes[i], alone[i]->train(chunks[i]));
        sameModel(*together[i], *alone[i]);
        EXPECT(outcomes[i].result.isSideBySide);
      }
    }
    EXPECT(part.mostLanes == 8 && part.launchesOf.size() == 8);
    // The host goes round: no lane waits until another has all its work.
    EXPECT(part.turns > 60);
  }
}

// Chunks that are longer than the device's schedule go in windows.
void testWindows() {
  const AskedStep graphs("fused");
  ModelSpec tiny = smallSpec();
  tiny.encoder.hidden = tiny.decoder.hidden = {4};
  tiny.latentSize = 2;
  const auto data = dataOf(1100);
  std::vector<std::unique_ptr<VaeModel>> models, others;
  const std::vector<VaeModel*> together = made(models, 3, tiny), alone = made(others, 3, tiny);
  std::vector<TrainChunk> chunks;
  for (const int64_t steps : {1030, 20, 4}) chunks.push_back(check::chunkOf(data, 0, 0, steps, 1));
  const std::vector<TrainOutcome> outcomes = VaeModel::trainTogether(together, chunks);
  for (size_t i = 0; i < together.size(); ++i) {
    sameResult(outcomes[i], alone[i]->train(chunks[i]));
    sameModel(*together[i], *alone[i]);
  }
}

// Members that end early, each in its way, and one whose steps are looked at; the others go on.
void testEndsOfMembers() {
  const AskedStep graphs("fused");
  const auto data = dataOf(400);
  std::vector<std::unique_ptr<VaeModel>> models, others;
  const std::vector<VaeModel*> together = made(models, 5), alone = made(others, 5);
  std::vector<TrainChunk> chunks(5, check::chunkOf(data, 0, 0, 50, 8));
  chunks[1].schedule[30].learningRate = 1e30;
  chunks[2].abort = std::make_shared<std::atomic<bool>>(true);
  chunks[3].schedule[20].learningRate = 1e30;
  chunks[3].optimizer.skipNonFinite = true;
  chunks[4].observe = true;
  for (const size_t i : {0, 1, 3, 4}) chunks[i].optimizer.averageDecay = 0.9;
  const std::vector<TrainOutcome> outcomes = VaeModel::trainTogether(together, chunks);
  for (size_t i = 0; i < together.size(); ++i) {
    sameResult(outcomes[i], alone[i]->train(chunks[i]));
    sameModel(*together[i], *alone[i]);
  }
  EXPECT(outcomes[1].result.steps == 31 && outcomes[1].result.reason == StopReason::kNonFinite);
  EXPECT(outcomes[2].result.steps == 0 && outcomes[2].result.reason == StopReason::kAborted);
  EXPECT(outcomes[3].result.skipped == 29 && !outcomes[4].result.norms.empty());
}

// A member whose abort is raised amid its chunk has the steps that were sent off before.
void testAbortAmidChunk() {
  const AskedStep graphs("fused");
  const auto data = dataOf(400);
  std::vector<std::unique_ptr<VaeModel>> models, others;
  const std::vector<VaeModel*> together = made(models, 3), alone = made(others, 3);
  std::vector<TrainChunk> chunks(3, check::chunkOf(data, 0, 0, 50, 8));
  chunks[1].abort = std::make_shared<std::atomic<bool>>(false);
  // The host asks at every graph; the lanes' turns are what it does between.
  part.onTurn = [&, turns = 0]() mutable {
    if (++turns == 12) chunks[1].abort->store(true);
  };
  const std::vector<TrainOutcome> outcomes = VaeModel::trainTogether(together, chunks);
  part.onTurn = {};
  const TrainResult& stopped = outcomes[1].result;
  EXPECT(stopped.reason == StopReason::kAborted && stopped.steps > 0 && stopped.steps < 50);
  TrainChunk shorter = check::chunkOf(data, 0, 0, stopped.steps, 8);
  for (size_t i = 0; i < together.size(); ++i) {
    alone[i]->train(i == 1 ? shorter : chunks[i]);
    sameModel(*together[i], *alone[i]);
  }
  // It goes on from there.
  TrainChunk rest = check::chunkOf(data, 0, stopped.steps, 50 - stopped.steps, 8);
  together[1]->train(rest);
  alone[1]->train(rest);
  sameModel(*together[1], *alone[1]);
}

// A member whose graph cannot be captured says so; its count of steps has the updates that it took.
void testFailureOfMember() {
  const AskedStep graphs("fused");
  const auto data = dataOf(400);
  std::vector<std::unique_ptr<VaeModel>> models, others;
  const std::vector<VaeModel*> together = made(models, 3), alone = made(others, 3);
  std::vector<TrainChunk> chunks(3, check::chunkOf(data, 0, 0, 50, 8));
  part.failCaptureIn = part.captures + 2;
  const std::vector<TrainOutcome> outcomes = VaeModel::trainTogether(together, chunks);
  part.failCaptureIn = 0;
  EXPECT(outcomes[1].error && outcomes[1].error->code() == "ERR_DEVICE");
  EXPECT(!outcomes[0].error && !outcomes[2].error);
  for (size_t i = 0; i < together.size(); ++i) {
    alone[i]->train(i == 1 ? check::chunkOf(data, 0, 0, 2, 8) : chunks[i]);
    sameModel(*together[i], *alone[i]);
  }
}

// What has no place in lanes: libtorch's products, in other fused models and in libtorch's derivatives.
void testTurns() {
  const AskedStep layers("layers");
  const auto data = dataOf(100);
  ModelSpec general = smallSpec();
  general.encoder.dropout = 0.2;
  for (const ModelSpec& spec : {smallSpec(), general}) {
    std::vector<std::unique_ptr<VaeModel>> models, others;
    const std::vector<VaeModel*> together = made(models, 3, spec), alone = made(others, 3, spec);
    part.mostLanes = 0;
    const std::vector<TrainChunk> chunks(3, check::chunkOf(data, 0, 0, 10, 8));
    const std::vector<TrainOutcome> outcomes = VaeModel::trainTogether(together, chunks);
    EXPECT(part.mostLanes == 0);
    for (size_t i = 0; i < together.size(); ++i) {
      EXPECT(!outcomes[i].result.isSideBySide);
      sameResult(outcomes[i], alone[i]->train(chunks[i]));
      sameModel(*together[i], *alone[i]);
    }
  }
}

// With TORCHVAE_GPU_LANES=1 the only lane is the thread's stream. An invalid value is refused before any
// member trains.
void testOneLane() {
  const AskedStep graphs("fused");
  const auto data = dataOf(100);
  std::vector<std::unique_ptr<VaeModel>> models;
  const std::vector<VaeModel*> together = made(models, 4);
  const std::vector<TrainChunk> chunks(4, check::chunkOf(data, 0, 0, 10, 8));
  for (const auto& [asked, wanted] : {std::pair{"1", 0}, {"3", 3}, {"32", 4}, {"", 4}}) {
    part.mostLanes = 0;
    setenv("TORCHVAE_GPU_LANES", asked, 1);
    VaeModel::trainTogether(together, chunks);
    unsetenv("TORCHVAE_GPU_LANES");
    EXPECT(part.mostLanes == wanted);
  }
  const int64_t before = models.front()->step();
  for (const char* asked : {"0", "33", "-1", "8 lanes"}) {
    std::string refused;
    setenv("TORCHVAE_GPU_LANES", asked, 1);
    try {
      VaeModel::trainTogether(together, chunks);
    } catch (const Error& error) {
      refused = error.what();
    }
    unsetenv("TORCHVAE_GPU_LANES");
    EXPECT(refused.find("integer from 1 to 32 for TORCHVAE_GPU_LANES but received \"" + std::string(asked)) !=
           std::string::npos);
  }
  EXPECT(models.front()->step() == before);
}

}  // namespace

void checkLanes() {
  test("members in lanes have the bits that each has alone, in whatever order a device takes them",
       testMembers);
  test("members whose chunks are long", testWindows);
  test("a member in a lane that ends leaves the others alone", testEndsOfMembers);
  test("a member in a lane that is aborted amid its chunk", testAbortAmidChunk);
  test("a member in a lane that fails says so", testFailureOfMember);
  test("models that take turns", testTurns);
  test("as many lanes as are asked for", testOneLane);
}

}  // namespace torchvae::check
