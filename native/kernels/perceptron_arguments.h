// What the kernels of a perceptron's step take (perceptron.cu). All matrices are of float32, with rows of
// `stride` values where one is named; pointers are to device memory.
//
// A layer's delta is the gradient of the mean loss in its value before the activation. `magnitudes` gets from
// every block the largest magnitude of what it wrote, as bits.
#pragma once

#include "arguments.h"

namespace torchvae::kernels {

enum Side : int32_t { kEncoder, kDecoder };

// y = activate(x W + b).
struct ForwardArguments {
  const float* x;       // [rows, xStride]
  const float* weight;  // [in, out]
  const float* bias;    // [out]
  float* y;             // [rows, yStride]
  float* slope;         // the same, or null: where the activation's slope goes
  uint32_t* magnitudes;
  int32_t rows, in, out, xStride, yStride, side;
  int32_t isThere;  // whether x is there before the kernel before this one has ended
  // Of the encoder's last hidden layer, where latentRows() follows; null elsewhere.
  const float* headWeight;  // [out, headSize]
  float* heads;             // [rows, tiles across, headSize]: each tile's part of y headWeight
  int32_t headSize;
};

// The delta of the layer whose output a layer takes: to = (delta W^T) * slope of the activation that made it.
struct BackArguments {
  const float* delta;   // [rows, deltaStride], of the layer above
  const float* weight;  // [in, out], of the layer above
  const float* kept;    // [rows, toStride]: this layer's output, or the slopes in its stead
  float* to;            // [rows, toStride]
  uint32_t* magnitudes;
  int32_t rows, in, out, deltaStride, toStride, side;
};

// The decoder's last layer, its likelihood, and the delta of it.
struct OutputArguments {
  const float* h;       // [rows, in]
  const float* weight;  // [in, out]
  const float* bias;
  const float* x;  // [rows, xStride]: what is to be explained
  float* delta;    // [rows, deltaStride]
  float* losses;   // [tiles across, rows]: sums over a tile's columns
  uint32_t* magnitudes;
  float scale;      // of the likelihood's terms (LikelihoodArguments has it as `precision`)
  int32_t sigmoid;  // whether the location is sigmoid(y) in place of y
  int32_t rows, in, out, hStride, xStride, deltaStride;
};

// From the encoder to the decoder: head = x W + b, z = mean + exp(logVariance / 2) noise, kl of each row, and
// y, the decoder's first hidden layer, if it has one.
struct LatentArguments {
  const float* x;  // [rows, xStride]: the encoder's output
  const float* headWeight;
  const float* headBias;
  const float* noise;       // [rows, latent]
  float* head;              // [rows, 2 latent]: means, then log-variances
  float* z;                 // [rows, zStride]; behind its `latent` values may stand a label
  float* kl;                // [rows]
  ForwardArguments hidden;  // of the decoder's first hidden layer, which takes z; its `out` is 0 for none
  uint32_t* magnitudes;
  int32_t rows, in, latent, xStride, zStride;
  int32_t slices;  // blocks that take the same rows
};

// Back through the same: dz, the head's delta, and the delta of the encoder's last hidden layer, if it has
// one. One block more sums up the batch's losses into the state.
struct LatentBackArguments {
  const float* delta;   // [rows, deltaStride], of the decoder's first layer
  const float* weight;  // [latent or more, out], of that layer
  const float* head;
  const float* noise;
  const float* factors;  // [latent]: how much of each dimension's divergence counts; null for 1
  float* headDelta;      // [rows, headStride]
  BackArguments hidden;  // of the encoder's last hidden layer; its `in` is 0 for none
  uint32_t* magnitudes;
  // For the sums.
  StepState* state;
  const ScheduleRow* schedule;
  const float* losses;             // [lossTiles, rows]
  const float* kl;                 // [rows]
  const double* klCost;            // [1], or null for the mean of kl
  double lossScale, lossConstant;  // of a row's loss: lossScale (sum) + lossConstant
  double beta1, beta2;
  int32_t rows, out, latent, deltaStride, headStride, lossTiles;
  int32_t slices;  // blocks that take the same rows
};

// As LatentArguments, by blocks of whole rows, where the layer before left the parts of the head's product.
struct LatentRowsArguments {
  const float* heads;  // [rows, slices, 2 latent]
  const float* headBias;
  const float* noise;       // [rows, latent]
  float* head;              // [rows, 2 latent]
  float* z;                 // [rows, zStride]
  float* kl;                // [rows]
  ForwardArguments hidden;  // of the decoder's first hidden layer
  uint32_t* magnitudes;
  int32_t rows, latent, zStride, slices;
  int32_t staged;  // floats of the layer's weights that are copied to shared memory, or 0
};

// The decoder's last layer as in OutputArguments, and back through it: each tile's part of the gradient in
// what the layer took.
struct OutputBackArguments {
  OutputArguments output;
  float* parts;  // [slices, rows, partStride]
  int32_t slices, partStride;
};

// As LatentBackArguments, by blocks of whole rows.
struct LatentRowsBackArguments {
  LatentBackArguments between;
  // Where the decoder's first hidden layer is its last, what its delta is made of; null where it is there.
  const float* parts;  // [slices, rows, partStride]
  const float* kept;   // [rows, deltaStride]: the layer's output, or the slopes in its stead
  float* delta;        // between.delta, to be written
  int32_t slices, partStride;
  int32_t staged;  // whether both layers' weights are copied to shared memory
  // Blocks that load the next batch meanwhile, or 0.
  int32_t loadBlocks;
  LoadArguments load;
};

// Of a layer: W's gradient is x^T delta, the bias's the column sums of delta.
struct WeightLayer {
  const float* x;        // [rows, xStride]
  const float* delta;    // [rows, deltaStride]
  int64_t weight, bias;  // places in the flat parameters
  int32_t in, out, xStride, deltaStride;
  int32_t firstBlock;  // of the kernel's grid
};

constexpr int kMaxLayers = 32;

enum WeightsMode : int32_t {
  kUpdateAtOnce,  // where the magnitudes bound every gradient; else by way of the gradients
  kGradients,     // these alone, and their squares
};

// All weights' gradients, and unless `mode` says otherwise the update by them and the step's end.
struct WeightsArguments {
  OptimizeArguments update;     // its `partials` are squares of gradients, one for each block of this grid
  double* squares;              // the same place
  float* gradients;             // [...], as the parameters lie
  const uint32_t* activations;  // magnitudes of what the layers took
  const uint32_t* deltas;
  int32_t activationCount, deltaCount;
  float inputMagnitude;  // of the batch's own values
  int32_t mode, layers;
  WeightLayer layer[kMaxLayers];
};

}  // namespace torchvae::kernels
