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

// z [B, codeSize], with the label where the decoder is conditioned, through a dense layer, and perhaps an
// activation, to the smallest image. Throws ERR_SPEC, naming the `type` of network, where x is no image.
class SmallImage {
 public:
  SmallImage(Weights& weights, const ModelSpec& spec, const std::string& type, int64_t codeSize,
             int64_t outputSize);
  Tensor operator()(const Tensor& z, const Pass& pass,
                    ActivationKind activation = ActivationKind::kIdentity) const;

  // The convolutions that the transposed ones undo, from the last to the first; `outputSize` / inputSize
  // channels come out for each of x's, one for each parameter that the likelihood has for a value.
  const std::vector<ConvShape>& upwardShapes() const { return upward_; }
  const ImageShape& shape() const { return shape_; }

 private:
  bool conditioned_;
  std::vector<ConvShape> upward_;
  ImageShape shape_{};
  Linear dense_;
};

}  // namespace torchvae
