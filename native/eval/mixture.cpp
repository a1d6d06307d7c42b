#include "eval/mixture.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "eval/points.h"
#include "random/philox.h"

namespace torchvae {
namespace {

// The mean log-likelihood of a point that an iteration must gain, in nats.
constexpr double kTolerance = 1e-4;
// Added to the covariances' diagonals, as a share of the points' mean variance: a component that a single
// point holds would otherwise have an unbounded density.
constexpr double kRidge = 1e-4;

struct Mixture {
  Tensor weights;  // [K]
  Tensor means;    // [K, D]
  Tensor factors;  // [K, D, D], lower
};

// The log-density of every point in every component with its weight, [N, K].
Tensor logJoint(const Tensor& x, const Mixture& mixture) {
  std::vector<Tensor> columns;
  const double constant = 0.5 * static_cast<double>(x.size(1)) * std::log(2 * std::numbers::pi);
  for (int64_t k = 0; k < mixture.weights.size(0); ++k) {
    const Tensor factor = mixture.factors.select(0, k);
    const Tensor centered = (x - mixture.means.select(0, k)).t();
    const Tensor whitened = at::linalg_solve_triangular(factor, centered, /*upper=*/false);
    columns.push_back(mixture.weights.select(0, k).log() - factor.diagonal().log().sum() -
                      whitened.square().sum(0) * 0.5 - constant);
  }
  return at::stack(columns, 1);
}

// The most likely mixture for given shares [N, K] of the points in the components.
Mixture maximize(const Tensor& x, const Tensor& shares, double ridge) {
  const Tensor counts = shares.sum(0).clamp_min(1e-10);
  Mixture mixture;
  mixture.weights = counts / static_cast<double>(x.size(0));
  mixture.means = shares.t().matmul(x) / counts.unsqueeze(1);
  const Tensor floor = at::eye(x.size(1), x.options()) * ridge;
  std::vector<Tensor> factors;
  for (int64_t k = 0; k < counts.size(0); ++k) {
    const Tensor centered = x - mixture.means.select(0, k);
    const Tensor scatter = (centered * shares.narrow(1, k, 1)).t().matmul(centered);
    factors.push_back(at::linalg_cholesky(scatter / counts.select(0, k) + floor));
  }
  mixture.factors = at::stack(factors);
  return mixture;
}

// Points as first centers, each drawn with odds of its squared distance from those before; then every point
// goes to its nearest.
Tensor firstShares(const Tensor& x, int64_t components, uint64_t seed) {
  std::vector<float> uniform(static_cast<size_t>(components));
  fillUniform({seed, Stream::kPrior, 0}, uniform.data(), components);
  Tensor odds = at::full({x.size(0)}, 1.0, x.options());
  std::vector<Tensor> distances;
  for (int64_t k = 0; k < components; ++k) {
    const Tensor cumulated = odds.cumsum(0);
    const double at = uniform[static_cast<size_t>(k)] * cumulated.select(0, -1).item<double>();
    const int64_t chosen = std::min(x.size(0) - 1, (cumulated <= at).sum().item<int64_t>());
    distances.push_back((x - x.select(0, chosen)).square().sum(1));
    odds = k == 0 ? distances.back() : odds.minimum(distances.back());
  }
  return at::one_hot(at::stack(distances, 1).argmin(1), components).to(x.options());
}

std::vector<double> toDoubles(const Tensor& values) {
  const Tensor flat = values.contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

}  // namespace

MixtureFit fitMixture(const HostArray& points, int64_t components, int64_t iterations, uint64_t seed) {
  if (points.rows < components) {
    throw Error("ERR_SHAPE", "Expected at least as many points as components (" + std::to_string(components) +
                                 ") but received " + std::to_string(points.rows));
  }
  const Tensor x = pointsOf(points);
  const double ridge = kRidge * x.var(0, false).mean().item<double>() + 1e-12;
  Mixture mixture = maximize(x, firstShares(x, components, seed), ridge);
  MixtureFit fit;
  fit.logLikelihood = -std::numeric_limits<double>::infinity();
  while (fit.iterations < iterations) {
    const Tensor joint = logJoint(x, mixture);
    const Tensor evidence = joint.logsumexp({1}, true);
    const double before = fit.logLikelihood;
    fit.logLikelihood = evidence.mean().item<double>();
    ++fit.iterations;
    if (fit.logLikelihood - before < kTolerance) break;
    mixture = maximize(x, (joint - evidence).exp(), ridge);
  }
  fit.weights = toDoubles(mixture.weights);
  fit.means = toDoubles(mixture.means);
  fit.factors = toDoubles(mixture.factors);
  return fit;
}

}  // namespace torchvae
