// What the checks are written with. Each prints "ok NAME" or "not ok NAME: why".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <string>

#include "spec.h"

#define TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope) torchvae::ActivationKind::kind,
inline constexpr torchvae::ActivationKind kActivations[] = {
#include "activations.h"
};
#undef TORCHVAE_ACTIVATION

namespace torchvae::check {

inline int failures = 0;

struct Failure {
  std::string why;
};

#define EXPECT(condition)                                                                               \
  do {                                                                                                  \
    if (!(condition))                                                                                   \
      throw torchvae::check::Failure{std::string(#condition) + " at line " + std::to_string(__LINE__)}; \
  } while (false)

inline void near(double came, double wanted, double tolerance, const char* what, int line) {
  if (std::abs(came - wanted) <= tolerance * std::max(1.0, std::abs(wanted))) return;
  std::ostringstream text;
  text << what << ": came " << came << ", wanted " << wanted << " at line " << line;
  throw Failure{text.str()};
}
#define NEAR(came, wanted, tolerance) torchvae::check::near(came, wanted, tolerance, #came, __LINE__)

template <class F>
void test(const std::string& name, const F& body) {
  try {
    body();
    std::printf("ok %s\n", name.c_str());
  } catch (const Failure& failure) {
    ++failures;
    std::printf("not ok %s: %s\n", name.c_str(), failure.why.c_str());
  } catch (const std::exception& error) {
    ++failures;
    std::printf("not ok %s: %s\n", name.c_str(), error.what());
  }
  std::fflush(stdout);
}

// A perceptron of one hidden layer on each side over 30 values.
inline ModelSpec smallSpec() {
  ModelSpec spec;
  spec.inputShape = {30};
  spec.encoder.hidden = {24};
  spec.decoder.hidden = {24};
  spec.latentSize = 5;
  spec.posterior.type = "gaussian";
  spec.prior.type = "standard-normal";
  spec.likelihood.type = "bernoulli";
  spec.objective = {"elbo", {{"freeBits", 0}, {"hasCapacity", 0}}, {}, {}};
  return spec;
}

// While this lives, TORCHVAE_GPU_STEP says so; "" for nothing.
class AskedStep {
 public:
  explicit AskedStep(const char* step) {
    if (*step != 0) setenv("TORCHVAE_GPU_STEP", step, 1);
  }
  ~AskedStep() { unsetenv("TORCHVAE_GPU_STEP"); }
  AskedStep(const AskedStep&) = delete;
  AskedStep& operator=(const AskedStep&) = delete;
};

// The kernels of cuda/ on random numbers, each against a reference in double or the engine's CPU path.
void checkKernels();
// The graph executor's manners against the plain loop's.
void checkExecutor();
// Averages, running statistics, codebooks.
void checkFollowing();
// Ranks by what is taken of NCCL.
void checkNccl();
void checkKeptPrograms();
// The perceptron's step on tensor cores.
void checkConv();
void checkPerceptron();
// Whole models by one block each.
void checkBlock();
// Models by captured graphs, several at a time.
void checkLanes();
// What of the engine can be met in C++ alone.
void checkEngine();

}  // namespace torchvae::check
