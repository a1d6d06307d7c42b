#include "store/parameters.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/memory.h"
#include "cpu/bf16.h"
#include "cpu/panels.h"
#include "error.h"
#include "random/philox.h"

namespace torchvae {
namespace {

constexpr int64_t kAlignment = 16;  // floats: one cache line
constexpr int64_t kPanel = cpu::kPanelColumns;
// Weights of a layer that gains from panels.
constexpr int64_t kFewestInPanels = 4096;
const std::string kPrefix = "optimizer.";
const std::string kFirst = ".exp_avg";
const std::string kSecond = ".exp_avg_sq";
const std::string kAverage = "average.";

// Whether panels pay for a layer of this width: what is missing to the last one is multiplied and updated all
// the same. An eighth of the width still does.
bool fillsPanels(int64_t out) {
  return 8 * (cpu::panelCount(out) * kPanel - out) <= out;
}

// What stands in `text` between `begin` and `end`; empty where it has not both.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  if (text.size() < begin.size() + end.size()) return {};
  const size_t last = text.size() - end.size();
  const bool fits = text.compare(0, begin.size(), begin) == 0 && text.compare(last, end.size(), end) == 0;
  return fits ? text.substr(begin.size(), last - begin.size()) : std::string();
}

// Values in a tensor of these sizes. Throws ERR_SPEC where no memory could hold them.
int64_t volume(const std::vector<int64_t>& sizes) {
  constexpr int64_t kMost = int64_t{1} << 52;
  int64_t count = 1;
  for (const int64_t n : sizes) {
    if (n < 0 || __builtin_mul_overflow(count, n, &count) || count > kMost) {
      throw Error("ERR_SPEC", "The model's layers are too wide for any memory; make them narrower");
    }
  }
  return count;
}

}  // namespace

void Slot::write(const at::Tensor& flat, const at::Tensor& values) const {
  const at::Tensor place = in(flat);
  if (columns == 0) {
    place.copy_(values.reshape(sizes));
    return;
  }
  const at::Tensor all = place.flatten(0, 1).clone();
  const at::Tensor own = all.narrow(0, firstColumn, columns);
  own.copy_(values.reshape(own.sizes()));
  place.copy_(all.view(sizes));
}

int64_t Parameters::reserve(int64_t count) {
  const int64_t offset = size_;
  size_ += (count + kAlignment - 1) / kAlignment * kAlignment;
  return offset;
}

DenseSlots Parameters::reserveDense(int64_t in, int64_t out, bool mayBePanels) {
  const bool panels = mayBePanels && panels_ && volume({in, out}) >= kFewestInPanels && fillsPanels(out);
  const int64_t weight = reserve(volume({in, panels ? cpu::panelCount(out) * kPanel : out}));
  const int64_t bias = reserve(volume({out}));
  DenseSlots slots{{{in, out}, {out, 1}, weight}, {{out}, {1}, bias}, in, out, panels};
  if (panels) {
    slots.weight = {{cpu::panelCount(out), in, kPanel}, {in * kPanel, kPanel, 1}, weight};
  } else {
    denses_.push_back(slots.weight);
  }
  return slots;
}

DenseSlots Parameters::addDense(const std::vector<DensePart>& parts, int64_t in) {
  return addDenseFromImage(parts, {in, 1, 1});
}

DenseSlots Parameters::addDenseFromImage(const std::vector<DensePart>& parts, const ImageFeatures& in) {
  int64_t out = 0;
  for (const DensePart& part : parts) out += part.out;
  const DenseSlots slots = reserveDense(in.size(), out, true);
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(in.size())));
  std::vector<std::string> names;
  int64_t first = 0;
  for (const auto& [name, own] : parts) {
    Slot weight{{own, in.channels, in.height, in.width},
                {1, out, in.width * in.channels * out, in.channels * out},
                slots.weight.offset + first};
    if (slots.panels) {
      const cpu::Panels panels{first / kPanel, cpu::panelCount(first + own)};
      weight = {{panels.count(), kPanel, in.channels, in.height, in.width},
                {in.size() * kPanel, 1, kPanel, in.width * in.channels * kPanel, in.channels * kPanel},
                slots.weight.offset + panels.first * in.size() * kPanel};
      if (panels.count() * kPanel > own) {
        weight.firstColumn = first % kPanel;
        weight.columns = own;
      }
    }
    entries_.push_back({name + ".weight", {own, in.size()}, weight, init});
    entries_.push_back({name + ".bias", {own}, {{own}, {1}, slots.bias.offset + first}, init});
    names.push_back(name);
    first += own;
  }
  if (in.height * in.width == 1) denseByNames_[names] = slots;
  return slots;
}

DenseSlots Parameters::addDenseToImage(const std::string& name, int64_t in, const ImageFeatures& out) {
  // The image's order of features and that of panels cannot both be strides of one tensor.
  const DenseSlots slots = reserveDense(in, out.size(), false);
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(in)));
  const std::vector<int64_t> sizes{out.channels, out.height, out.width};
  const std::vector<int64_t> strides{1, out.width * out.channels, out.channels};
  Slot weight{sizes, strides, slots.weight.offset};
  weight.sizes.push_back(in);
  weight.strides.push_back(out.size());
  entries_.push_back({name + ".weight", {out.size(), in}, weight, init});
  entries_.push_back({name + ".bias", {out.size()}, {sizes, strides, slots.bias.offset}, init});
  return slots;
}

ConvSlots Parameters::addConv(const std::string& name, int64_t smallChannels, const Channels& large,
                              int64_t kernel, const Channels& output) {
  const int64_t row = kernel * large.stored;
  const int64_t patch = kernel * row;
  const int64_t weight = reserve(volume({smallChannels, kernel, kernel, large.stored}));
  const int64_t bias = reserve(volume({output.stored}));
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(kernel * kernel * large.used)));
  const std::vector<int64_t> shape{smallChannels, large.used, kernel, kernel};
  entries_.push_back({name + ".weight", shape, {shape, {patch, 1, row, large.stored}, weight}, init});
  entries_.push_back({name + ".bias", {output.used}, {{output.used}, {1}, bias}, init});
  return {{{smallChannels, kernel, kernel, large.stored}, {patch, row, large.stored, 1}, weight},
          {{output.stored}, {1}, bias},
          output.used};
}

void Parameters::add(const std::string& name, const std::vector<int64_t>& shape, const Init& init) {
  if (const ParameterEntry* known = find(name)) {
    if (known->shape == shape) return;
    throw Error("ERR_SPEC", "Two parts of the model declare a tensor " + name + " of different shapes");
  }
  Slot slot{shape, std::vector<int64_t>(shape.size(), 1), reserve(volume(shape))};
  for (size_t i = shape.size(); i-- > 1;) slot.strides[i - 1] = slot.strides[i] * shape[i];
  entries_.push_back({name, shape, slot, init});
}

const DenseSlots* Parameters::findDense(const std::vector<std::string>& names) const {
  const auto found = denseByNames_.find(names);
  return found == denseByNames_.end() ? nullptr : &found->second;
}

const ParameterEntry* Parameters::find(const std::string& name) const {
  for (const ParameterEntry& entry : entries_) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

void Parameters::allocate(const Context& context, uint64_t seed) {
  values = zeroed(context, {size_});
  gradients = zeroed(context, {size_});
  firstMoments = zeroed(context, {size_});
  secondMoments = zeroed(context, {size_});
  leaf = at::zeros({}, context.options()).requires_grad_(true);
  uint64_t index = 0;
  for (const ParameterEntry& entry : entries_) {
    at::Tensor drawn = at::empty(entry.shape, c10::TensorOptions().dtype(c10::kFloat));
    const Draw draw{seed, Stream::kWeights, index++};
    const double scale = entry.init.scale;
    switch (entry.init.kind) {
      case Init::Kind::kConstant:
        drawn.fill_(scale);
        break;
      case Init::Kind::kUniform:
        fillUniform(draw, drawn.data_ptr<float>(), drawn.numel());
        drawn.mul_(2 * scale).sub_(scale);
        break;
      case Init::Kind::kNormal:
        fillNormal(draw, drawn.data_ptr<float>(), drawn.numel());
        drawn.mul_(scale);
        break;
    }
    entry.slot.write(values, drawn);
  }
  if (!context.bf16 || (!context.tiled() && context.kernels == nullptr)) return;
  Context rounded = context;
  rounded.dtype = c10::kBFloat16;
  roundedWeights = zeroed(rounded, {size_ + kAlignment});
  roundedStale = true;
  if (context.kernels != nullptr) return;
  // An odd last row of weights is paired with zeros, which reach into the place of the bias.
  pairedWeights = zeroed(rounded, {size_ + kAlignment});
}

void Parameters::freshenRounded(const Context& context) {
  if (!roundedStale) return;
  roundedStale = false;
  if (context.kernels != nullptr) {
    roundedWeights.narrow(0, 0, size_).copy_(values);
    return;
  }
  constexpr int64_t kRows = 16;
  for (const Slot& slot : denses_) {
    const auto [in, out] = std::pair{slot.sizes[0], slot.sizes[1]};
    const float* from = values.data_ptr<float>() + slot.offset;
    const cpu::Bf16Places all{{roundedWeights.data_ptr<cpu::Bf16>() + slot.offset, out},
                              {pairedWeights.data_ptr<cpu::Bf16>() + slot.offset, 2 * out},
                              {},
                              {}};
    context.pool->run((in + kRows - 1) / kRows, [&, in = in, out = out](int64_t tile) {
      const int64_t first = tile * kRows;
      cpu::roundTile(from + first * out, out, std::min(kRows, in - first), out, cpu::placesAt(all, first, 0));
    });
  }
}

void Parameters::addMoments(std::vector<StateTensor>& list) const {
  for (const ParameterEntry& entry : entries_) {
    list.push_back({kPrefix + entry.name + kFirst, entry.shape, false});
    list.push_back({kPrefix + entry.name + kSecond, entry.shape, false});
  }
  if (averaged) {
    for (const ParameterEntry& entry : entries_) list.push_back({kAverage + entry.name, entry.shape, false});
  }
}

void Parameters::reserveAverage(const Context& context) {
  if (!average.defined()) average = zeroed(context, {size_});
}

void Parameters::keepAverage(const Context& context) {
  reserveAverage(context);
  averaged = true;
}

bool Parameters::isAverage(const std::string& name) {
  return name.compare(0, kAverage.size(), kAverage) == 0;
}

std::optional<StateSlot> Parameters::state(const std::string& name) const {
  if (const auto* entry = find(name)) return StateSlot{values, entry->slot};
  if (const auto* entry = find(between(name, kPrefix, kFirst))) return StateSlot{firstMoments, entry->slot};
  if (const auto* entry = find(between(name, kPrefix, kSecond))) return StateSlot{secondMoments, entry->slot};
  const auto* entry = averaged ? find(between(name, kAverage, "")) : nullptr;
  if (entry == nullptr) return {};
  return StateSlot{average, entry->slot};
}

}  // namespace torchvae
