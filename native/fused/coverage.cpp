#include "fused/coverage.h"

#include <algorithm>
#include <cstdlib>

#include "error.h"
#include "fused/aggregate_cost.h"
#include "fused/block.h"
#include "fused/importance_cost.h"
#include "fused/likelihood.h"
#include "fused/posterior.h"
#include "kernels/arguments.h"
#include "kernels/kernels.h"

namespace torchvae::fused {
namespace {

std::string networkObstacle(const Context& context, const ModelSpec& spec, const NetworkSpec& network,
                            bool isConditioned) {
  if (network.norm != NormKind::kNone) return "normalization layers have no fused kernels";
  if (network.dropout > 0) return "dropout has no fused kernel";
  if (network.type == "mlp") return "";
  if (network.type != "conv") return "the network '" + network.type + "' has no fused kernels";
  if (isConditioned) return "convolutions conditioned on labels have no fused kernels";
  if (spec.inputShape.size() != 3) return "fused convolutions take images of shape [channels, height, width]";
  if (spec.inputShape[0] == 1) return "";
  // Of several channels, both networks must have the pixels in one order.
  if (context.kernels == nullptr) return "fused convolutions take images of one channel on the CPU";
  return spec.encoder.type == spec.decoder.type
             ? ""
             : "images of several channels need encoder and decoder of one type to be fused";
}

// How a device is to take steps: `layers`, by libtorch's products; of perceptrons `fused`, by the kernels of
// many blocks; `strips`, by those without the ones that take whole rows; `loop`, one after another without
// captured graphs; empty: as is best for the model.
std::string askedStep() {
  const char* variable = std::getenv("TORCHVAE_GPU_STEP");
  if (variable == nullptr) return "";
  const std::string asked = variable;
  for (const char* known : {"", "layers", "fused", "strips", "loop"}) {
    if (asked == known) return asked;
  }
  throw Error("ERR_RANGE", "Expected layers, fused, strips or loop for TORCHVAE_GPU_STEP but received \"" +
                               asked + "\"; leave it out for the best one of each model");
}

bool asksForManyBlocks() {
  return askedStep() == "fused" || asksForStrips();
}

// A device's kernel takes a bounded number of ranges of gradients, two for each layer.
bool hasTooManyLayers(const Context& context, const ModelSpec& spec) {
  const size_t layers = std::max(spec.encoder.hidden.size(), spec.encoder.channels.size()) +
                        std::max(spec.decoder.hidden.size(), spec.decoder.channels.size()) + 2;
  return context.kernels != nullptr && 2 * layers > kernels::kMaxRanges;
}

}  // namespace

std::string obstacle(const Context& context, const ModelSpec& spec) {
  for (const auto& [network, isConditioned] :
       {std::pair{&spec.encoder, spec.condition.encoder}, std::pair{&spec.decoder, spec.condition.decoder}}) {
    const std::string reason = networkObstacle(context, spec, *network, isConditioned);
    if (!reason.empty()) return reason;
  }
  if (hasTooManyLayers(context, spec)) return "the model has more layers than one kernel's arguments hold";
  if (!hasKernels(context, spec)) {
    return "the posterior '" + spec.posterior.type + "' with the prior '" + spec.prior.type +
           "' has no fused kernels";
  }
  if (spec.condition.prior) return "a prior conditioned on labels has no fused kernel";
  if (!hasKernel(context, spec.likelihood)) {
    return "the likelihood '" + spec.likelihood.type + "' has no fused kernel for these settings";
  }
  if (spec.decoder.type == "conv" && parametersPerValue(spec.likelihood) > 1) {
    return "scales predicted by convolutions have no fused kernels";
  }
  const bool isHeld = spec.objective.type == "elbo" &&
                      (spec.objective.number("freeBits") > 0 || spec.objective.flag("hasCapacity"));
  if (isHeld && (spec.posterior.type != "gaussian" || spec.prior.type != "standard-normal")) {
    return "free bits and a capacity have no fused kernels for the posterior '" + spec.posterior.type +
           "' with the prior '" + spec.prior.type + "'";
  }
  const bool isServed =
      spec.objective.type == "elbo" || hasImportanceCost(context, spec) ||
      (hasAggregateCost(spec.objective) && context.tiled() && spec.prior.type == "standard-normal");
  return isServed ? "" : "the objective '" + spec.objective.type + "' has no fused kernels";
}

std::string perceptronObstacle(const Context& context, const ModelSpec& spec, int64_t rows) {
  constexpr int64_t kMostRows = 1024, kMostUnits = 1024, kMostLatent = 256, kMostValues = 4096;
  if (context.kernels == nullptr) return "the CPU has kernels of another kind";
  if (asksForLayers()) return "TORCHVAE_GPU_STEP asks for layers";
  if (asksForLoop()) return "TORCHVAE_GPU_STEP asks for the loop";
  if (context.dtype != c10::kFloat) return "tensor cores are used for float32, tf32 and bf16";
  if (context.kernels->part().capability() < 80) return "the device's tensor cores have no tf32";
  if (spec.encoder.type != "mlp" || spec.decoder.type != "mlp") return "a network is not a perceptron";
  // Larger products with rounded factors are better served by the libraries' tiles.
  const bool isRounded = context.bf16 || context.tf32;
  if (isRounded && rows > kMostRows && !asksForManyBlocks()) return "the batch has more than 1,024 examples";
  for (const NetworkSpec* network : {&spec.encoder, &spec.decoder}) {
    for (const int64_t width : network->hidden) {
      if (width > kMostUnits) return "a hidden layer has more than 1,024 units";
    }
  }
  if (spec.latentSize > kMostLatent) return "the codes have more than 256 dimensions";
  if (spec.inputSize() > kMostValues) return "examples have more than 4,096 values";
  return "";
}

std::string blockObstacle(const Context& context, const ModelSpec& spec, int64_t rows) {
  // One block takes some tens of microseconds for so many. Larger models are faster on many blocks.
  constexpr int64_t kMostRows = 256, kMostProducts = 1 << 19;
  const std::string reason = perceptronObstacle(context, spec, rows);
  if (!reason.empty()) return reason;
  if (asksForManyBlocks()) return "TORCHVAE_GPU_STEP asks for the kernels of many blocks";
  if (context.bf16 || context.tf32) return "rounded products are for tensor cores";
  if (rows > kMostRows) return "the batch has more than 256 examples";
  kernels::BlockShape shape = blockShapeOf(spec, rows);
  if (productsOf(shape) > kMostProducts) return "a batch takes more products than one block should";
  if (!placeInShared(shape, sharedFloatsOf(context.kernels->part().capability())))
    return "the model and a batch do not fit in one block's shared memory";
  return "";
}

bool asksForLayers() {
  return askedStep() == "layers";
}

bool asksForStrips() {
  return askedStep() == "strips";
}

bool asksForLoop() {
  return askedStep() == "loop";
}

}  // namespace torchvae::fused
