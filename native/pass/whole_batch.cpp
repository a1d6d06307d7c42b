#include "pass/whole_batch.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "pass/pass.h"

namespace torchvae {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Where rank q's loss counts by w_q, the gradient in what rank r gave to a sum is sum_q w_q g_q, and counts
// by w_r in its turn.
class SumOverRanks : public torch::autograd::Function<SumOverRanks> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& own, const WholeBatch* whole) {
    ctx->saved_data["whole"] = reinterpret_cast<int64_t>(whole);
    const Tensor sum = whole->hasRows() ? own.detach().clone(at::MemoryFormat::Contiguous)
                                        : at::zeros_like(own, at::MemoryFormat::Contiguous);
    whole->addUp(sum);
    return sum;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto* whole = reinterpret_cast<const WholeBatch*>(ctx->saved_data["whole"].toInt());
    const Tensor sum = SumOverRanks::apply(gradients[0] * whole->share(), whole);
    return {whole->hasRows() ? sum / whole->share() : at::zeros_like(sum), Tensor()};
  }
};

}  // namespace

Tensor WholeBatch::sum(const Tensor& own) const {
  return SumOverRanks::apply(own, this);
}

Tensor WholeBatch::gather(const Tensor& own) const {
  const int64_t each = own.size(0) / passed();
  const int64_t before = own_.first * each, here = own_.rows * each;
  std::vector<int64_t> padding(static_cast<size_t>(2 * own.dim()));
  padding[padding.size() - 2] = before;
  padding[padding.size() - 1] = rows_ * each - before - here;
  return sum(at::constant_pad_nd(own.narrow(0, 0, here), padding));
}

Tensor rowsOfBatch(const Pass& pass, const Tensor& own) {
  return pass.whole == nullptr ? own : pass.whole->gather(own);
}

Tensor meanOfBatch(const Pass& pass, const Tensor& own) {
  if (pass.whole == nullptr) return own.mean(0);
  return pass.whole->sum(own.sum(0)) / static_cast<double>(pass.whole->all(own.size(0)));
}

}  // namespace torchvae
