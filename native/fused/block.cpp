#include "fused/block.h"

#include <cstring>

#include "base/memory.h"
#include "fused/fixed_likelihood.h"
#include "kernels/sizes.h"

namespace torchvae::fused {
namespace {

using namespace kernels;

BlockShape placedShape(const Context& context, const VaePlan& plan, const ModelSpec& spec,
                       int64_t batchSize) {
  BlockShape shape = blockShapeOf(spec, batchSize);
  placeInShared(shape, sharedFloatsOf(context.kernels->part().capability()));
  int32_t next = 0;
  const auto put = [&](const DenseSlots& slots) {
    BlockLayer& layer = shape.layer[next++];
    layer.weight = slots.weight.offset;
    layer.bias = slots.bias.offset;
  };
  for (const LayerPlan& layer : plan.encoder) put(std::get<DensePlan>(layer.layer).slots);
  put(plan.head);
  for (const LayerPlan& layer : plan.decoder) put(std::get<DensePlan>(layer.layer).slots);
  return shape;
}

}  // namespace

BlockShape blockShapeOf(const ModelSpec& spec, int64_t batchSize) {
  const LabelColumns labels = labelsOf(spec);
  BlockShape shape{};
  shape.inputs = narrow(spec.inputSize());
  shape.latent = narrow(spec.latentSize);
  shape.batchSize = narrow(batchSize);
  int64_t in = spec.inputSize() + labels.encoder;
  const auto add = [&](int64_t out, Side side) {
    BlockLayer& layer = shape.layer[shape.layers++];
    layer.in = narrow(in);
    layer.out = narrow(out);
    layer.side = side;
    in = out;
  };
  for (const int64_t width : spec.encoder.hidden) add(width, kEncoder);
  shape.head = shape.layers;
  add(2 * spec.latentSize, kEncoder);
  in = spec.latentSize + labels.decoder;
  for (const int64_t width : spec.decoder.hidden) add(width, kDecoder);
  add(spec.inputSize(), kDecoder);
  return shape;
}

int64_t productsOf(const BlockShape& shape) {
  int64_t weights = 0;
  for (int32_t l = 0; l < shape.layers; ++l) weights += int64_t{shape.layer[l].in} * shape.layer[l].out;
  return weights * shape.batchSize;
}

BlockPerceptron::BlockPerceptron(const Context& context, const Parameters& parameters, const VaePlan& plan,
                                 const ModelSpec& spec, int64_t batchSize)
    : parameters_(parameters),
      shape_(placedShape(context, plan, spec, batchSize)),
      kernel_(context.kernels->part(),
              {spec.encoder.activation, spec.decoder.activation, FixedLikelihood(spec).kind()}),
      terms_(FixedLikelihood(spec).terms()),
      price_{spec.objective.number("freeBits"), spec.objective.flag("hasCapacity")},
      classes_(spec.condition.classes) {
  if (shape_.copies < kMostCopies) rest_ = zeroed(context, {kMostCopies - shape_.copies, shape_.parameters});
}

bool BlockPerceptron::isLike(const BlockPerceptron& other) const {
  return kernel_.kind() == other.kernel_.kind() && std::memcmp(&shape_, &other.shape_, sizeof shape_) == 0;
}

BlockMember BlockPerceptron::member(const BatchSource& source, const OptimizerSettings& settings) const {
  const UpdateBuffers buffers{parameters_.values,        {}, parameters_.firstMoments,
                              parameters_.secondMoments, {}, {}};
  BlockMember m{};
  m.update = optimizeArguments(buffers, 0, 0, settings, nullptr, nullptr);
  m.gradients = parameters_.gradients.mutable_data_ptr<float>();
  if (settings.averageDecay > 0) {
    m.average = parameters_.average.mutable_data_ptr<float>();
    m.averageKeep = static_cast<float>(1 - settings.averageDecay);
  }
  m.rest = rest_.defined() ? rest_.mutable_data_ptr<float>() : nullptr;
  m.data = source.data.const_data_ptr();
  m.order = source.order.const_data_ptr<int64_t>();
  m.labels = classes_ > 0 ? source.labels.const_data_ptr<int64_t>() : nullptr;
  m.examples = source.data.size(0);
  m.seed = source.seed;
  m.stream = static_cast<uint32_t>(Stream::kNoise);
  m.binaryStream = source.isDrawn ? static_cast<uint32_t>(Stream::kBinary) : 0;
  m.isUint8 = source.data.scalar_type() == c10::kByte ? 1 : 0;
  m.lossScale = terms_.precision;
  m.lossConstant = terms_.constant;
  m.freeBits = price_.freeBits;
  m.sigmoid = terms_.sigmoid ? 1 : 0;
  m.isPlain = price_.isPlain() ? 1 : 0;
  m.hasCapacity = price_.hasCapacity ? 1 : 0;
  return m;
}

}  // namespace torchvae::fused
