#include "train/block_run.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "train/chunk_state.h"

namespace torchvae {
namespace {

using kernels::BlockMember;

// At most, of a launch: an abort waits for so many.
constexpr int64_t kStepsPerLaunch = 1024;

// Where a model's chunk stands.
class BlockRun {
 public:
  explicit BlockRun(const BlockTask& task)
      : task_(task),
        block_(*task.step.block()),
        state_(stateBefore(task.chunk, task.updates, task.parameters)) {}

  const BlockTask& task() const { return task_; }
  fused::BlockPerceptron& block() const { return block_; }
  StepState& state() { return state_; }
  const StepSchedule* schedule() const { return task_.chunk.schedule.data() + result_.steps; }

  bool isLike(const BlockRun& other) const {
    return task_.chunk.optimizer.kind == other.task_.chunk.optimizer.kind && block_.isLike(other.block_);
  }

  // Steps of the next launch; 0 where the chunk has ended, but for a step that is to be looked at.
  int64_t due() {
    const TrainChunk& chunk = task_.chunk;
    if (result_.reason != StopReason::kDone) return 0;
    const int64_t left = chunk.steps - result_.steps - (chunk.observe ? 1 : 0);
    if (left <= 0) return 0;
    if (isAborted()) return 0;
    return std::min(left, kStepsPerLaunch);
  }
  bool hasStepToLookAt() {
    return task_.chunk.observe && result_.reason == StopReason::kDone && result_.steps < task_.chunk.steps &&
           !isAborted();
  }

  BlockMember member(int64_t steps, kernels::BlockMode mode) const {
    const BatchSource source{task_.data.values(), task_.order,         0, 0, task_.seed, 0, nullptr,
                             task_.data.labels(), task_.data.isDrawn()};
    BlockMember m = block_.member(source, task_.chunk.optimizer);
    m.steps = steps;
    m.mode = mode;
    return m;
  }

  // What a launch has come to.
  void take(const StepState& state) {
    state_ = state;
    task_.updates = state.step;
    noteAverage(state, task_.chunk, task_.parameters);
    result_.steps += state.index;
    state_.index = 0;
    if (state.stopped != 0) result_.reason = StopReason::kNonFinite;
  }

  void keepNorms(std::vector<TensorNorms> norms) { result_.norms = std::move(norms); }

  TrainResult result(double seconds) {
    takeSums(state_, result_);
    result_.seconds = seconds;
    if (state_.stopped != 0) result_.faults = faults();
    return std::move(result_);
  }

 private:
  bool isAborted() {
    const TrainChunk& chunk = task_.chunk;
    const bool isRaised = chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed);
    if (isRaised) result_.reason = StopReason::kAborted;
    return isRaised;
  }

  std::vector<std::string> faults() const {
    const int64_t first = state_.batch * task_.chunk.batchSize;
    const int64_t rows = std::min(task_.chunk.batchSize, task_.data.rows() - first);
    return faultsAgain(task_.step,
                       {task_.data, task_.order, first, rows, *schedule(), task_.seed, state_.step},
                       task_.parameters);
  }

  BlockTask task_;
  fused::BlockPerceptron& block_;
  StepState state_;
  TrainResult result_;
};

// Runs of one launch, with the steps of each.
struct Launch {
  std::vector<BlockRun*> runs;
  std::vector<int64_t> steps;
  kernels::BlockMode mode = kernels::kTakeSteps;
};

// What the device reads of a launch, one after the other: members, states, schedules. Only the states come
// back.
class LaunchBytes {
 public:
  explicit LaunchBytes(const Launch& launch)
      : states_(launch.runs.size() * sizeof(BlockMember)),
        schedules_(states_ + launch.runs.size() * sizeof(StepState)) {
    size_t size = schedules_;
    for (const int64_t steps : launch.steps) size += static_cast<size_t>(steps) * sizeof(StepSchedule);
    const Context& context = launch.runs.front()->task().context;
    device_ = at::empty({static_cast<int64_t>(size)},
                        c10::TensorOptions().device(context.device).dtype(c10::kByte));
    auto* const begin = static_cast<char*>(device_.mutable_data_ptr());
    std::vector<char> host(size);
    size_t schedule = schedules_;
    for (size_t i = 0; i < launch.runs.size(); ++i) {
      BlockRun& run = *launch.runs[i];
      BlockMember member = run.member(launch.steps[i], launch.mode);
      member.update.state = reinterpret_cast<StepState*>(begin + states_) + i;
      member.update.schedule = reinterpret_cast<const ScheduleRow*>(begin + schedule);
      std::memcpy(host.data() + i * sizeof member, &member, sizeof member);
      std::memcpy(host.data() + states_ + i * sizeof(StepState), &run.state(), sizeof(StepState));
      const size_t rows = static_cast<size_t>(launch.steps[i]) * sizeof(StepSchedule);
      std::memcpy(host.data() + schedule, run.schedule(), rows);
      schedule += rows;
    }
    device_.copy_(at::from_blob(host.data(), device_.sizes(), c10::TensorOptions().dtype(c10::kByte)));
  }

  BlockMember* members() const { return static_cast<BlockMember*>(device_.mutable_data_ptr()); }

  // Waits for the device.
  std::vector<StepState> states() const {
    const at::Tensor read =
        device_.narrow(0, static_cast<int64_t>(states_), static_cast<int64_t>(schedules_ - states_)).cpu();
    std::vector<StepState> all((schedules_ - states_) / sizeof(StepState));
    std::memcpy(all.data(), read.const_data_ptr(), all.size() * sizeof(StepState));
    return all;
  }

 private:
  size_t states_, schedules_;  // where they begin
  at::Tensor device_;
};

// Groups of runs that are alike, with the steps that are due.
std::vector<Launch> launchesOf(std::vector<BlockRun>& runs) {
  std::vector<Launch> launches;
  for (BlockRun& run : runs) {
    const int64_t steps = run.due();
    if (steps == 0) continue;
    const auto found = std::ranges::find_if(
        launches, [&](const Launch& launch) { return launch.runs.front()->isLike(run); });
    Launch& launch = found == launches.end() ? launches.emplace_back() : *found;
    launch.runs.push_back(&run);
    launch.steps.push_back(steps);
  }
  return launches;
}

// Sends a launch off.
void send(const Launch& launch, const LaunchBytes& bytes) {
  BlockRun& first = *launch.runs.front();
  first.block().kernel().train({bytes.members(), first.block().shape()},
                               static_cast<int64_t>(launch.runs.size()), first.task().chunk.optimizer.kind);
}

// One step that somebody looks at: its gradients, then the step itself.
void lookAtStep(BlockRun& run) {
  StepObserver observer(run.task().parameters);
  const int64_t skipped = run.state().skipped;
  Launch launch{{&run}, {1}, kernels::kLookAhead};
  send(launch, LaunchBytes(launch));
  observer.begin();
  launch.mode = kernels::kTakeSteps;
  const LaunchBytes bytes(launch);
  send(launch, bytes);
  observer.end();
  run.take(bytes.states().front());
  // Nothing is known of an update that was left out.
  if (run.state().stopped == 0 && run.state().skipped == skipped) run.keepNorms(observer.take());
}

}  // namespace

std::vector<TrainResult> runBlocks(const std::vector<BlockTask>& tasks,
                                   const std::function<void()>& meanwhile) {
  std::vector<BlockRun> runs(tasks.begin(), tasks.end());
  CudaPart& part = tasks.front().context.kernels->part();
  const std::unique_ptr<TimeMark> begin = part.mark();
  bool isFirst = true;
  for (std::vector<Launch> launches = launchesOf(runs); !launches.empty(); launches = launchesOf(runs)) {
    std::vector<LaunchBytes> sent;
    for (const Launch& launch : launches) send(launch, sent.emplace_back(launch));
    if (std::exchange(isFirst, false)) meanwhile();
    for (size_t i = 0; i < launches.size(); ++i) {
      const std::vector<StepState> states = sent[i].states();
      for (size_t j = 0; j < states.size(); ++j) launches[i].runs[j]->take(states[j]);
    }
  }
  for (BlockRun& run : runs) {
    if (run.hasStepToLookAt()) lookAtStep(run);
  }
  const double seconds = part.mark()->since(*begin);
  std::vector<TrainResult> results;
  for (BlockRun& run : runs) results.push_back(run.result(seconds));
  return results;
}

}  // namespace torchvae
