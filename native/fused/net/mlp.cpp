#include "fused/net/mlp.h"

#include "fused/likelihood.h"
#include "fused/posterior.h"

namespace torchvae::fused {
namespace {

NetworkPlan declareLayers(Parameters& parameters, const std::string& name, int64_t in,
                          const std::vector<int64_t>& widths, ActivationKind activation) {
  NetworkPlan plan;
  for (size_t i = 0; i < widths.size(); ++i) {
    const DenseSlots slots =
        parameters.addDense({{name + "." + std::to_string(i), widths[i]}}, i == 0 ? in : widths[i - 1]);
    plan.push_back({DensePlan{slots}, activation});
  }
  return plan;
}

}  // namespace

NetworkPlan declareMlpEncoder(Parameters& parameters, const ModelSpec& spec, Features& encoded) {
  const int64_t in = spec.inputSize() + labelsOf(spec).encoder;
  encoded = {spec.encoder.hidden.empty() ? in : spec.encoder.hidden.back(), {}};
  return declareLayers(parameters, "encoder", in, spec.encoder.hidden, spec.encoder.activation);
}

NetworkPlan declareMlpDecoder(Parameters& parameters, const ModelSpec& spec) {
  std::vector<int64_t> widths = spec.decoder.hidden;
  widths.push_back(spec.inputSize() * parametersPerValue(spec.likelihood));
  const int64_t in = codeSize(spec) + labelsOf(spec).decoder;
  NetworkPlan plan = declareLayers(parameters, "decoder", in, widths, spec.decoder.activation);
  plan.back().activation = ActivationKind::kIdentity;
  return plan;
}

}  // namespace torchvae::fused
