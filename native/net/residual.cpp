// Convolutions with residual blocks (He et al. 2016, in the pre-activation form) between the changes of size:
// each block adds norm - activation - convolution 3x3, twice, to what it takes.

#include "net/conv.h"
#include "net/tables.h"
#include "ops/image_layout.h"

namespace torchvae {
namespace {

class Block {
 public:
  Block(Weights& weights, const std::string& name, const NetworkSpec& spec, const ImageShape& image)
      : spec_(spec),
        firstNorm_(weights, name + ".0.norm", spec.norm, image.channels),
        first_(weights, name + ".0", shapeOf(image)),
        secondNorm_(weights, name + ".1.norm", spec.norm, image.channels),
        second_(weights, name + ".1", shapeOf(image)) {}

  // The sum of x and what the block adds to it, or activate() of that.
  Tensor operator()(const Tensor& x, Pass& pass,
                    ActivationKind activation = ActivationKind::kIdentity) const {
    const Normed begin = firstNorm_.besideInput(x, pass, spec_.activation);
    Tensor h = first_(begin.y);
    h = dropout(secondNorm_(h, pass, spec_.activation), spec_.dropout, pass);
    return second_(h, begin.x, activation);
  }

 private:
  static ConvShape shapeOf(const ImageShape& image) {
    return {image.channels, image.height, image.width, image.channels, 3, 1};
  }

  NetworkSpec spec_;
  Norm firstNorm_;
  Convolution first_;
  Norm secondNorm_;
  Convolution second_;
};

class ResidualEncoder : public Network {
 public:
  ResidualEncoder(Weights& weights, const ModelSpec& spec)
      : spec_(spec.encoder), toImage_(weights, spec, imageShape(spec, "residual")) {
    ImageShape image = imageShape(spec, "residual");
    if (spec.condition.encoder) ++image.channels;
    const auto shapes = downwardShapes(image, spec_.channels, spec_);
    for (size_t i = 0; i < shapes.size(); ++i) {
      const std::string layer = "encoder." + std::to_string(i);
      layers_.emplace_back(weights, layer, shapes[i]);
      blocks_.emplace_back(
          weights, layer + ".block", spec_,
          ImageShape{shapes[i].smallChannels, shapes[i].smallHeight(), shapes[i].smallWidth()});
    }
    outputSize_ = smallestImage(shapes).size();
  }

  Tensor forward(const Tensor& x, Pass& pass) const override {
    Tensor h = toImage_(x, pass);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const bool isLast = i + 1 == layers_.size();
      h = blocks_[i](layers_[i](h), pass, isLast ? spec_.activation : ActivationKind::kIdentity);
    }
    return featuresOf(pass.draws.context(), h);
  }

 private:
  NetworkSpec spec_;
  LabelPlane toImage_;
  std::vector<Convolution> layers_;
  std::vector<Block> blocks_;
};

class ResidualDecoder : public Network {
 public:
  ResidualDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize, int64_t outputSize)
      : spec_(spec.decoder), begin_(weights, spec, "residual", codeSize, outputSize) {
    const auto& shapes = begin_.upwardShapes();
    for (size_t i = 0; i < shapes.size(); ++i) {
      const ConvShape& shape = shapes[i];
      const std::string layer = "decoder." + std::to_string(i + 1);
      blocks_.emplace_back(weights, layer + ".block", spec_,
                           ImageShape{shape.smallChannels, shape.smallHeight(), shape.smallWidth()});
      layers_.emplace_back(weights, layer, shape);
    }
    outputSize_ = outputSize;
  }

  Tensor forward(const Tensor& z, Pass& pass) const override {
    Tensor h = begin_(z, pass);
    for (size_t i = 0; i < layers_.size(); ++i) {
      h = layers_[i](blocks_[i](h, pass, spec_.activation));
    }
    return featuresOf(pass.draws.context(), h);
  }

 private:
  NetworkSpec spec_;
  SmallImage begin_;
  std::vector<Block> blocks_;
  std::vector<TransposedConvolution> layers_;
};

}  // namespace

std::unique_ptr<Network> makeResidualEncoder(Weights& weights, const ModelSpec& spec) {
  return std::make_unique<ResidualEncoder>(weights, spec);
}

std::unique_ptr<Network> makeResidualDecoder(Weights& weights, const ModelSpec& spec, int64_t codeSize,
                                             int64_t outputSize) {
  return std::make_unique<ResidualDecoder>(weights, spec, codeSize, outputSize);
}

}  // namespace torchvae
