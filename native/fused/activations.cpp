#include "fused/activations.h"

#include "base/memory.h"
#include "cpu/activation.h"
#include "cpu/transpose.h"

namespace torchvae {

namespace {

// A zeroed form of `lines` rows, or pairs of rows, of `stride` bfloat16s.
cpu::Bf16Place makePlace(const Context& context, int64_t lines, int64_t stride,
                         std::vector<at::Tensor>& memory) {
  Context rounded = context;
  rounded.dtype = c10::kBFloat16;
  memory.push_back(zeroed(rounded, {lines * stride}));
  return {memory.back().data_ptr<cpu::Bf16>(), stride};
}

}  // namespace

Activations makeActivations(const Context& context, int64_t capacity, int64_t features, ProductRole role) {
  Activations made;
  Context own = context;
  own.dtype = context.computeType();
  made.value = zeroed(own, {capacity, features});
  if (!context.tiled()) return made;
  const bool isInput = role == ProductRole::kInput || role == ProductRole::kTrainingInput;
  if (!context.bf16) {
    const bool reads = role == ProductRole::kTrainingInput || role == ProductRole::kGradient;
    if (reads && context.tiledProducts()) made.transposed = zeroed(context, {features, capacity});
    return made;
  }
  const int64_t rows = cpu::even(capacity);
  const int64_t columns = cpu::even(features);
  if (isInput) made.rounded.rowMajor = makePlace(context, rows, columns, made.memory);
  if (role == ProductRole::kTrainingInput) {
    made.rounded.transposed = makePlace(context, features, rows, made.memory);
  }
  if (role == ProductRole::kGradient || role == ProductRole::kLastGradient) {
    made.rounded.pairs = makePlace(context, rows / 2, 2 * features, made.memory);
  }
  if (role == ProductRole::kGradient) {
    made.rounded.transposedPairs = makePlace(context, columns / 2, 2 * capacity, made.memory);
  }
  return made;
}

void Activations::finishRows(int64_t first, int64_t last) {
  const int64_t features = value.size(1);
  const float* from = value.data_ptr<float>() + first * features;
  if (transposed.defined()) {
    transpose(from, features, last - first, features, transposed.data_ptr<float>() + first,
              transposed.size(1));
  }
  if (!memory.empty()) {
    cpu::roundTile(from, features, last - first, features, cpu::placesAt(rounded, first, 0));
  }
}

void keepSlopes(const Context& context, ActivationKind kind, const Activations& gradient,
                Activations& output) {
  if (keptOf(kind) != KeptOf::kSlope) return;
  const auto [capacity, features] = std::pair{output.value.size(0), output.value.size(1)};
  Context own = context;
  own.dtype = context.computeType();
  const bool onlyRounded = context.tiled() && !output.memory.empty();
  if (!onlyRounded) output.slope = zeroed(own, {capacity, features});
  if (onlyRounded || gradient.transposed.defined())
    output.slopeTransposed = zeroed(own, {features, capacity});
}

namespace {

// Calls body(pointer of type float or double) for a tensor of either type.
template <class Body>
void withNumbers(const at::Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == c10::kDouble) return body(tensor.mutable_data_ptr<double>());
  body(tensor.mutable_data_ptr<float>());
}

}  // namespace

void activateRows(ActivationKind kind, Activations& y, int64_t rows) {
  const int64_t count = rows * y.value.size(1);
  withActivation(kind, [&](auto known) {
    withNumbers(y.value, [&](auto* values) {
      using C = std::remove_pointer_t<decltype(values)>;
      if (y.slope.defined()) {
        C* slopes = y.slope.mutable_data_ptr<C>();
        for (int64_t i = 0; i < count; ++i) slopes[i] = slopeAt<known.value>(values[i], C(0));
      }
      for (int64_t i = 0; i < count; ++i) values[i] = activate<known.value>(values[i]);
    });
  });
}

void scaleRowsBySlope(ActivationKind kind, const Activations& made, const at::Tensor& gradient,
                      int64_t rows) {
  const int64_t count = rows * gradient.size(1);
  withActivation(kind, [&](auto known) {
    withNumbers(gradient, [&](auto* values) {
      using C = std::remove_pointer_t<decltype(values)>;
      const C* kept = made.kept().template const_data_ptr<C>();
      for (int64_t i = 0; i < count; ++i) values[i] *= activationSlope<known.value>(kept[i]);
    });
  });
}

}  // namespace torchvae
