// A flow of affine couplings (Dinh et al. 2017) over N(0, I): half of the dimensions scale and shift the
// other half, in turn. log p(z) = log N(f(z); 0, I) + log |det df/dz|.

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include "error.h"
#include "prior/tables.h"

namespace torchvae {
namespace {

class RealNvp : public Prior {
 public:
  RealNvp(Weights& weights, const ModelSpec& spec, int64_t codeSize) : codeSize_(codeSize) {
    const int64_t kept = codeSize / 2;
    for (int64_t i = 0; i < spec.prior.integer("layers"); ++i) {
      const int64_t in = i % 2 == 0 ? kept : codeSize - kept;
      std::vector<int64_t> widths = spec.prior.list("hidden");
      widths.push_back(2 * (codeSize - in));
      couplings_.emplace_back(weights, "prior.coupling." + std::to_string(i), in, widths,
                              ActivationKind::kTanh);
    }
  }

  Tensor logProb(const Tensor& z, Pass& /*pass*/) const override {
    Tensor u = z;
    Tensor logDeterminant = at::zeros({z.size(0)}, z.options());
    for (size_t i = couplings_.size(); i-- > 0;) {
      auto [fixed, moved] = split(u, i);
      const auto [logScale, shift] = coupling(fixed, i);
      moved = (moved - shift) * (-logScale).exp();
      logDeterminant = logDeterminant - logScale.sum(1);
      u = join(fixed, moved, i);
    }
    const Tensor zero = at::zeros({1}, z.options());
    return gaussianLogProb(u, zero, zero).sum(1) + logDeterminant;
  }

  Tensor sample(int64_t rows, Pass& pass) const override {
    Tensor z = pass.draws.normal({rows, codeSize_});
    for (size_t i = 0; i < couplings_.size(); ++i) {
      auto [fixed, moved] = split(z, i);
      const auto [logScale, shift] = coupling(fixed, i);
      z = join(fixed, moved * logScale.exp() + shift, i);
    }
    return z;
  }

 private:
  struct Halves {
    Tensor fixed, moved;
  };

  Halves split(const Tensor& z, size_t layer) const {
    const int64_t first = codeSize_ / 2;
    const Tensor a = z.narrow(1, 0, first);
    const Tensor b = z.narrow(1, first, codeSize_ - first);
    return layer % 2 == 0 ? Halves{a, b} : Halves{b, a};
  }

  static Tensor join(const Tensor& fixed, const Tensor& moved, size_t layer) {
    return layer % 2 == 0 ? at::cat({fixed, moved}, 1) : at::cat({moved, fixed}, 1);
  }

  std::pair<Tensor, Tensor> coupling(const Tensor& fixed, size_t layer) const {
    const auto parts = couplings_[layer](fixed).chunk(2, 1);
    return {parts[0].tanh(), parts[1]};  // scales between 1/e and e
  }

  int64_t codeSize_;
  std::vector<Perceptron> couplings_;
};

}  // namespace

std::unique_ptr<Prior> makeRealNvp(Weights& weights, const ModelSpec& spec, const Posterior& posterior,
                                   const PosteriorOf& /*posteriorOf*/) {
  if (posterior.codeSize() < 2) {
    throw Error("ERR_SPEC", "The prior 'realnvp' couples dimensions of z: use latentSize 2 or more");
  }
  return std::make_unique<RealNvp>(weights, spec, posterior.codeSize());
}

}  // namespace torchvae
