// What a trained model can be asked. The answer for a row depends on that row alone, on the seed and on the
// number of the draw: not on the row's place, nor on the rows beside it.
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>

#include "base/host.h"
#include "eval/latent.h"
#include "model/model.h"
#include "objective/importance.h"
#include "pass/host_batch.h"

namespace torchvae {
namespace {

// Draws of z that importance() decodes at a time.
constexpr int64_t kImportanceRows = 4096;

}  // namespace

void VaeModel::encode(const HostArray& x, float* mean, float* logVariance) {
  computed([&] {
    forParts(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      const auto [means, logVariances] = trainingStep_->encode({x, first, rows, {}});
      copyOut(means, mean + first * codeSize());
      copyOut(logVariances, logVariance + first * codeSize());
    });
  });
}

void VaeModel::losses(const HostArray& x, const NoiseSource& noise, float* reconstruction, float* kl) {
  computed([&] {
    forParts(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      const auto [reconstructions, divergences] = trainingStep_->losses({x, first, rows, noise});
      copyOut(reconstructions, reconstruction + first);
      copyOut(divergences, kl + first);
    });
  });
}

void VaeModel::decode(const float* z, const int32_t* labels, int64_t total, DecodeKind kind, uint64_t seed,
                      float* x) {
  computed([&] {
    forParts(total, kEvaluationRows, [&](int64_t first, int64_t rows) {
      Draws draws(context_, {seed, Stream::kPrior, static_cast<uint64_t>(first) + 1});
      Pass pass = makePass(context_, draws, {}, false);
      if (spec_.condition.decoder) {
        pass.labels = loadLabels(context_, spec_, labels == nullptr ? nullptr : labels + first, rows);
      }
      float* from = const_cast<float*>(z) + first * codeSize();
      const Tensor codes = at::from_blob(from, {rows, codeSize()}, kHostFloat).to(context_.options());
      const Tensor y = vae_->decode(codes, pass);
      const Likelihood& likelihood = vae_->likelihood();
      copyOut(kind == DecodeKind::kMean   ? likelihood.mean(y)
              : kind == DecodeKind::kMode ? likelihood.mode(y)
                                          : likelihood.sample(y, pass),
              x + first * spec_.inputSize());
    });
  });
}

void VaeModel::samplePrior(const int32_t* labels, int64_t rows, uint64_t seed, float* z) {
  computed([&] {
    Draws draws(context_, {seed, Stream::kPrior, 0});
    Pass pass = makePass(context_, draws, {}, false);
    if (spec_.condition.prior) pass.labels = loadLabels(context_, spec_, labels, rows);
    copyOut(vae_->prior().sample(rows, pass), z);
  });
}

void VaeModel::importance(const HostArray& x, int64_t samples, uint64_t seed, const std::atomic<bool>& abort,
                          float* negativeLogLikelihood) {
  computed([&] {
    if (!vae_->posterior().hasDensity()) {
      throw Error("ERR_STATE",
                  "An importance-weighted likelihood needs the density of q(z|x), which the posterior " +
                      spec_.posterior.type + " does not have");
    }
    const NoiseSource noise{nullptr, seed};
    // A few examples at a time with as many draws each as fit; the bound is put together from its parts.
    const int64_t together = std::clamp<int64_t>(kImportanceRows / samples, 1, kEvaluationRows);
    forParts(x.rows, together, [&](int64_t first, int64_t rows) {
      const HostInput input{x, first, rows, noise};
      Tensor total;
      uint64_t part = 0;
      forParts(samples, std::min(samples, kImportanceRows), [&](int64_t /*done*/, int64_t count) {
        if (abort.load()) throw Error("ERR_ABORTED", "The model was disposed while it was asked");
        Draws draws = drawsByRow(context_, input, part++);
        Pass pass = makePass(context_, draws, {}, false);
        const Tensor batch = loadRows(context_, spec_, input, pass);
        const Importance w = importanceWeights(*vae_, batch, count, false, pass);
        const Tensor sum = w.logWeight().to(c10::kDouble).logsumexp({1});
        total = total.defined() ? total.logaddexp(sum) : sum;
      });
      copyOut(std::log(static_cast<double>(samples)) - total, negativeLogLikelihood + first);
    });
  });
}

std::vector<float> VaeModel::divergences(const HostArray& x, uint64_t seed, int64_t& groups) {
  return computed([&] {
    const NoiseSource noise{nullptr, seed};
    std::vector<float> all;
    forParts(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      const HostInput input{x, first, rows, noise};
      Draws draws = drawsByRow(context_, input);
      Pass pass = makePass(context_, draws, {}, false);
      const Tensor features = vae_->encode(loadRows(context_, spec_, input, pass), pass);
      const Tensor each = vae_->divergence(vae_->posterior().rsample(features, pass), pass);
      groups = each.size(1);
      all.resize(static_cast<size_t>((first + rows) * groups));
      copyOut(each, all.data() + first * groups);
    });
    return all;
  });
}

LatentStatistics VaeModel::latentStatistics(const HostArray& x, uint64_t seed) {
  return computed([&] {
    const NoiseSource noise{nullptr, seed};
    LatentSurvey survey;
    forParts(x.rows, kEvaluationRows, [&](int64_t first, int64_t rows) {
      const HostInput input{x, first, rows, noise};
      Draws draws = drawsByRow(context_, input);
      Pass pass = makePass(context_, draws, {}, false);
      const Tensor features = vae_->encode(loadRows(context_, spec_, input, pass), pass);
      const Latent latent = vae_->posterior().rsample(features, pass);
      survey.add(vae_->posterior().moments(features, pass).mean, vae_->divergence(latent, pass),
                 latent.gaussian(), latent.z);
    });
    return survey.finish();
  });
}

}  // namespace torchvae
