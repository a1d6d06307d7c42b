#include "fused/net/mlp.h"

namespace torchvae::fused {
namespace {

NetworkPlan declareLayers(Parameters& parameters, const std::string& name, int64_t in,
                          const std::vector<int64_t>& widths, ActivationKind activation) {
  NetworkPlan plan;
  for (size_t i = 0; i < widths.size(); ++i) {
    const DenseSlots slots =
        parameters.addDense({name + "." + std::to_string(i)}, i == 0 ? in : widths[i - 1], widths[i]);
    plan.push_back({DensePlan{slots}, activation});
  }
  return plan;
}

}  // namespace

NetworkPlan declareMlpEncoder(Parameters& parameters, const ModelSpec& spec, Features& encoded) {
  encoded = {spec.encoder.hidden.empty() ? spec.inputSize() : spec.encoder.hidden.back(), {}};
  return declareLayers(parameters, "encoder", spec.inputSize(), spec.encoder.hidden, spec.encoder.activation);
}

NetworkPlan declareMlpDecoder(Parameters& parameters, const ModelSpec& spec) {
  std::vector<int64_t> widths = spec.decoder.hidden;
  widths.push_back(spec.inputSize());
  NetworkPlan plan = declareLayers(parameters, "decoder", spec.latentSize, widths, spec.decoder.activation);
  plan.back().activation = ActivationKind::kIdentity;
  return plan;
}

}  // namespace torchvae::fused
