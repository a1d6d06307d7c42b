// The weights of a model in one flat buffer, with their gradients and the optimizer's moments in three more
// of the same layout: the optimizer is one loop, and a clipping norm one reduction.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "engine.h"
#include "store/deferred_gradients.h"

namespace torchvae {

// A place in the flat buffer, seen as a tensor.
struct Slot {
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
  int64_t offset = 0;
  // Where the first two sizes are panels and their columns (cpu/panels.h) of which only some are the
  // tensor's: the first of these, and their count.
  int64_t firstColumn = 0, columns = 0;

  // The place in one of the flat buffers, with columns that are not the tensor's.
  at::Tensor in(const at::Tensor& flat) const { return flat.as_strided(sizes, strides, offset); }
  // The tensor in its place: a view of it where all of it is the tensor's.
  at::Tensor of(const at::Tensor& place) const {
    return columns == 0 ? place : place.flatten(0, 1).narrow(0, firstColumn, columns);
  }
  void write(const at::Tensor& flat, const at::Tensor& values) const;
};

// A tensor of a model's state.
struct StateSlot {
  at::Tensor flat;
  Slot slot;

  at::Tensor read() const { return slot.of(slot.in(flat)); }
  void write(const at::Tensor& values) const { slot.write(flat, values); }
};

// How a parameter's values are drawn.
struct Init {
  enum class Kind : uint8_t { kConstant, kUniform, kNormal };
  Kind kind = Kind::kConstant;
  double scale = 0;  // the constant, the bound of U(-scale, scale), the standard deviation of N(0, scale^2)

  static Init constant(double value) { return {Kind::kConstant, value}; }
  static Init uniform(double bound) { return {Kind::kUniform, bound}; }
  static Init normal(double deviation) { return {Kind::kNormal, deviation}; }
};

struct ParameterEntry {
  std::string name;
  std::vector<int64_t>
      shape;  // PyTorch's: a linear weight is [out, in], a convolution's [out, in, height, width]
  Slot slot;  // its values in the same order, perhaps with more dimensions
  Init init;
};

// Weights of one dense layer as its kernels want them.
struct DenseSlots {
  Slot weight;  // [in, out], contiguous; in panels [panels, in, 16], contiguous
  Slot bias;    // [out]
  int64_t in = 0;
  int64_t out = 0;
  bool panels = false;
};

// The channels of an image, and as how many it is stored: those beyond hold zeros.
struct Channels {
  int64_t used = 1, stored = 1;
};

// Weights of a convolution or a transposed one, as cpu/conv.h has them. Where channels hold zeros, so do the
// weights that they are multiplied by, and their gradients: they stay zeros.
struct ConvSlots {
  Slot weight;             // [smallChannels, kernel, kernel, largeChannels], contiguous, as stored
  Slot bias;               // [small or large channels], as stored
  int64_t outputChannels;  // of which so many are used
};

// Features that are an image: kept as [height, width, channels], shown to the world in PyTorch's order,
// channels first.
struct ImageFeatures {
  int64_t channels = 0, height = 0, width = 0;
  int64_t size() const { return channels * height * width; }
};

// A named part of a dense layer's output.
struct DensePart {
  std::string name;
  int64_t out = 0;
};

class Parameters {
 public:
  Parameters() = default;
  // `panels`: whether the weights of wide dense layers lie in panels (cpu/panels.h). `channelMultiple`: of
  // what the networks' images are stored as a multiple.
  Parameters(bool panels, int64_t channelMultiple) : panels_(panels), channelMultiple_(channelMultiple) {}

  int64_t channelMultiple() const { return channelMultiple_; }

  // Declares a dense layer whose output is the concatenation of `parts`; each gets its own weight [out, in]
  // and bias [out], drawn as torch.nn.Linear draws them.
  DenseSlots addDense(const std::vector<DensePart>& parts, int64_t in);
  // The same for one whose input, or output, is an image.
  DenseSlots addDenseFromImage(const std::vector<DensePart>& parts, const ImageFeatures& in);
  DenseSlots addDenseToImage(const std::string& name, int64_t in, const ImageFeatures& out);

  // Declares a convolution's weights; `output` are its small or its large image's channels. Drawn as
  // torch.nn.Conv2d and ConvTranspose2d draw theirs.
  ConvSlots addConv(const std::string& name, int64_t smallChannels, const Channels& large, int64_t kernel,
                    const Channels& output);

  // Declares a tensor in PyTorch's layout. One that is declared already, of the same shape, is left as it is.
  void add(const std::string& name, const std::vector<int64_t>& shape, const Init& init);

  // The dense layer of these names, or null: one whose features are no image.
  const DenseSlots* findDense(const std::vector<std::string>& names) const;

  // Allocates what was declared and draws the weights. Called once, after the last declaration.
  void allocate(const Context& context, uint64_t seed);

  const std::vector<ParameterEntry>& entries() const { return entries_; }
  int64_t size() const { return size_; }

  at::Tensor value(const Slot& slot) const { return slot.in(values); }
  at::Tensor gradient(const Slot& slot) const { return slot.in(gradients); }
  // The value as the layers' operations read it: in the context's compute type.
  at::Tensor computeValue(const Context& context, const Slot& slot) const {
    return slot.in(context.computeType() == context.dtype ? values : roundedWeights);
  }

  // Lists the optimizer's moments, and average.NAME where that is kept, by their public names.
  void addMoments(std::vector<StateTensor>& list) const;
  // A parameter, a moment or an average, by its public name.
  std::optional<StateSlot> state(const std::string& name) const;
  // The entry of this name, or null.
  const ParameterEntry* find(const std::string& name) const;
  static bool isAverage(const std::string& name);

  // Makes room for the weights' moving average, which has its place from here on.
  void reserveAverage(const Context& context);
  // The same; from here on it is part of the state.
  void keepAverage(const Context& context);

  at::Tensor values, gradients, firstMoments, secondMoments;  // [size]
  // For operations that write their weights' gradients themselves: an input in the place of all of these,
  // which requires gradients and gets none. Each further leaf costs the backward pass a node.
  at::Tensor leaf;
  DeferredGradients deferred;  // of `gradients`, those that are still to be made
  // The dense layers' weights in bf16, in both forms, at the same offsets: [in, out], and with rows in pairs.
  // Kept where the context multiplies in bf16: by the optimizer as it goes, by freshenRounded() after all
  // else. With a device's kernels, `roundedWeights` holds all values, and there are no pairs.
  at::Tensor roundedWeights, pairedWeights;
  bool roundedStale = false;
  void freshenRounded(const Context& context);

  at::Tensor average;                 // [size], once there is room for it; it holds something once `averaged`
  std::atomic<bool> averaged{false};  // read on other threads too
  at::Tensor accumulated;             // [size], the sum of several batches' gradients; made when first needed

 private:
  int64_t reserve(int64_t count);
  DenseSlots reserveDense(int64_t in, int64_t out, bool mayBePanels);

  std::vector<ParameterEntry> entries_;
  std::vector<Slot> denses_;  // the dense layers' weights [in, out]
  std::map<std::vector<std::string>, DenseSlots> denseByNames_;
  bool panels_ = false;
  int64_t channelMultiple_ = 1;
  int64_t size_ = 0;
};

}  // namespace torchvae
