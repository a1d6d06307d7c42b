// What the networks over images share.
#pragma once

#include "net/network.h"

namespace torchvae {

// The convolutions from `image` through `channels`, which the networks and their mirror images agree on.
std::vector<ConvShape> downwardShapes(const ImageShape& image, const std::vector<int64_t>& channels,
                                      const NetworkSpec& spec);
ImageShape smallestImage(const std::vector<ConvShape>& shapes);

// x [B, inputSize] as images, with a channel made from the label where the encoder is conditioned.
class LabelPlane {
 public:
  LabelPlane(Weights& weights, const ModelSpec& spec, const ImageShape& image);
  Tensor operator()(const Tensor& x, const Pass& pass) const;

 private:
  ImageShape image_;
  bool conditioned_ = false;
  Linear toPlane_;
};

}  // namespace torchvae
