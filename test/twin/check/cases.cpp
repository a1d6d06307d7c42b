#include "cases.h"

#include "check.h"

namespace torchvae::check {

ModelSpec specOf(int64_t inputs, std::vector<int64_t> encoder, int64_t latent, std::vector<int64_t> decoder) {
  ModelSpec spec = smallSpec();
  spec.inputShape = {inputs};
  spec.encoder.hidden = std::move(encoder);
  spec.decoder.hidden = std::move(decoder);
  spec.latentSize = latent;
  return spec;
}

std::vector<Case> perceptronCases() {
  const auto with = [](ModelSpec spec, const auto& change) {
    change(spec);
    return spec;
  };
  const auto optimizer = [](const auto& change) {
    OptimizerSettings settings;
    change(settings);
    return settings;
  };
  const ModelSpec plain = specOf(37, {21}, 3, {19});
  std::vector<Case> cases = {
      {"a table", specOf(20, {64}, 8, {64}), 90, 32},
      {"odd widths, a latent value", specOf(37, {51, 5}, 1, {3, 49}), 70, 33},
      {"one unit, batches of one", specOf(9, {1}, 2, {1}), 7, 1},
      {"no hidden layers", specOf(43, {}, 5, {}), 50, 20},
      {"none in the encoder", specOf(43, {}, 5, {7, 11}), 50, 20},
      {"none in the decoder", specOf(43, {9, 13}, 5, {}), 50, 20},
      {"strips", specOf(150, {140}, 45, {260}), 60, 40},
      {"three hidden layers and labels",
       with(specOf(31, {24, 17, 12}, 4, {12, 18, 23}),
            [](ModelSpec& s) {
              s.condition = {3, true, true, false};
            }),
       70, 24},
      {"labels, batches that are loaded ahead",
       with(plain,
            [](ModelSpec& s) {
              s.condition = {3, true, true, false};
            }),
       303, 10},
      {"labels of the decoder",
       with(plain,
            [](ModelSpec& s) {
              s.condition = {3, false, true, false};
            }),
       70, 24},
      {"whole rows between wide layers", specOf(20, {600}, 60, {520}), 12, 6},
      {"tiles of 32 rows", specOf(40, {36}, 3, {35}), 300, 200},
      {"tiles of 64 rows", specOf(40, {36}, 3, {35}), 500, 300},
      {"tiles of 64 x 64", specOf(70, {66}, 3, {65}), 700, 600},
      {"free bits, GELU",
       with(plain,
            [](ModelSpec& s) {
              s.objective.numbers["freeBits"] = 0.02;
              s.encoder.activation = s.decoder.activation = ActivationKind::kGelu;
            }),
       60, 25},
      {"capacity, tanh and SiLU",
       with(plain,
            [](ModelSpec& s) {
              s.objective.numbers["hasCapacity"] = 1;
              s.encoder.activation = ActivationKind::kTanh;
              s.decoder.activation = ActivationKind::kSilu;
            }),
       60, 25},
      {"a Gaussian, ELU",
       with(plain,
            [](ModelSpec& s) {
              s.likelihood = {"gaussian", {{"sigma", 0.5}}, {{"scale", "fixed"}, {"link", "sigmoid"}}, {}};
              s.encoder.activation = s.decoder.activation = ActivationKind::kElu;
            }),
       60, 25},
      {"Laplace",
       with(plain,
            [](ModelSpec& s) {
              s.likelihood = {"laplace", {{"sigma", 0.7}}, {{"scale", "fixed"}, {"link", "identity"}}, {}};
            }),
       60, 25},
      {"a continuous Bernoulli",
       with(plain, [](ModelSpec& s) { s.likelihood.type = "continuous-bernoulli"; }), 60, 25},
      {"squared error",
       with(plain,
            [](ModelSpec& s) {
              s.likelihood = {"squared-error", {}, {{"link", "identity"}}, {}};
            }),
       60, 25},
      {"an average, batches that are loaded ahead", plain, 270, 10,
       optimizer([](OptimizerSettings& s) { s.averageDecay = 0.9; })},
      {"a norm that is cut", plain, 60, 25, optimizer([](OptimizerSettings& s) { s.clipNorm = 0.05; })},
      {"values that are cut, penalties", plain, 60, 25, optimizer([](OptimizerSettings& s) {
         s.clipValue = 0.01;
         s.l1 = 1e-3;
         s.weightDecay = 1e-2;
       })},
  };
  for (const OptimizerKind kind : {OptimizerKind::kSgd, OptimizerKind::kAdamW, OptimizerKind::kAdamax,
                                   OptimizerKind::kRmsProp, OptimizerKind::kAdaGrad}) {
    cases.push_back({"an optimizer", plain, 60, 25, optimizer([&](OptimizerSettings& s) {
                       s.kind = kind;
                       s.momentum = 0.5;
                       s.weightDecay = 1e-2;
                     })});
  }
  return cases;
}

}  // namespace torchvae::check
