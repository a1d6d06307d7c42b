// Convolutions of one kernel and stride down to a small image, and a dense layer with transposed convolutions
// back up to exactly the size of x. Labels become a further channel of x, and further values of z.

#include "net/conv.h"

#include <ATen/ops/cat.h>

#include <algorithm>

#include "net/tables.h"
#include "ops/image_layout.h"

namespace torchvae {

std::vector<ConvShape> downwardShapes(const ImageShape& image, const std::vector<int64_t>& channels,
                                      const NetworkSpec& spec) {
  std::vector<ConvShape> shapes;
  ImageShape large = image;
  for (const int64_t small : channels) {
    shapes.push_back({large.channels, large.height, large.width, small, spec.kernel, spec.stride});
    large = {small, shapes.back().smallHeight(), shapes.back().smallWidth()};
  }
  return shapes;
}

ImageShape smallestImage(const std::vector<ConvShape>& shapes) {
  return {shapes.back().smallChannels, shapes.back().smallHeight(), shapes.back().smallWidth()};
}

LabelPlane::LabelPlane(Weights& weights, const ModelSpec& spec, const ImageShape& image) : image_(image) {
  if (!spec.condition.encoder) return;
  toPlane_ = Linear(weights, "encoder.label", spec.condition.classes, image.height * image.width);
  conditioned_ = true;
}

Tensor LabelPlane::operator()(const Tensor& x, const Pass& pass) const {
  const Tensor images = x.view({x.size(0), image_.channels, image_.height, image_.width});
  if (!conditioned_) return images;
  const Tensor plane = toPlane_(pass.labels).view({x.size(0), 1, image_.height, image_.width});
  return at::cat({images, plane}, 1);
}

SmallImage::SmallImage(Weights& weights, const ModelSpec& spec, const std::string& type, int64_t codeSize,
                       int64_t outputSize)
    : conditioned_(spec.condition.decoder) {
  ImageShape image = imageShape(spec, type);
  image.channels *= outputSize / spec.inputSize();
  const std::vector<int64_t> down(spec.decoder.channels.rbegin(), spec.decoder.channels.rend());
  upward_ = downwardShapes(image, down, spec.decoder);
  shape_ = smallestImage(upward_);
  std::reverse(upward_.begin(), upward_.end());
  const int64_t in = codeSize + (conditioned_ ? spec.condition.classes : 0);
  dense_ = Linear(weights, "decoder.0", in, shape_.size());
}

Tensor SmallImage::operator()(const Tensor& z, const Pass& pass, ActivationKind activation) const {
  const Tensor h = dense_(conditioned_ ? at::cat({z, pass.labels}, 1) : z, activation);
  return imagesOf(pass.draws.context(), h, shape_.channels, shape_.height, shape_.width);
}

namespace {

class ConvEncoder : public Network {
 public:
  ConvEncoder(Weights& weights, const ModelSpec& spec)
      : spec_(spec.encoder), toImage_(weights, spec, imageShape(spec, "conv")) {
    ImageShape image = imageShape(spec, "conv");
    if (spec.condition.encoder) ++image.channels;
    const auto shapes = downwardShapes(image, spec_.channels, spec_);
    for (size_t i = 0; i < shapes.size(); ++i) {
      const std::string layer = "encoder." + std::to_string(i);
      layers_.emplace_back(weights, layer, shapes[i]);
      norms_.emplace_back(weights, layer + ".norm", spec_.norm, shapes[i].smallChannels);
    }
    outputSize_ = smallestImage(shapes).size();
  }

  Tensor forward(const Tensor& x, Pass& pass) const override {
    Tensor h = toImage_(x, pass);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const auto layer = [&](ActivationKind activation) { return layers_[i](h, {}, activation); };
      h = dropout(norms_[i].after(layer, pass, spec_.activation), spec_.dropout, pass);
    }
    return featuresOf(pass.draws.context(), h);
  }

 private:
  NetworkSpec spec_;
  LabelPlane toImage_;
  std::vector<Convolution> layers_;
  std::vector<Norm> norms_;
};

class ConvDecoder : public Network {
 public:
  ConvDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize, int64_t outputSize)
      : spec_(spec.decoder), begin_(weights, spec, "conv", codeSize, outputSize) {
    norms_.emplace_back(weights, "decoder.0.norm", spec_.norm, begin_.shape().channels);
    const auto& shapes = begin_.upwardShapes();
    for (size_t i = 0; i < shapes.size(); ++i) {
      const std::string layer = "decoder." + std::to_string(i + 1);
      layers_.emplace_back(weights, layer, shapes[i]);
      if (i + 1 < shapes.size()) {
        norms_.emplace_back(weights, layer + ".norm", spec_.norm, shapes[i].largeChannels);
      }
    }
    outputSize_ = outputSize;
  }

  Tensor forward(const Tensor& z, Pass& pass) const override {
    Tensor h;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const auto layer = [&](ActivationKind activation) {
        return i == 0 ? begin_(z, pass, activation) : layers_[i - 1](h, activation);
      };
      h = dropout(norms_[i].after(layer, pass, spec_.activation), spec_.dropout, pass);
    }
    return featuresOf(pass.draws.context(), layers_.back()(h));
  }

 private:
  NetworkSpec spec_;
  SmallImage begin_;
  std::vector<TransposedConvolution> layers_;
  std::vector<Norm> norms_;
};

}  // namespace

std::unique_ptr<Network> makeConvEncoder(Weights& weights, const ModelSpec& spec) {
  return std::make_unique<ConvEncoder>(weights, spec);
}

std::unique_ptr<Network> makeConvDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize,
                                         int64_t outputSize) {
  return std::make_unique<ConvDecoder>(weights, spec, codeSize, outputSize);
}

}  // namespace torchvae
