// A dense layer with its activation, its buffers and its derivatives: y = activate(x W + b).
#pragma once

#include "base/context.h"
#include "cpu/dense.h"
#include "fused/layers/layer.h"
#include "store/parameters.h"

namespace torchvae {

class Dense : public fused::Layer {
 public:
  // Buffers for up to `capacity` rows.
  Dense(const Context& context, const Parameters& parameters, const DenseSlots& slots, ActivationKind kind,
        int64_t capacity, const fused::LayerUse& use);

  void forward(const Activations& x, int64_t rows) override;
  void inputGradient(ActivationKind madeX, Activations& gradient, int64_t rows) override;
  // On the CPU's kernels in float32: the gradient in rows [first, first + rows) of the input, which nothing
  // made, to dx [rows, in].
  void inputGradientOfRows(int64_t first, int64_t rows, const at::Tensor& dx);
  void weightGradient(int64_t rows) override;
  const cpu::WeightProduct* weightProduct() const override;
  bool weightGradientBounded(int64_t rows) const override;
  FlatRange parameterRange() const override;
  void gradientParts(int64_t rows, std::vector<GradientPart>& parts) const override;

 private:
  // The gradient in rows [first, first + rows) of the input, by the CPU's kernels.
  void multiplyBack(ActivationKind madeX, int64_t first, int64_t rows, const cpu::InputGradient& places,
                    Magnitude& magnitude);

  Context context_;
  DenseSlots slots_;
  int64_t in_, out_, capacity_;
  at::Tensor weight_, bias_, weightGradient_, biasGradient_;
  const cpu::Bf16* rounded_ = nullptr;  // the weights in bf16, [in, out]
  const cpu::Bf16* paired_ = nullptr;   // the same with its rows in pairs
  const Activations* input_ = nullptr;
  // For the gradient in the input: partial sums with weights in panels, else the weights' transpose. Made
  // when first needed.
  at::Tensor scratch_;
  cpu::WeightProduct product_{};
};

}  // namespace torchvae
