#include "fused/posterior.h"

#include "error.h"
#include "fused/diagonal_gaussian.h"
#include "fused/flow_posterior.h"
#include "fused/quantized_posterior.h"
#include "fused/vamp_gaussian.h"

namespace torchvae::fused {
namespace {

struct PosteriorRow {
  const char* posterior;
  const char* prior;
  bool (*serves)(const Context&, const ModelSpec&);
  DenseSlots (*declare)(Parameters&, const ModelSpec&, const Features&);
  std::unique_ptr<Posterior> (*make)(const Context&, const Store&, const ModelSpec&, int64_t capacity);
};

template <class Kind>
constexpr PosteriorRow posteriorRow(const char* posterior, const char* prior) {
  return {posterior, prior, Kind::serves, Kind::declare,
          [](const Context& context, const Store& store, const ModelSpec& spec,
             int64_t capacity) -> std::unique_ptr<Posterior> {
            return std::make_unique<Kind>(context, store, spec, capacity);
          }};
}

constexpr const char* kQuantized = "vector-quantized";

constexpr PosteriorRow kPosteriors[] = {posteriorRow<DiagonalGaussian>("gaussian", "standard-normal"),
                                        posteriorRow<FlowPosterior>("iaf", "standard-normal"),
                                        posteriorRow<VampGaussian>("gaussian", "vamp"),
                                        posteriorRow<QuantizedPosterior>(kQuantized, "categorical")};

const PosteriorRow* findPosterior(const ModelSpec& spec) {
  for (const PosteriorRow& row : kPosteriors) {
    if (spec.posterior.type == row.posterior && spec.prior.type == row.prior) return &row;
  }
  return nullptr;
}

const PosteriorRow& knownPosterior(const ModelSpec& spec) {
  if (const PosteriorRow* row = findPosterior(spec)) return *row;
  throw Error("ERR_SPEC",
              "The engine has no posterior " + spec.posterior.type + " with the prior " + spec.prior.type);
}

}  // namespace

std::pair<at::Tensor, at::Tensor> Posterior::moments(const Context& /*context*/, const at::Tensor& head,
                                                     int64_t rows) {
  const int64_t latent = head.size(1) / 2;
  const at::Tensor own = head.narrow(0, 0, rows);
  return {own.narrow(1, 0, latent), own.narrow(1, latent, latent)};
}

bool hasKernels(const Context& context, const ModelSpec& spec) {
  const PosteriorRow* row = findPosterior(spec);
  return row != nullptr && row->serves(context, spec);
}

DenseSlots declarePosterior(Parameters& parameters, const ModelSpec& spec, const Features& encoded) {
  return knownPosterior(spec).declare(parameters, spec, encoded);
}

std::unique_ptr<Posterior> makePosterior(const Context& context, const Store& store, const ModelSpec& spec,
                                         int64_t capacity) {
  return knownPosterior(spec).make(context, store, spec, capacity);
}

int64_t codeSize(const ModelSpec& spec) {
  return spec.posterior.type == kQuantized ? spec.latentSize * spec.posterior.integer("positions")
                                           : spec.latentSize;
}

int64_t noiseSize(const ModelSpec& spec) {
  return spec.posterior.type == kQuantized ? 0 : spec.latentSize;
}

DenseSlots declareHead(Parameters& parameters, const std::vector<DensePart>& parts, const Features& encoded) {
  return encoded.image.size() > 0 ? parameters.addDenseFromImage(parts, encoded.image)
                                  : parameters.addDense(parts, encoded.size);
}

}  // namespace torchvae::fused
