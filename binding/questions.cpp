#include "questions.h"

#include "convert.h"

namespace torchvae::binding {
namespace {

// Noise given as an array of one row an example, or as a seed.
struct OwnedNoise {
  std::shared_ptr<OwnedArray> values;
  uint64_t seed = 0;
  NoiseSource view() const { return {values ? values->floats() : nullptr, seed}; }
};

OwnedNoise toNoise(const Napi::Value& value, int64_t rows, int64_t codeSize) {
  if (value.IsNumber()) return {nullptr, static_cast<uint64_t>(toInteger(value, "seed", 0, kMostInteger))};
  auto values = std::make_shared<OwnedArray>(toOwnedArray(value, codeSize));
  if (values->isUint8 || values->rows != rows) {
    throw toJavaScriptError(value.Env(), "ERR_SHAPE",
                            "Expected a Float32Array of one row an example for noise");
  }
  return {values, 0};
}

using ArrayPair = std::pair<std::vector<float>, std::vector<float>>;

Napi::Value pairToObject(Napi::Env env, const ArrayPair& arrays, const char* first, const char* second) {
  auto object = Napi::Object::New(env);
  object.Set(first, toFloat32Array(env, arrays.first));
  object.Set(second, toFloat32Array(env, arrays.second));
  return object;
}

// encode(model, x, labels?): Promise<{ mean, logVariance }>
Napi::Value encode(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  addLabels(*x, info[2]);
  const auto count = static_cast<size_t>(x->rows * handle.codeSize);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            ArrayPair head{std::vector<float>(count), std::vector<float>(count)};
            model->encode(x->view(), head.first.data(), head.second.data());
            return head;
          },
          [](Napi::Env env, ArrayPair& head) { return pairToObject(env, head, "mean", "logVariance"); });
}

DecodeKind toDecodeKind(const Napi::Value& value) {
  const std::string name = toText(value, "kind");
  if (name == "mean") return DecodeKind::kMean;
  if (name == "mode") return DecodeKind::kMode;
  if (name == "sample") return DecodeKind::kSample;
  throw toJavaScriptError(value.Env(), "ERR_RANGE", "Expected 'mean', 'mode' or 'sample' for kind");
}

// decode(model, z, kind, seed, labels?): Promise<Float32Array>
Napi::Value decode(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto z = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.codeSize));
  if (z->isUint8) throw toJavaScriptError(info.Env(), "ERR_TYPE", "Expected a Float32Array for z");
  const DecodeKind kind = toDecodeKind(info[2]);
  const uint64_t seed = seedArgument(info, 3);
  addLabels(*z, info[4]);
  const auto count = static_cast<size_t>(z->rows * handle.inputSize);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            std::vector<float> mean(count);
            model->decode(z->floats(), z->view().labels, z->rows, kind, seed, mean.data());
            return mean;
          },
          [](Napi::Env env, std::vector<float>& mean) { return toFloat32Array(env, mean); });
}

// samplePrior(model, rows, seed, labels?): Promise<Float32Array>
Napi::Value samplePrior(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto rows = std::make_shared<OwnedArray>();
  rows->rows = integerArgument(info, 1, "rows", 1, kMostRows);
  addLabels(*rows, info[3]);
  const uint64_t seed = seedArgument(info, 2);
  const auto count = static_cast<size_t>(rows->rows * handle.codeSize);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            std::vector<float> z(count);
            model->samplePrior(rows->view().labels, rows->rows, seed, z.data());
            return z;
          },
          [](Napi::Env env, std::vector<float>& z) { return toFloat32Array(env, z); });
}

// importance(model, x, samples, seed, labels?): Promise<Float32Array>, -log p(x) for each example
Napi::Value importance(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  const int64_t samples = integerArgument(info, 2, "samples", 1, kMostInteger);
  const uint64_t seed = seedArgument(info, 3);
  addLabels(*x, info[4]);
  // Not the flag of train(): an abort that is meant for training must leave the answer whole.
  auto flag = handle.ending;
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, flag,
          [=] {
            std::vector<float> values(static_cast<size_t>(x->rows));
            model->importance(x->view(), samples, seed, *flag, values.data());
            return values;
          },
          [](Napi::Env env, std::vector<float>& values) { return toFloat32Array(env, values); });
}

// divergences(model, x, seed, labels?): Promise<{ values: Float32Array, groups: number }>, KL of each example
// and dimension
Napi::Value divergences(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  const uint64_t seed = seedArgument(info, 2);
  addLabels(*x, info[3]);
  auto model = handle.model;
  using Result = std::pair<std::vector<float>, int64_t>;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            Result result;
            result.first = model->divergences(x->view(), seed, result.second);
            return result;
          },
          [](Napi::Env env, Result& result) {
            auto object = Napi::Object::New(env);
            object.Set("values", toFloat32Array(env, result.first));
            object.Set("groups", static_cast<double>(result.second));
            return object;
          });
}

// latentStatistics(model, x, seed, labels?): Promise<{ meanVariance, divergence, mutualInformation }>
Napi::Value latentStatistics(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  if (x->rows < 1) throw toJavaScriptError(info.Env(), "ERR_SHAPE", "Expected at least one example");
  const uint64_t seed = seedArgument(info, 2);
  addLabels(*x, info[3]);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr, [=] { return model->latentStatistics(x->view(), seed); },
          [](Napi::Env env, LatentStatistics& statistics) {
            auto object = Napi::Object::New(env);
            object.Set("meanVariance", toFloat32Array(env, statistics.meanVariance));
            object.Set("divergence", toFloat32Array(env, statistics.divergence));
            object.Set("mutualInformation", statistics.mutualInformation);
            return object;
          });
}

// fitMixture(device, points, columns, components, iterations, seed):
// Promise<{ weights, means, factors, logLikelihood, iterations }>
Napi::Value fitMixture(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  auto points =
      std::make_shared<OwnedArray>(toOwnedArray(info[1], integerArgument(info, 2, "columns", 1, kMostWidth)));
  const int64_t components = integerArgument(info, 3, "components", 1, kMostInteger);
  const int64_t iterations = integerArgument(info, 4, "iterations", 1, kMostInteger);
  const uint64_t seed = seedArgument(info, 5);
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr,
          [=] { return device->fitMixture(points->view(), components, iterations, seed); },
          [](Napi::Env env, MixtureFit& fit) {
            auto object = Napi::Object::New(env);
            object.Set("weights", toFloat64Array(env, fit.weights));
            object.Set("means", toFloat64Array(env, fit.means));
            object.Set("factors", toFloat64Array(env, fit.factors));
            object.Set("logLikelihood", fit.logLikelihood);
            object.Set("iterations", static_cast<double>(fit.iterations));
            return object;
          });
}

// frechetDistance(device, a, b, columns, components): Promise<number>
Napi::Value frechetDistance(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  const int64_t columns = integerArgument(info, 3, "columns", 1, kMostWidth);
  auto a = std::make_shared<OwnedArray>(toOwnedArray(info[1], columns));
  auto b = std::make_shared<OwnedArray>(toOwnedArray(info[2], columns));
  const int64_t components = integerArgument(info, 4, "components", 0, kMostInteger);
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr,
          [=] { return device->frechetDistance(a->view(), b->view(), components); },
          [](Napi::Env env, double& distance) { return Napi::Number::New(env, distance); });
}

// manifoldScores(device, real, generated, columns, components, neighbors):
//   Promise<{ precision, recall, density, coverage }>
Napi::Value manifoldScores(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  const int64_t columns = integerArgument(info, 3, "columns", 1, kMostWidth);
  auto real = std::make_shared<OwnedArray>(toOwnedArray(info[1], columns));
  auto generated = std::make_shared<OwnedArray>(toOwnedArray(info[2], columns));
  const int64_t components = integerArgument(info, 4, "components", 0, kMostInteger);
  const int64_t neighbors = integerArgument(info, 5, "neighbors", 1, kMostRows);
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr,
          [=] { return device->manifoldScores(real->view(), generated->view(), components, neighbors); },
          [](Napi::Env env, ManifoldScores& scores) {
            auto object = Napi::Object::New(env);
            object.Set("precision", scores.precision);
            object.Set("recall", scores.recall);
            object.Set("density", scores.density);
            object.Set("coverage", scores.coverage);
            return object;
          });
}

// structuralSimilarity(device, a, b, channels, height, width): Promise<Float32Array>
Napi::Value structuralSimilarity(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  std::vector<int64_t> shape;
  int64_t columns = 1;
  for (size_t i = 3; i < 6; ++i) {
    shape.push_back(integerArgument(info, i, "the shape of an image", 1, 1 << 20));
    columns *= shape.back();
  }
  auto a = std::make_shared<OwnedArray>(toOwnedArray(info[1], columns));
  auto b = std::make_shared<OwnedArray>(toOwnedArray(info[2], columns));
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr,
          [=] { return device->structuralSimilarity(a->view(), b->view(), shape); },
          [](Napi::Env env, std::vector<float>& values) { return toFloat32Array(env, values); });
}

// growForest(device, features, targets, judged, columns, { trees, depth, leaf, seed }):
//   Promise<{ importances, classes }>
Napi::Value growForest(const Info& info) {
  auto device = unwrapHandle<DeviceHandle>(info[0]).device;
  const int64_t columns = integerArgument(info, 4, "columns", 1, kMostWidth);
  auto features = std::make_shared<OwnedArray>(toOwnedArray(info[1], columns));
  addLabels(*features, info[2]);
  auto judged = std::make_shared<OwnedArray>(toOwnedArray(info[3], columns));
  const Napi::Object given = objectArgument(info[5]);
  ForestSettings settings;
  settings.trees = integerProperty(given, "trees", 1, 1 << 16);
  settings.depth = integerProperty(given, "depth", 1, 1 << 8);
  settings.leaf = integerProperty(given, "leaf", 1, kMostRows);
  settings.seed = static_cast<uint64_t>(integerProperty(given, "seed", 0, kMostInteger));
  return Environment::of(info.Env())
      .promise(
          info.Env(), *device, nullptr,
          [=] { return device->growForest(features->view(), judged->view(), settings); },
          [](Napi::Env env, ForestFit& fit) {
            auto object = Napi::Object::New(env);
            object.Set("importances", toFloat64Array(env, fit.importances));
            object.Set("classes", toInt32Array(env, fit.classes));
            return object;
          });
}

// losses(model, x, noise | seed, labels?): Promise<{ reconstruction, kl }>
Napi::Value losses(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  const OwnedNoise noise = toNoise(info[2], x->rows, handle.codeSize);
  addLabels(*x, info[3]);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] {
            const auto count = static_cast<size_t>(x->rows);
            ArrayPair terms{std::vector<float>(count), std::vector<float>(count)};
            model->losses(x->view(), noise.view(), terms.first.data(), terms.second.data());
            return terms;
          },
          [](Napi::Env env, ArrayPair& terms) { return pairToObject(env, terms, "reconstruction", "kl"); });
}

// The losses of several draws of z, with the noise of seed, seed + 1 and so on, each averaged over them.
// meanLosses(model, x, seed, draws, labels?): Promise<{ reconstruction, kl }>
Napi::Value meanLosses(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  const uint64_t seed = seedArgument(info, 2);
  const int64_t draws = integerArgument(info, 3, "draws", 1, kMostRows);
  addLabels(*x, info[4]);
  using Means = std::pair<std::vector<double>, std::vector<double>>;
  auto flag = handle.ending;
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, flag,
          [=] {
            const auto count = static_cast<size_t>(x->rows);
            std::vector<float> reconstruction(count);
            std::vector<float> kl(count);
            Means means{std::vector<double>(count), std::vector<double>(count)};
            for (int64_t draw = 0; draw < draws; ++draw) {
              if (flag->load()) throw Error("ERR_ABORTED", "The model was disposed while it was asked");
              const NoiseSource noise{nullptr, seed + static_cast<uint64_t>(draw)};
              model->losses(x->view(), noise, reconstruction.data(), kl.data());
              for (size_t i = 0; i < count; ++i) {
                means.first[i] += reconstruction[i] / static_cast<double>(draws);
                means.second[i] += kl[i] / static_cast<double>(draws);
              }
            }
            return means;
          },
          [](Napi::Env env, Means& means) {
            auto object = Napi::Object::New(env);
            object.Set("reconstruction", toFloat64Array(env, means.first));
            object.Set("kl", toFloat64Array(env, means.second));
            return object;
          });
}

// gradients(model, x, noise | seed, schedule of one step, labels?):
//   Promise<LossSums & { gradients: Float32Array[] }>
Napi::Value gradients(const Info& info) {
  const ModelHandle handle = liveModel(info);
  auto x = std::make_shared<OwnedArray>(toOwnedArray(info[1], handle.inputSize));
  if (x->rows < 1) throw toJavaScriptError(info.Env(), "ERR_SHAPE", "Expected at least one example");
  const OwnedNoise noise = toNoise(info[2], x->rows, handle.codeSize);
  const StepSchedule schedule = toSchedule(info[3], 1).front();
  addLabels(*x, info[4]);
  auto model = handle.model;
  return Environment::of(info.Env())
      .promise(
          info.Env(), *handle.device, nullptr,
          [=] { return model->gradients(x->view(), noise.view(), schedule); },
          [](Napi::Env env, Gradients& result) {
            auto object = toObject(env, result.sums).As<Napi::Object>();
            auto arrays = Napi::Array::New(env, result.each.size());
            for (size_t i = 0; i < result.each.size(); ++i) {
              arrays.Set(static_cast<uint32_t>(i), toFloat32Array(env, result.each[i]));
            }
            object.Set("gradients", arrays);
            return object;
          });
}

}  // namespace

void addQuestions(const AddFunction& add) {
  add("encode", encode);
  add("decode", decode);
  add("samplePrior", samplePrior);
  add("importance", importance);
  add("divergences", divergences);
  add("latentStatistics", latentStatistics);
  add("fitMixture", fitMixture);
  add("frechetDistance", frechetDistance);
  add("manifoldScores", manifoldScores);
  add("structuralSimilarity", structuralSimilarity);
  add("growForest", growForest);
  add("losses", losses);
  add("meanLosses", meanLosses);
  add("gradients", gradients);
}

}  // namespace torchvae::binding
