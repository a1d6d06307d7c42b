#include "kernels/kernels.h"

#include <algorithm>
#include <type_traits>

#include "error.h"
#include "kernels/pointers.h"
#include "kernels/sizes.h"

namespace torchvae {
namespace {

using namespace kernels;

constexpr int64_t kThreads = 256;
constexpr int64_t kMostBlocks = 1024;  // of kernels that stride over what they are given
constexpr int64_t kFewestLines = 4;    // of a thread that walks over lines, while other blocks have work

struct KernelInfo {
  const char* name;
  int threads;
};
constexpr KernelInfo kInfo[] = {
#define TORCHVAE_KERNEL(name, Arguments, threads) {#name, threads},
#include "kernels/list.h"
#undef TORCHVAE_KERNEL
};

// Four values a thread, and no more blocks than keep a large device busy.
int64_t blocksFor(int64_t count) {
  return std::clamp<int64_t>(ceilDiv(count, 4 * kThreads), 1, kMostBlocks);
}

int64_t vectorOf(c10::ScalarType type) {
  return type == c10::kDouble ? 1 : static_cast<int64_t>(16 / c10::elementSize(type));
}

// In vectors of 16 bytes, where whole ones fill the lines.
ColumnWalk walkOver(int64_t lines, int64_t columns, c10::ScalarType type) {
  const int64_t vector = columns % vectorOf(type) == 0 ? vectorOf(type) : 1;
  const int64_t vectors = columns / vector;
  const int64_t slices = ceilDiv(vectors, kThreads);
  return {lines, narrow(columns), narrow(vector), narrow(ceilDiv(vectors, slices)), narrow(slices)};
}

// A row of y, channel by channel where it has a bias, else in lines of one vector.
ColumnWalk walkOverRow(const LikelihoodBatch& batch) {
  const c10::ScalarType type = batch.y.scalar_type();
  const int64_t size = batch.y.size(1);
  if (batch.bias.defined()) return walkOver(size / batch.bias.size(0), batch.bias.size(0), type);
  const int64_t vector = vectorOf(type);
  const bool isWhole = size % vector == 0 && batch.x.size(1) % vector == 0;
  return isWhole ? walkOver(size / vector, vector, type) : walkOver(size, 1, type);
}

// Blocks that follow each other on a walk.
int64_t blocksAlong(const ColumnWalk& walk) {
  const int64_t most = std::max<int64_t>(1, kMostBlocks / walk.slices);
  return std::clamp<int64_t>(ceilDiv(walk.lines, kThreads / walk.width * kFewestLines), 1, most);
}

bool isSum(const GradientPart& part) {
  return part.from.defined() && part.from.dim() == 2;
}
int64_t blocksOf(const GradientPart& part) {
  return ceilDiv(part.count, isSum(part) ? kColumnsPerBlock : kValuesPerBlock);
}

static_assert(kMostBlocks <= Kernels::kMostSums);
static_assert(std::is_trivially_copyable_v<GradientArguments> && sizeof(GradientArguments) <= 4096);
static_assert(sizeof(ScheduleRow) == sizeof(StepSchedule));

}  // namespace

template <class Arguments>
void Kernels::launch(Name name, c10::ScalarType type, int64_t blocks, const Arguments& arguments,
                     bool early) {
  const int column = type == c10::kFloat ? 0 : type == c10::kBFloat16 ? 1 : 2;
  void*& handle = handles_[name][static_cast<size_t>(column)];
  if (handle == nullptr) {
    static constexpr const char* kSuffix[] = {"_f32", "_bf16", "_f64"};
    handle = part_.kernel(std::string(kInfo[name].name) + kSuffix[column]);
  }
  part_.launch(handle, {blocks, kInfo[name].threads, 0, early}, &arguments, sizeof arguments);
}

LoadArguments loadArguments(const BatchSource& source, int64_t rows, const at::Tensor& x,
                            const at::Tensor& noise, const at::Tensor& z) {
  const int64_t latent = noise.size(1);
  return {pointer(source.data),
          static_cast<const int64_t*>(pointer(source.order)),
          static_cast<const int64_t*>(pointer(source.labels)),
          mutablePointer(x),
          mutablePointer(z),
          mutablePointer(noise),
          source.state,
          source.first,
          source.step,
          source.seed,
          static_cast<uint32_t>(Stream::kNoise),
          source.isDrawn ? static_cast<uint32_t>(Stream::kBinary) : 0,
          source.data.scalar_type() == c10::kByte ? 1 : 0,
          narrow(rows),
          narrow(source.data.size(1)),
          narrow(latent),
          narrow(source.batchSize),
          narrow(source.channels),
          narrow(source.storedChannels),
          narrow(x.size(1)),
          narrow(z.defined() ? z.size(1) : latent),
          narrow(source.place),
          0};
}

void Kernels::loadBatch(const BatchSource& source, int64_t rows, const at::Tensor& x, const at::Tensor& noise,
                        const at::Tensor& z) {
  launch(k_loadBatch, x.scalar_type(), rows + ceilDiv(rows * noise.size(1), kThreads),
         loadArguments(source, rows, x, noise, z), true);
}

void Kernels::fillRandom(const Draw& draw, int64_t first, bool isUniform, const StepState* state,
                         const at::Tensor& to) {
  const RandomArguments a{mutablePointer(to),
                          state,
                          first,
                          to.numel(),
                          static_cast<int64_t>(draw.step),
                          draw.seed,
                          static_cast<uint32_t>(draw.stream),
                          isUniform ? 1 : 0};
  launch(k_fillRandom, to.scalar_type(), blocksFor(a.count), a);
}

void Kernels::activate(ActivationKind kind, const at::Tensor& from, const at::Tensor& bias,
                       const at::Tensor& y, const at::Tensor& slope, int64_t rows) {
  const int64_t columns = bias.defined() ? bias.size(0) : y.size(1);
  const ColumnWalk walk = walkOver(rows * y.size(1) / columns, columns, y.scalar_type());
  const ActivateArguments a{pointer(from), mutablePointer(y),         mutablePointer(slope), pointer(bias),
                            walk,          static_cast<int32_t>(kind)};
  launch(k_activate, y.scalar_type(), blocksAlong(walk) * walk.slices, a);
}

void Kernels::scaleBySlope(ActivationKind kind, const at::Tensor& kept, const at::Tensor& from,
                           const at::Tensor& to, int64_t rows, ColumnSums& sums) {
  const int64_t columns = sums.parts.defined() ? sums.parts.size(1) : to.size(1);
  const ColumnWalk walk = walkOver(rows * to.size(1) / columns, columns, to.scalar_type());
  sums.lines = blocksAlong(walk);
  const SlopeArguments a{pointer(from),
                         pointer(kept),
                         mutablePointer(to),
                         mutablePointer(sums.parts),
                         walk,
                         static_cast<int32_t>(kind)};
  launch(k_scaleBySlope, to.scalar_type(), sums.lines * walk.slices, a);
}

void Kernels::sample(const at::Tensor& head, const at::Tensor& noise, int64_t rows, const at::Tensor& z,
                     const at::Tensor& kl) {
  const SampleArguments a{pointer(head), pointer(noise),        mutablePointer(z), mutablePointer(kl),
                          narrow(rows),  narrow(noise.size(1)), narrow(z.size(1))};
  launch(k_sample, z.scalar_type(), ceilDiv(rows, kThreads / 32), a);
}

void Kernels::klCost(const KlPrice& price, const at::Tensor& head, const KlWeight& weight, int64_t rows,
                     const at::Tensor& factors, const at::Tensor& cost) {
  const KlCostArguments a{pointer(head),
                          mutablePointer(factors),
                          static_cast<double*>(mutablePointer(cost)),
                          weight.state,
                          weight.schedule,
                          price.freeBits,
                          weight.capacity,
                          narrow(rows),
                          narrow(factors.size(0)),
                          price.hasCapacity ? 1 : 0};
  launch(k_klCost, head.scalar_type(), 1, a);
}

void Kernels::sampleBackward(const at::Tensor& head, const at::Tensor& noise, const at::Tensor& dz,
                             const KlWeight& weight, const at::Tensor& factors, int64_t rows,
                             const at::Tensor& gradient) {
  const int64_t latent = noise.size(1);
  const SampleBackwardArguments a{
      pointer(head),   pointer(noise), pointer(dz),  pointer(factors), mutablePointer(gradient), weight.state,
      weight.schedule, weight.beta,    narrow(rows), narrow(latent),   narrow(dz.size(1))};
  launch(k_sampleBackward, gradient.scalar_type(), ceilDiv(rows * latent, kThreads), a);
}

void Kernels::likelihood(LikelihoodKind kind, const cpu::LikelihoodTerms& terms, const LikelihoodBatch& batch,
                         int64_t rows, ColumnSums& sums) {
  const at::Tensor& y = batch.y;
  const ColumnWalk walk = walkOverRow(batch);
  const LikelihoodArguments a{pointer(batch.x),
                              pointer(y),
                              pointer(batch.bias),
                              mutablePointer(batch.loss),
                              mutablePointer(batch.gradient),
                              mutablePointer(sums.parts),
                              1 / static_cast<double>(rows),
                              terms.precision,
                              terms.constant,
                              kind,
                              terms.sigmoid ? 1 : 0,
                              narrow(rows),
                              narrow(batch.x.size(1)),
                              batch.bias.defined() ? narrow(batch.channels) : walk.columns,
                              walk};
  sums.lines = rows;
  launch(k_likelihood, y.scalar_type(), rows, a);
}

int64_t Kernels::gradientBlocks(const std::vector<GradientPart>& parts) {
  int64_t blocks = 0;
  for (const GradientPart& part : parts) blocks += blocksOf(part);
  return blocks;
}

void Kernels::finishGradients(const std::vector<GradientPart>& parts, int64_t rows,
                              const at::Tensor& gradients, const at::Tensor& partials,
                              const BatchLosses& losses, const OptimizerSettings& settings, StepState* state,
                              const ScheduleRow* schedule) {
  if (parts.size() > kMaxRanges) {
    throw Error("ERR_INTERNAL", "Expected at most " + std::to_string(kMaxRanges) +
                                    " ranges of gradients but received " + std::to_string(parts.size()));
  }
  GradientArguments a{mutablePointer(gradients),
                      static_cast<double*>(mutablePointer(partials)),
                      state,
                      schedule,
                      pointer(losses.reconstruction),
                      pointer(losses.kl),
                      pointer(losses.loss),
                      static_cast<const double*>(pointer(losses.klCost)),
                      settings.beta1,
                      settings.beta2,
                      narrow(rows),
                      narrow(static_cast<int64_t>(parts.size())),
                      {}};
  c10::ScalarType type = gradients.scalar_type();
  int64_t blocks = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const GradientPart& part = parts[i];
    const bool isExact = part.from.defined() && part.from.scalar_type() == gradients.scalar_type();
    if (part.from.defined() && !isExact) type = part.from.scalar_type();
    a.range[i] = {pointer(part.from), part.offset,   part.count, narrow(isSum(part) ? part.from.size(0) : 0),
                  isExact ? 1 : 0,    narrow(blocks)};
    blocks += blocksOf(part);
  }
  launch(k_finishGradients, type, blocks, a);
}

OptimizeArguments optimizeArguments(const UpdateBuffers& buffers, int64_t blocks, int64_t rows,
                                    const OptimizerSettings& settings, StepState* state,
                                    const ScheduleRow* schedule) {
  return {mutablePointer(buffers.values),
          mutablePointer(buffers.first),
          mutablePointer(buffers.second),
          pointer(buffers.gradients),
          mutablePointer(buffers.shadow),
          static_cast<const double*>(pointer(buffers.partials)),
          state,
          schedule,
          settings.beta1,
          settings.beta2,
          settings.epsilon,
          settings.momentum,
          settings.weightDecay,
          settings.l1,
          settings.clipNorm,
          settings.clipValue,
          buffers.values.numel(),
          narrow(blocks),
          narrow(rows),
          static_cast<int32_t>(settings.kind),
          settings.nesterov ? 1 : 0,
          settings.skipNonFinite ? 1 : 0};
}

void Kernels::optimize(const UpdateBuffers& buffers, int64_t blocks, int64_t rows,
                       const OptimizerSettings& settings, StepState* state, const ScheduleRow* schedule) {
  const OptimizeArguments a = optimizeArguments(buffers, blocks, rows, settings, state, schedule);
  launch(k_optimize, buffers.values.scalar_type(), blocksFor(a.count), a);
}

void Kernels::averageWeights(const at::Tensor& values, const at::Tensor& average, double decay,
                             const StepState* state) {
  const AverageArguments a{pointer(values), mutablePointer(average), state, 1 - decay, values.numel()};
  launch(k_averageWeights, values.scalar_type(), blocksFor(a.count), a);
}

void Kernels::putBack(const at::Tensor& values, const at::Tensor& before, const StepState* state) {
  const PutBackArguments a{mutablePointer(values), pointer(before), state, values.numel()};
  launch(k_putBack, values.scalar_type(), blocksFor(a.count), a);
}

}  // namespace torchvae
