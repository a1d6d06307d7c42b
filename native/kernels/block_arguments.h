// What the kernel takes by which one block trains a whole small perceptron (block.cu). A block has the
// model's parameters and a batch's values in shared memory; places there are counted in floats.
#pragma once

#include "perceptron_arguments.h"

namespace torchvae::kernels {

constexpr int kBlockThreads = 512;
constexpr int kBlockLines = 4;  // at most, of a batch or of weights, that a thread takes of a product
constexpr int kMostCopies = 4;  // of the parameters' size: values, gradients, two moments

// From row to row in shared memory: an odd number of 16 bytes. A vector of one row then lies in other banks
// than those of the rows beside it.
constexpr int rowStride(int width) {
  return ((width + 3) / 4 | 1) * 4;
}

struct BlockLayer {
  int64_t weight, bias;  // places in the flat parameters
  int32_t in, out, side;
  int32_t matrix;           // place of W [in, out] in a copy of the parameters; the bias is its last row
  int32_t from, to, delta;  // places of rows of `in`, `out` and `out` values; `to` and `delta` may be one
};

// What all models of a launch share.
struct BlockShape {
  int32_t layers, head;    // the head's place among the layers, which are in the order of computation
  int32_t inputs, latent;  // values of an example and of its code, without the label behind them
  int32_t parameters;      // floats of a copy of all parameters, a multiple of 4
  int32_t copies;          // of kMostCopies, in this order, those that lie in shared memory
  int32_t batchSize;       // examples of a whole batch
  int32_t x, z, noise;     // places of rows
  int32_t factors;         // place of [latent]
  int32_t sharedFloats;    // in all
  BlockLayer layer[kMaxLayers];
};

enum BlockMode : int32_t {
  kTakeSteps,
  kLookAhead,  // the gradients of the next batch, and nothing else
};

// One model of a launch.
struct BlockMember {
  OptimizeArguments update;  // its `rows` are those of the present batch
  float* gradients;          // [...], as the parameters lie: where kLookAhead leaves them
  float* average;            // [...], likewise: the weights' moving average, or null
  float* rest;               // the copies that do not lie in shared memory
  const void* data;          // [examples, inputs], uint8 (scaled by 1/255) or float
  const int64_t* order;      // [examples]
  const int64_t* labels;     // [examples], or null
  int64_t examples, steps;
  uint64_t seed;
  uint32_t stream, binaryStream;  // as LoadArguments has them
  int32_t isUint8, mode;
  double lossScale, lossConstant;  // of a row's loss: lossScale (sum of its terms) + lossConstant
  double freeBits;
  float averageKeep;             // see AverageArguments
  int32_t sigmoid;               // whether the location is sigmoid(y) in place of y
  int32_t isPlain, hasCapacity;  // isPlain: the mean of KL is what a batch pays
};

struct BlockArguments {
  BlockMember* members;  // one a block
  BlockShape shape;
};

}  // namespace torchvae::kernels
