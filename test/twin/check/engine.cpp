// What of the engine can be met in C++ alone: threads, numbers that are none, a device that cannot be opened.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <future>
#include <limits>
#include <new>

#include "check.h"
#include "cpu/dense.h"
#include "cpu/optimizer.h"
#include "cpu/pool.h"
#include "device/device.h"
#include "eval/frechet.h"
#include "model/model.h"
#include "part.h"

namespace torchvae::check {
namespace {

// Of the error that `body` ends with; empty for none.
std::string codeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

void testPool() {
  // A pool that hangs ends the program.
  alarm(300);
  for (int i = 0; i < 2000; ++i) {
    Pool pool(3);
    if (i % 2 == 0) pool.run(8, [](int64_t) {});
  }
  alarm(0);
  Pool pool(3);
  for (int64_t bad = 0; bad < 300; ++bad) {
    bool threw = false;
    try {
      pool.run(300, [&](int64_t tile) {
        if (tile == bad) throw std::bad_alloc();
      });
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    EXPECT(threw);
  }
  std::atomic<int64_t> sum{0};
  pool.run(300, [&](int64_t tile) { sum += tile; });
  EXPECT(sum == 300 * 299 / 2);
}

// What is not a number must reach the guard.
void testNanGoesThrough() {
  Pool pool(1);
  const std::vector<float> x{1, 2}, weights(2 * 40, 0.5f);
  std::vector<float> bias(40), y(40);
  bias[0] = bias[37] = std::numeric_limits<float>::quiet_NaN();
  for (const auto kind : kActivations) {
    Magnitude magnitude;
    cpu::denseForward(pool, {1, 2, 40, 1}, kind, x.data(), weights.data(), bias.data(),
                      {y.data(), nullptr, nullptr, nullptr}, magnitude);
    for (size_t i = 0; i < y.size(); ++i) EXPECT(std::isnan(y[i]) == (i == 0 || i == 37));
    EXPECT(!std::isfinite(magnitude.value()));
  }
}

void testSmallEpsilon() {
  cpu::OptimizerCoefficients c;
  c.keepFirst = 0.1f;
  c.keepSecond = 1e-3f;
  c.stepSize = 1e-3f;
  c.epsilon = 1e-40f;
  std::vector<float> gradient(32), first(32), second(32), value(32, 0.25f);
  gradient[0] = 1;
  cpu::optimizerUpdate(c, gradient.data(), first.data(), second.data(), value.data(), 32);
  EXPECT(std::isfinite(value[0]) && value[0] < 0.25f);
  for (size_t i = 1; i < value.size(); ++i) EXPECT(value[i] == 0.25f);
}

// A GPU that another process holds for itself: whoever asks for something on it is told, every time.
void testDeviceThatCannotBeOpened() {
  struct Held : twin::TwinPart {
    bool onHost() const override { return false; }
    void enterThread(int /*index*/) override { throw Error("ERR_DEVICE", "held"); }
  } held;
  ThreadedDevice device(c10::Device("cuda:0"), 1, Pool::Workers::kShared, &held);
  for (int i = 0; i < 2; ++i) {
    std::promise<std::string> code;
    device.submit([&] {
      try {
        const std::vector<float> values(30);
        device.createDataset({values.data(), false, 1, 30});
        code.set_value("");
      } catch (const Error& error) {
        code.set_value(error.code());
      }
    });
    EXPECT(code.get_future().get() == "ERR_DEVICE");
  }
}

// Noise that is given is z's: not what dropout leaves out, and one row for each draw of z.
void testGivenNoise() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  ModelSpec spec = smallSpec();
  spec.encoder.dropout = 0.5;
  const std::vector<float> x(2 * 30, 0.5f), noise(2 * 5, 0.25f);
  const HostArray examples{x.data(), false, 2, 30};
  for (const int64_t width : {24, 5}) {
    spec.encoder.hidden = {width};
    VaeModel model({cpu, c10::kDouble, &pool}, spec, 1, false);
    const double loss = model.gradients(examples, {noise.data()}, {}).sums.loss;
    const double same = model.gradients(examples, {noise.data()}, {}).sums.loss;
    std::vector<float> other = noise;
    other[0] = 2;
    EXPECT(loss == same && loss != model.gradients(examples, {other.data()}, {}).sums.loss);
  }
  spec.objective = {"iwae", {{"samples", 3}}, {}, {}};
  VaeModel model({cpu, c10::kDouble, &pool}, spec, 1, false);
  EXPECT(codeOf([&] { model.gradients(examples, {noise.data()}, {}); }) == "ERR_SHAPE");
}

void testLabelsOfNoClass() {
  const c10::Device cpu(c10::kCPU);
  Pool pool(1);
  ModelSpec spec = smallSpec();
  spec.condition = {3, true, true, false};
  VaeModel model({cpu, c10::kFloat, &pool}, spec, 1, false);
  const std::vector<float> values(4 * 30, 0.5f);
  const std::atomic<bool> abort{false};
  for (const int32_t odd : {0, 2, 3, -1, 1 << 30}) {
    const std::vector<int32_t> labels{0, 1, odd, 2};
    ResidentDataset data(cpu, {values.data(), false, 4, 30, labels.data()});
    const std::string code = codeOf([&] { model.evaluate(data, 2, 0, {}, abort, nullptr); });
    EXPECT(code == (odd == 0 || odd == 2 ? "" : "ERR_RANGE"));
  }
}

void testNamesOfState() {
  Pool pool(1);
  const VaeModel model({c10::Device(c10::kCPU), c10::kFloat, &pool}, smallSpec(), 1, false);
  for (const StateTensor& tensor : model.stateTensors()) model.readState(tensor.name);
  for (const char* name :
       {"", "encoder", "optimizer.encoder.0.weight", "optimizer.encoder.0.weight.exp_avh",
        "optimizer.exp_avg", "optimizer..exp_avg", "average.encoder.0.weight", "encoder.0.weight.exp_avg"}) {
    EXPECT(codeOf([&] { model.readState(name); }) == "ERR_CHECKPOINT");
  }
}

void testFrechetOfNan() {
  std::vector<float> a(8 * 2), b(8 * 2);
  for (size_t i = 0; i < a.size(); ++i) a[i] = b[i] = static_cast<float>(i % 5);
  b[3] = std::numeric_limits<float>::quiet_NaN();
  bool told = false;
  try {
    told = std::isnan(frechetDistance({a.data(), false, 8, 2}, {b.data(), false, 8, 2}, 0));
  } catch (const std::exception&) {
    told = true;
  }
  EXPECT(told);
}

}  // namespace

void checkEngine() {
  test("a pool ends, and tells what its threads met", testPool);
  test("NaN goes through the CPU's activations", testNanGoesThrough);
  test("Adam with an epsilon below the normal numbers", testSmallEpsilon);
  test("a device that cannot be opened", testDeviceThatCannotBeOpened);
  test("noise that is given", testGivenNoise);
  test("labels of no class", testLabelsOfNoClass);
  test("names of a model's state", testNamesOfState);
  test("the Frechet distance of NaN", testFrechetOfNan);
}

}  // namespace torchvae::check
