#include "kernels/block.h"

#include <type_traits>

namespace torchvae {
namespace {

using namespace kernels;

constexpr int64_t kFloatBytes = sizeof(float);
constexpr int64_t kDeclaredBytes = 3 * 1024;  // of shared memory, by the kernel itself and by the driver

static_assert(std::is_trivially_copyable_v<BlockArguments> && sizeof(BlockArguments) <= 4096);
static_assert(std::is_trivially_copyable_v<BlockMember>);

// The next place that begins at 16 bytes, which is then moved on by `floats`.
int32_t claim(int64_t& next, int64_t floats) {
  const int64_t place = next;
  next += (floats + 3) / 4 * 4;
  return static_cast<int32_t>(place);
}

// The places of a batch's rows behind `next`, which is moved on.
void placeRows(BlockShape& shape, int64_t& next) {
  const int64_t rows = (shape.batchSize + kBlockLines - 1) / kBlockLines * kBlockLines;
  const auto claimRows = [&](int32_t width) { return claim(next, rows * rowStride(width)); };
  shape.x = claimRows(shape.layer[0].in);
  shape.z = claimRows(shape.layer[shape.head + 1].in);
  shape.noise = claimRows(shape.latent);
  shape.factors = claim(next, shape.latent);
  for (int32_t l = 0; l < shape.layers; ++l) {
    BlockLayer& layer = shape.layer[l];
    layer.from = l == 0 ? shape.x : l == shape.head + 1 ? shape.z : shape.layer[l - 1].to;
    layer.to = layer.delta = claimRows(layer.out);
    if (l != shape.head && l + 1 != shape.layers) layer.delta = claimRows(layer.out);
  }
}

}  // namespace

int64_t sharedFloatsOf(int capability) {
  int64_t kilobytes = 99;  // of 8.6, 8.9 and 12.0, and the least that any has
  if (capability == 80 || capability == 87) kilobytes = 163;
  if (capability >= 90 && capability < 120) kilobytes = 227;
  return (kilobytes * 1024 - kDeclaredBytes) / kFloatBytes;
}

bool placeInShared(BlockShape& shape, int64_t sharedFloats) {
  int64_t parameters = 0;
  for (int32_t l = 0; l < shape.layers; ++l) {
    BlockLayer& layer = shape.layer[l];
    layer.matrix = claim(parameters, (layer.in + int64_t{1}) * rowStride(layer.out));
    if (parameters > sharedFloats) return false;
  }
  shape.parameters = static_cast<int32_t>(parameters);
  // All, or without the moments, or the values alone: what is used together lies together.
  for (const int copies : {kMostCopies, 2, 1}) {
    int64_t next = copies * parameters;
    shape.copies = copies;
    placeRows(shape, next);
    shape.sharedFloats = static_cast<int32_t>(next);
    if (next <= sharedFloats) return true;
  }
  return false;
}

void BlockKernel::train(const BlockArguments& a, int64_t count, OptimizerKind optimizer) {
  void*& handle = handles_[optimizer];
  if (handle == nullptr) {
    // Models of any size share a function: it is given what the largest takes.
    handle = part_.kernel({"block.cu",
                           {{"ENCODER_ACTIVATION", static_cast<int64_t>(kind_.encoder)},
                            {"DECODER_ACTIVATION", static_cast<int64_t>(kind_.decoder)},
                            {"LIKELIHOOD", static_cast<int64_t>(kind_.likelihood)},
                            {"OPTIMIZER_KIND", static_cast<int64_t>(optimizer)}},
                           "trainBlock",
                           kFloatBytes * sharedFloatsOf(part_.capability())});
  }
  part_.launch(handle, {count, kBlockThreads, kFloatBytes * a.shape.sharedFloats}, &a, sizeof a);
}

}  // namespace torchvae
