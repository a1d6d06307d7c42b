// What the binding sees of the engine. Plain types only: the binding includes no torch header, and is
// compiled apart.
//
// Threads: everything that a Device makes (models, data sets) is used and destroyed on that device's one
// thread, by jobs handed to Device::submit. Every method throws torchvae::Error and nothing else.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "error.h"
#include "spec.h"

namespace torchvae {

// Raised whenever a struct or a vtable in this file or spec.h changes; both sides must agree.
inline constexpr int kEngineInterface = 12;

struct DeviceInfo {
  std::string name;
  int64_t totalMemory = 0;  // bytes
  std::string capability;   // '9.0'
};

struct EngineInfo {
  std::string engineVersion;
  std::string torchVersion;
  std::string cpuCapability;  // the instruction set that ATen dispatches to
  std::string gemm;           // what multiplies the matrices of the CPU's dense layers
  int threads = 0;
  bool cudaAvailable = false;
  std::string cudaReason;  // why CUDA is off, empty when it is on
  std::vector<DeviceInfo> cudaDevices;
};

// Row-major values on the host. uint8 stands for pixels: value / 255.
struct HostArray {
  const void* data = nullptr;
  bool isUint8 = false;
  int64_t rows = 0;
  int64_t columns = 0;
  const int32_t* labels = nullptr;  // [rows], or null
  // For a data set: the values are probabilities, and every batch draws values of 0 and 1 anew.
  bool isDrawn = false;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t rows() const = 0;
};

// A named tensor of a model's state: a parameter, something that follows training, an optimizer's moment.
struct StateTensor {
  std::string name;
  std::vector<int64_t> shape;
  bool isTrained = true;  // whether the optimizer changes it
};

// A tensor's values in the model's precision: one of the two is empty.
struct StateValues {
  std::vector<float> floats;
  std::vector<double> doubles;  // of models in float64
  int64_t size() const { return static_cast<int64_t>(floats.size() + doubles.size()); }
  bool operator==(const StateValues&) const = default;
};

// Sums over examples, in nats.
struct LossSums {
  double loss = 0;  // what training minimizes
  double reconstruction = 0;
  double kl = 0;
  std::vector<double> terms;  // the objective's further terms, in the order of Model::termNames()
  int64_t examples = 0;
};

enum class OptimizerKind : uint8_t {
#define TORCHVAE_OPTIMIZER(kind, name) kind,
#include "optimizers.h"
#undef TORCHVAE_OPTIMIZER
};

// In the meanings of torch.optim.
struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::kAdam;
  double beta1 = 0.9;    // Adam's family
  double beta2 = 0.999;  // Adam's family; RMSprop's alpha
  double epsilon = 1e-8;
  double momentum = 0;         // SGD and RMSprop
  bool nesterov = false;       // SGD
  double weightDecay = 0;      // AdamW: decoupled; else added to the gradient, as an L2 penalty is
  double l1 = 0;               // adds l1 sign(weight) to the gradient
  double clipNorm = 0;         // the norm that the whole gradient is scaled down to; 0 for no limit
  double clipValue = 0;        // the magnitude that each gradient is cut to; 0 for no limit
  int64_t accumulate = 1;      // batches whose gradients are averaged for one update
  double averageDecay = 0;     // of the weights' moving average; 0 keeps none
  bool skipNonFinite = false;  // leaves out an update whose gradient is not finite, and goes on

  bool operator==(const OptimizerSettings&) const = default;
};

// What changes from step to step. It lies on the device: a captured graph of steps reads it there.
struct StepSchedule {
  double learningRate = 1e-3;
  double beta = 1;         // weight of the KL divergence
  double capacity = 0;     // nats that the KL divergence is held to, where the objective has a capacity
  double temperature = 1;  // of relaxed categorical posteriors
};

// By what ranks exchange what lies on GPUs.
enum class RanksBy : uint8_t { kAuto, kGloo, kNccl };

// Where a process stands among those that train one model together, and where they meet.
struct RanksSettings {
  int rank = 0;  // of this process, from 0
  int size = 1;  // processes in all
  // Of a store of keys, which rank 0 serves, unless whoever started the processes serves it already.
  std::string host;
  int port = 0;
  bool isServed = false;
  std::string prefix;   // of this meeting's keys: a served store may outlive it
  double seconds = 60;  // for all to come
  RanksBy by = RanksBy::kAuto;
};

// The processes that train one model together. All of them make the same calls in the same order. A call
// throws ERR_DISTRIBUTED where another process is lost, or does not answer soon after `abort` was raised.
class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // The texts of all ranks, by rank.
  virtual std::vector<std::string> exchange(const std::string& text, const std::atomic<bool>& abort) = 0;
};

// Consecutive batches of one epoch's order, handed over at a time.
struct TrainChunk {
  std::shared_ptr<Dataset> data;
  uint64_t orderSeed = 0;  // with `epoch`, fixes the permutation of the examples
  int64_t epoch = 0;
  int64_t firstStep = 0;  // within the epoch
  int64_t steps = 0;
  int64_t batchSize = 0;
  bool shuffle = true;
  std::vector<StepSchedule> schedule;  // one a step
  LossSums sums;  // what the result's sums go on from, so that they do not depend on how an epoch is cut
  OptimizerSettings optimizer;
  bool observe = false;  // whether the result holds the last step's norms
  std::shared_ptr<std::atomic<bool>> abort;
  // Each rank takes its part of every batch; null for a process that trains alone. All ranks have the same
  // chunk, and an abort of one ends it for all.
  std::shared_ptr<Ranks> ranks;
};

enum class StopReason : uint8_t { kDone, kAborted, kNonFinite };

// Of one tensor of weights over one step: Euclidean norms.
struct TensorNorms {
  std::string name;
  double gradient = 0;  // before clipping
  double update = 0;    // of what the step added to the weights
  double weight = 0;    // before the step
};

struct TrainResult {
  int64_t steps = 0;    // whole steps taken
  int64_t skipped = 0;  // of these, updates left out since their gradient was not finite
  LossSums sums;
  double seconds = 0;
  StopReason reason = StopReason::kDone;
  std::vector<TensorNorms> norms;
  // What was not finite in the first batch that was refused, in the order of computation: `reconstruction`,
  // `kl`, then gradients by the names of their parameters, from the output to the input.
  std::vector<std::string> faults;
  // Whether such chunks of several models run side by side where they are handed over together.
  bool isSideBySide = false;
};

// Of one model among several.
struct TrainOutcome {
  TrainResult result;
  std::optional<Error> error;  // why there is no result
};

// How much of the code z a model uses, over some examples.
struct LatentStatistics {
  std::vector<float> meanVariance;  // of the posterior's mean over the examples, [codeSize]
  std::vector<float> divergence;    // KL(q(z|x) || p(z)), averaged over the examples, [dimensions or groups]
  // I(x; z) under q, in nats, with q(z) the mixture of these examples' posteriors (Hoffman and Johnson 2016):
  // at most the logarithm of their number. NaN where q(z|x) is no normal.
  double mutualInformation = 0;
};

// A mixture of normals, in float64.
struct MixtureFit {
  std::vector<double> weights;  // [components]
  std::vector<double> means;    // [components, dimensions]
  std::vector<double> factors;  // lower Cholesky factors of the covariances, [components, d, d]
  double logLikelihood = 0;     // the mean over the points, in nats
  int64_t iterations = 0;
};

// How two sets of points lie to each other, by balls around each point that reach to its k-th nearest
// neighbor in its own set: shares from 0 to 1, but for the density.
struct ManifoldScores {
  double precision = 0;  // of the generated points, those in some ball of a real one
  double recall = 0;     // of the real points, those in some ball of a generated one
  double density =
      0;  // real balls that a generated point lies in, over k; 1 for two sets of one distribution
  double coverage = 0;  // of the real points, those whose ball holds a generated one
};

// How decision trees are grown.
struct ForestSettings {
  // Each on a draw with replacement of as many rows as there are. One alone takes all rows as they are.
  int64_t trees = 1;
  int64_t depth = 1;  // decisions between the root and a leaf, at most
  int64_t leaf = 1;   // rows that a leaf has at least, however often they were drawn
  uint64_t seed = 0;
};

// What trees found.
struct ForestFit {
  // Of each feature, its share of the fall of impurity (Breiman 2001), averaged over the trees; they add up
  // to 1 where any cut was made.
  std::vector<double> importances;
  std::vector<int32_t> classes;  // of the rows to judge, the likeliest
};

// How noise is come by where a method draws z: `values` ([rows, latentSize]) when given, else drawn from
// `seed`.
struct NoiseSource {
  const float* values = nullptr;
  uint64_t seed = 0;
};

// Of one batch: the derivatives of sums.loss / sums.examples.
struct Gradients {
  LossSums sums;
  std::vector<std::vector<float>> each;  // one vector a trained parameter, in stateTensors() order
};

// How a model computes its training steps.
struct KernelChoice {
  bool isFused = false;  // by fused kernels with derivatives written out; else by libtorch's derivatives
  std::string reason;    // why it is not fused; empty where it is
};

// What decode() gives of p(x|z).
enum class DecodeKind : uint8_t { kMean, kMode, kSample };

class Model {
 public:
  virtual ~Model() = default;

  virtual int64_t step() const = 0;  // optimizer steps taken since the weights were drawn
  virtual void setStep(int64_t step) = 0;

  virtual KernelChoice kernels() const = 0;

  // The terms of the loss beside reconstruction and kl, which LossSums::terms holds.
  virtual std::vector<std::string> termNames() const { return {}; }

  // Parameters, then the optimizer's moments named optimizer.NAME.exp_avg and optimizer.NAME.exp_avg_sq,
  // then, where one is kept or was written, the weights' moving average named average.NAME. Linear weights
  // have PyTorch's layout [out, in]. Values are read in the model's precision and written from either. Both
  // throw ERR_CHECKPOINT for a name or a number of values that the model does not have.
  virtual std::vector<StateTensor> stateTensors() const = 0;
  virtual StateValues readState(const std::string& name) const = 0;
  virtual void writeState(const std::string& name, const StateValues& values) = 0;

  // Throws ERR_SHAPE where the model is conditioned on labels and the data have none, ERR_RANGE where they
  // have some of no class.
  virtual TrainResult train(const TrainChunk& chunk) = 0;

  // Sums over all examples of `data` in batches of `batchSize`, of what was looked at before `abort` was
  // raised; the loss is weighed by `schedule`. `ranks` share the batches; null for a process alone. Throws as
  // train() does.
  virtual LossSums evaluate(Dataset& data, int64_t batchSize, uint64_t noiseSeed,
                            const StepSchedule& schedule, const std::atomic<bool>& abort, Ranks* ranks) = 0;

  // Has the ranks find the way by which they exchange what lies on their devices, and gives all of them the
  // weights, moments and averages of rank 0. Returns that way in words.
  virtual std::string synchronize(Ranks& ranks, const std::atomic<bool>& abort) = 0;

  // Of the rest, where a model is conditioned on labels: ERR_SHAPE where there are none, ERR_RANGE for one
  // that is of no class.

  // Values in a code z.
  virtual int64_t codeSize() const = 0;
  // Moments of q(z|x), each [rows, codeSize]; the log-variance of a point is minus infinity.
  virtual void encode(const HostArray& x, float* mean, float* logVariance) = 0;
  // Of p(x|z): [rows, inputSize] from z [rows, codeSize]; `labels` [rows] or null, `seed` for samples.
  virtual void decode(const float* z, const int32_t* labels, int64_t rows, DecodeKind kind, uint64_t seed,
                      float* x) = 0;
  // z ~ p(z): [rows, codeSize].
  virtual void samplePrior(const int32_t* labels, int64_t rows, uint64_t seed, float* z) = 0;
  // The importance-weighted estimate of -log p(x) with `samples` draws from q(z|x) (Burda et al. 2016, eq.
  // 8), [rows]. Throws ERR_STATE where q(z|x) has no density, ERR_ABORTED once `abort` is raised.
  virtual void importance(const HostArray& x, int64_t samples, uint64_t seed, const std::atomic<bool>& abort,
                          float* negativeLogLikelihood) = 0;
  // KL(q(z|x) || p(z)) for each example and dimension (or group), [rows, groups].
  virtual std::vector<float> divergences(const HostArray& x, uint64_t seed, int64_t& groups) = 0;
  virtual LatentStatistics latentStatistics(const HostArray& x, uint64_t seed) = 0;
  // Per-example -log p(x|z) and KL(q||p), each [rows].
  virtual void losses(const HostArray& x, const NoiseSource& noise, float* reconstruction, float* kl) = 0;
  // The gradients of the batch's mean loss, as a step of training takes them. The model stays as it is.
  // Throws ERR_SHAPE for values of noise where the objective draws several z for an example.
  virtual Gradients gradients(const HostArray& x, const NoiseSource& noise, const StepSchedule& schedule) = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  // Queues a job on the device's thread. Jobs run in order and must not throw.
  virtual void submit(std::function<void()> job) = 0;
  virtual std::shared_ptr<Dataset> createDataset(const HostArray& values) = 0;
  // `precision` is 'float32', 'float64', 'bf16' or 'tf32', the last two of matrix products alone; weights are
  // drawn from `seed`. `reference` keeps to libtorch's operations and derivatives where there are fused ones.
  // Throws ERR_SPEC for parts that do not go together, ERR_DEVICE for a precision that the device lacks.
  virtual std::shared_ptr<Model> createModel(const ModelSpec& spec, uint64_t seed,
                                             const std::string& precision, bool reference) = 0;
  // Model::train() of several models of this device, chunks[i] of models[i]: side by side where its kernels
  // can, else in turn; to the same bits in any case.
  virtual std::vector<TrainOutcome> train(const std::vector<std::shared_ptr<Model>>& models,
                                          const std::vector<TrainChunk>& chunks) = 0;
  // Maximum likelihood by expectation and maximization from k-means++ (Arthur and Vassilvitskii 2007), with
  // full covariances. Throws ERR_SHAPE for fewer points than components.
  virtual MixtureFit fitMixture(const HostArray& points, int64_t components, int64_t iterations,
                                uint64_t seed) = 0;
  // The distance of Frechet (1957; Heusel et al. 2017, eq. 6) between normals with the moments of `a` and of
  // `b`, on the first `components` principal components of `a`; 0 for the values themselves. Throws ERR_SHAPE
  // for less than two points in a set.
  virtual double frechetDistance(const HostArray& a, const HostArray& b, int64_t components) = 0;
  // Precision and recall of Kynkaanniemi et al. (2019), density and coverage of Naeem et al. (2020), on the
  // first `components` principal components of `real`; 0 for the values themselves. Throws ERR_SHAPE for sets
  // of no more points than `neighbors`.
  virtual ManifoldScores manifoldScores(const HostArray& real, const HostArray& generated, int64_t components,
                                        int64_t neighbors) = 0;
  // The structural similarity (Wang et al. 2004) of each pair of images of `shape` [channels, height, width]
  // with values in [0, 1]: a mean over channels and places of a Gaussian window of 11 x 11, sigma 1.5. Throws
  // ERR_SHAPE for sets of different numbers of images, and for images that the window does not fit into.
  virtual std::vector<float> structuralSimilarity(const HostArray& a, const HostArray& b,
                                                  const std::vector<int64_t>& shape) = 0;
  // Bagged decision trees (Breiman 1996) for the labels of `features`, cut where the Gini impurity falls
  // most, and what they say of `judged`. The same on every device. Throws ERR_SHAPE for rows without labels,
  // or of other columns.
  virtual ForestFit growForest(const HostArray& features, const HostArray& judged,
                               const ForestSettings& settings) = 0;
};

class CudaPart;  // cuda_part.h

class Engine {
 public:
  virtual ~Engine() = default;
  // Gives the engine its CUDA part, which outlives it; before any device is asked for.
  virtual void attach(CudaPart* part) = 0;
  virtual EngineInfo info() = 0;
  // The tensors of a model of this `spec`, without making it, moments left out. Throws ERR_SPEC for parts
  // that do not go together.
  virtual std::vector<StateTensor> plan(const ModelSpec& spec) = 0;
  // `name` is 'cpu' or 'cuda:N', or 'cpu/N' for a lane: a thread that computes alone what 'cpu' computes
  // with all of its threads, to the same bits, so that several models are trained at a time. One Device per
  // name and process, shared by all who ask; the first to ask sets the number of the CPU's threads, 0 for one
  // a core. Throws ERR_DEVICE for another name and for a device that is not there.
  virtual std::shared_ptr<Device> device(const std::string& name, int threads) = 0;
  // Waits until all processes have come together. Throws ERR_DISTRIBUTED where they do not, or where libtorch
  // has no c10d; ERR_ABORTED once `abort` is raised.
  virtual std::shared_ptr<Ranks> join(const RanksSettings& settings, const std::atomic<bool>& abort) = 0;
};

}  // namespace torchvae

// The engine library's only entry: nullptr unless `interfaceNumber` is the library's own kEngineInterface.
extern "C" __attribute__((visibility("default"))) torchvae::Engine* torchvae_engine(int interfaceNumber);
