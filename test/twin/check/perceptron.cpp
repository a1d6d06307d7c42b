// The perceptron's step on tensor cores: the products' fragments against the tables of the PTX ISA, and whole
// runs of models of all shapes against the CPU's loop.
#include "fused/perceptron.h"

#include <cmath>
#include <random>

#include "cases.h"
#include "check.h"
#include "data/resident.h"
#include "fused/coverage.h"
#include "grid.h"
#include "part.h"
#include "runs.h"

namespace torchvae::check {
namespace {

twin::TwinPart part;
Kernels kernelsOf(part);
const c10::Device kCpu(c10::kCPU);

// Small integers, which every precision holds.
std::vector<float> integers(size_t count, std::mt19937& draw) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(static_cast<int>(draw() % 15) - 7);
  return values;
}
uint32_t bf16Bits(float value) {
  return std::bit_cast<uint32_t>(value) >> 16;
}

// PTX ISA, "Matrix Fragments for mma.m16n8k8" (.tf32) and "for mma.m16n8k16" (.bf16): where element i of a
// lane's fragment lies.
int rowOfA(int lane, int i, bool pairs) {
  const int group = lane >> 2;
  if (pairs) return (i >= 0 && i < 2) || (i >= 4 && i < 6) ? group : group + 8;
  return i == 0 || i == 2 ? group : group + 8;
}
int columnOfA(int lane, int i, bool pairs) {
  const int member = lane % 4;
  if (pairs) return i < 4 ? member * 2 + (i & 1) : member * 2 + (i & 1) + 8;
  return i == 0 || i == 1 ? member : member + 4;
}
int rowOfB(int lane, int i, bool pairs) {
  const int member = lane % 4;
  if (pairs) return i < 2 ? member * 2 + (i & 1) : member * 2 + (i & 1) + 8;
  return i == 0 ? member : member + 4;
}
int rowOfC(int lane, int i) {
  return i < 2 ? lane >> 2 : (lane >> 2) + 8;
}
int columnOfC(int lane, int i) {
  return lane % 4 * 2 + (i & 1);
}

void testFragments() {
  std::mt19937 draw(3);
  for (const bool pairs : {false, true}) {
    const int depth = pairs ? 16 : 8;
    const std::vector<float> a = integers(16 * depth, draw), b = integers(depth * 8, draw),
                             c = integers(16 * 8, draw);
    twin::LaneRegisters lanes[32] = {};
    for (int lane = 0; lane < 32; ++lane) {
      twin::LaneRegisters& own = lanes[lane];
      for (int i = 0; i < (pairs ? 8 : 4); ++i) {
        const float value = a[rowOfA(lane, i, pairs) * depth + columnOfA(lane, i, pairs)];
        if (pairs) own.a[i / 2] |= bf16Bits(value) << 16 * (i % 2);
        if (!pairs) own.a[i] = std::bit_cast<uint32_t>(value);
      }
      for (int i = 0; i < (pairs ? 4 : 2); ++i) {
        const float value = b[rowOfB(lane, i, pairs) * 8 + (lane >> 2)];
        if (pairs) own.b[i / 2] |= bf16Bits(value) << 16 * (i % 2);
        if (!pairs) own.b[i] = std::bit_cast<uint32_t>(value);
      }
      for (int i = 0; i < 4; ++i) own.c[i] = c[rowOfC(lane, i) * 8 + columnOfC(lane, i)];
    }
    twin::multiplyFragments(pairs, lanes);
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < 4; ++i) {
        const int row = rowOfC(lane, i), column = columnOfC(lane, i);
        double wanted = c[row * 8 + column];
        for (int k = 0; k < depth; ++k) wanted += static_cast<double>(a[row * depth + k]) * b[k * 8 + column];
        EXPECT(lanes[lane].c[i] == wanted);
      }
    }
  }
  // Of a tf32 operand the lower 13 bits count for nothing.
  twin::LaneRegisters lanes[32] = {};
  for (twin::LaneRegisters& own : lanes) {
    for (uint32_t& value : own.a) value = std::bit_cast<uint32_t>(1.0f) | 0x1fffu;
    for (uint32_t& value : own.b) value = std::bit_cast<uint32_t>(1.0f);
  }
  twin::multiplyFragments(false, lanes);
  EXPECT(lanes[5].c[2] == 8);
}

// On a device of this capability, every so manyth case.
void testRuns(int capability, size_t every) {
  Pool pool(1);
  part.shownCapability = capability;
  const Context loop{kCpu, c10::kFloat, &pool}, device{kCpu, c10::kFloat, nullptr, &kernelsOf};
  const std::vector<Case> cases = perceptronCases();
  for (size_t i = 0; i < cases.size(); i += every) {
    const Case& wanted = cases[i];
    try {
      EXPECT(fused::perceptronObstacle(device, wanted.spec, wanted.batch).empty());
      const Run came = trained(device, wanted.rows, wanted.batch, 1000, true, wanted.spec, wanted.optimizer);
      sameRun(came, trained(loop, wanted.rows, wanted.batch, 1000, true, wanted.spec, wanted.optimizer),
              2e-5);
      sameRun(trained(device, wanted.rows, wanted.batch, 1, true, wanted.spec, wanted.optimizer), came, 0);
    } catch (const Failure& failure) {
      throw Failure{std::string(wanted.name) + ": " + failure.why};
    }
  }
  part.shownCapability = 90;
}

// A layer of which no tile has room on a device with less shared memory takes two kernels in place of one.
void testLessMemory() {
  const AskedStep manyBlocks("fused");
  const Context device{kCpu, c10::kFloat, nullptr, &kernelsOf};
  const ModelSpec spec = specOf(20, {16}, 4, {900});
  const auto launchesOn = [&](int capability) {
    part.shownCapability = capability;
    const int64_t before = part.launches;
    trained(device, 8, 4, 1000, true, spec);
    part.shownCapability = 90;
    return part.launches - before;
  };
  EXPECT(launchesOn(86) == launchesOn(90) / 6 * 7);
}

// Values that are drawn anew for every batch, most of which are loaded by the step before.
void testDrawnAhead() {
  const AskedStep manyBlocks("fused");
  Pool pool(1);
  constexpr int64_t kRows = 300, kColumns = 30;
  std::vector<float> values(kRows * kColumns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 11) / 10;
  HostArray array{values.data(), false, kRows, kColumns};
  array.isDrawn = true;
  const auto data = std::make_shared<ResidentDataset>(kCpu, array);
  std::vector<LossSums> sums;
  for (const Context& context :
       {Context{kCpu, c10::kFloat, nullptr, &kernelsOf}, Context{kCpu, c10::kFloat, &pool}}) {
    VaeModel model(context, smallSpec(), 1, false);
    sums.push_back(model.train(chunkOf(data, 0, 0, 35, 8)).sums);
  }
  NEAR(sums[0].reconstruction, sums[1].reconstruction, 1e-5);
  NEAR(sums[0].kl, sums[1].kl, 1e-5);
}

// Threads, warps and blocks in another order come to the same bits: none counts on another that no barrier
// makes it wait for.
void testOrders(size_t every) {
  const Context device{kCpu, c10::kFloat, nullptr, &kernelsOf};
  const std::vector<Case> cases = perceptronCases();
  for (size_t i = 0; i < cases.size(); i += every) {
    const Case& wanted = cases[i];
    const auto run = [&] {
      return trained(device, std::min<int64_t>(wanted.rows, 2 * wanted.batch), wanted.batch, 1000, true,
                     wanted.spec, wanted.optimizer);
    };
    const Run forward = run();
    twin::isBackward = true;
    const Run backward = run();
    twin::isBackward = false;
    try {
      sameRun(backward, forward, 0);
    } catch (const Failure& failure) {
      throw Failure{std::string(wanted.name) + ": " + failure.why};
    }
  }
}

// What a kernel asks for before the one before it has ended was written earlier.
void testEarlyReads(size_t every) {
  const Context device{kCpu, c10::kFloat, nullptr, &kernelsOf};
  const std::vector<Case> cases = perceptronCases();
  for (size_t i = 0; i < cases.size(); i += every) {
    const Case& wanted = cases[i];
    part.watchEarlyReads(true);
    trained(device, std::min<int64_t>(wanted.rows, 4 * wanted.batch), wanted.batch, 1000, true, wanted.spec,
            wanted.optimizer);
  }
  part.watchEarlyReads(true);
  trained(device, 303, 10, 1000, true, smallSpec());  // batches that are loaded ahead

  // It would be seen.
  int written = 0;
  twin::TwinKernel writer = [&](const void*) { ++written; };
  twin::TwinKernel reader = [&](const void*) { twin::noteRead(&written, sizeof written); };
  bool isSeen = false;
  try {
    for (int i = 0; i < 2; ++i) {
      part.launch(&writer, {1, 32, 0, true}, "", 1);
      part.launch(&reader, {1, 32, 0, true}, "", 1);
    }
  } catch (const Error&) {
    isSeen = true;
  }
  part.watchEarlyReads(false);
  EXPECT(isSeen);
}

// What products of rounded factors cost, with every kind of depth: whole steps of a chunk and odd ones.
void testRounded() {
  const ModelSpec spec = specOf(37, {51, 20}, 3, {33});
  const Context exact{kCpu, c10::kFloat, nullptr, &kernelsOf};
  const AskedStep manyBlocks("fused");
  const Run wanted = trained(exact, 150, 40, 1000, true, spec);
  for (const bool bf16 : {false, true}) {
    Context rounded = exact;
    rounded.tf32 = !bf16;
    rounded.bf16 = bf16;
    const Run came = trained(rounded, 150, 40, 1000, true, spec);
    const double tolerance = bf16 ? 5e-3 : 5e-4;
    EXPECT(came.last.sums.reconstruction != wanted.last.sums.reconstruction);
    NEAR(came.last.sums.reconstruction / wanted.last.sums.reconstruction, 1, tolerance);
    NEAR(came.last.sums.kl / wanted.last.sums.kl, 1, 20 * tolerance);
    sameRun(trained(rounded, 150, 40, 1, true, spec), came, 0);
  }
}

// Values so large that magnitudes bound no gradient, all of which are finite nevertheless: the update takes
// its way through the gradients, and is that of the loop.
void testUnbounded() {
  Pool pool(1);
  const Context loop{kCpu, c10::kFloat, &pool}, device{kCpu, c10::kFloat, nullptr, &kernelsOf};
  ModelSpec spec = specOf(12, {}, 2, {});
  spec.likelihood = {"squared-error", {}, {{"link", "identity"}}, {}};
  std::vector<float> values(40 * 12);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) * 4.5e8f;
  const auto data = std::make_shared<ResidentDataset>(kCpu, HostArray{values.data(), false, 40, 12});
  std::vector<StateValues> came;
  for (const Context& context : {device, loop}) {
    VaeModel model(context, spec, 1, false);
    // The codes' spread would overflow; these weights make it 1.
    for (const char* name : {"posterior.mean", "posterior.logVariance"}) {
      StateValues weight = model.readState(std::string(name) + ".weight");
      for (float& value : weight.floats) value *= 1e-10f;
      model.writeState(std::string(name) + ".weight", weight);
    }
    TrainChunk chunk = chunkOf(data, 0, 0, 1, 40);
    chunk.optimizer.skipNonFinite = true;
    const TrainResult result = model.train(chunk);
    EXPECT(result.steps == 1 && result.skipped == 0);
    came.push_back(model.readState("decoder.0.weight"));
  }
  for (size_t i = 0; i < came[0].floats.size(); ++i) NEAR(came[0].floats[i], came[1].floats[i], 1e-5);
}

// A batch that overflows is left out, all or nothing, and the next is taken.
void testSkipped() {
  Pool pool(1);
  const Context loop{kCpu, c10::kFloat, &pool}, device{kCpu, c10::kFloat, nullptr, &kernelsOf};
  ModelSpec spec = specOf(12, {9}, 2, {7});
  spec.likelihood = {"squared-error", {}, {{"link", "identity"}}, {}};
  std::vector<float> values(24 * 12);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = i / (8 * 12) == 1 ? 3e30f : static_cast<float>(i % 5);
  const auto data = std::make_shared<ResidentDataset>(kCpu, HostArray{values.data(), false, 24, 12});
  std::vector<StateValues> came;
  for (const Context& context : {device, loop}) {
    VaeModel model(context, spec, 1, false);
    TrainChunk chunk = chunkOf(data, 0, 0, 2, 8);
    chunk.shuffle = false;
    chunk.optimizer.skipNonFinite = true;
    chunk.steps = 1;
    model.train(chunk);
    const std::vector<float> before = model.readState("encoder.0.weight").floats;
    chunk.firstStep = 1;
    EXPECT(model.train(chunk).skipped == 1);
    EXPECT(model.readState("encoder.0.weight").floats == before);
    chunk.firstStep = 2;
    EXPECT(model.train(chunk).skipped == 0 && model.step() == 3);
    EXPECT(model.readState("encoder.0.weight").floats != before);
    came.push_back(model.readState("encoder.0.weight"));
  }
  for (size_t i = 0; i < came[0].floats.size(); ++i) NEAR(came[0].floats[i], came[1].floats[i], 1e-5);
}

// What the kernels do not take goes to libtorch's products.
void testObstacles() {
  const Context device{kCpu, c10::kFloat, nullptr, &kernelsOf};
  const Context exact{kCpu, c10::kDouble, nullptr, &kernelsOf};
  Context rounded = device;
  rounded.bf16 = true;
  EXPECT(fused::perceptronObstacle(device, smallSpec(), 100000).empty());
  EXPECT(fused::perceptronObstacle(rounded, smallSpec(), 1024).empty());
  EXPECT(!fused::perceptronObstacle(rounded, smallSpec(), 1025).empty());
  EXPECT(!fused::perceptronObstacle(exact, smallSpec(), 8).empty());
  EXPECT(!fused::perceptronObstacle(device, specOf(30, {1025}, 3, {4}), 8).empty());
  ModelSpec conv = smallSpec();
  conv.encoder.type = "conv";
  EXPECT(!fused::perceptronObstacle(device, conv, 8).empty());
}

}  // namespace

void checkPerceptron() {
  test("fragments of products lie as PTX has them", testFragments);
  test("perceptrons in tf32 and bf16", testRounded);
  for (const char* step : {"fused", ""}) {
    const AskedStep asked(step);
    const std::string blocks = *step != 0 ? "many blocks" : "one block";
    test("gradients that no magnitude bounds, " + blocks, testUnbounded);
    test("a batch that overflows is left out whole, " + blocks, testSkipped);
  }
  {
    const AskedStep manyBlocks("fused");
    test("perceptrons of every shape train as on the CPU", [] { testRuns(90, 1); });
    test("perceptrons in another order of blocks and warps", [] { testOrders(2); });
    test("perceptrons read nothing early that is written late", [] { testEarlyReads(2); });
    test("perceptrons on a device with less shared memory", [] { testRuns(86, 3); });
  }
  {
    const AskedStep strips("strips");
    test("perceptrons in strips", [] { testRuns(90, 2); });
    test("strips in another order of blocks and warps", [] { testOrders(4); });
    test("strips read nothing early that is written late", [] { testEarlyReads(4); });
  }
  test("values that are drawn for batches loaded ahead", testDrawnAhead);
  test("a layer whose tiles need more shared memory than there is", testLessMemory);
  test("models that the perceptron's kernels leave to others", testObstacles);
}

}  // namespace torchvae::check
