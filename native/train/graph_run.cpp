#include "train/graph_run.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/translate.h"
#include "error.h"
#include "train/chunk_state.h"

namespace torchvae {
namespace {

// Streams that several models share, at most: as many as CUDA has queues to a device for, unless
// CUDA_DEVICE_MAX_CONNECTIONS says otherwise; streams beyond these would wait for each other at random.
// Memory sets no bound: each model has its buffers and graphs in any case. Where few models fill the device
// the others' kernels wait for room there, as they would in one stream.
size_t mostLanes() {
  constexpr size_t kQueues = 8, kMost = 32;
  const char* asked = std::getenv("TORCHVAE_GPU_LANES");
  if (asked == nullptr || *asked == '\0') return kQueues;
  char* end = nullptr;
  const size_t lanes = std::strtoul(asked, &end, 10);
  if (*end == '\0' && lanes >= 1 && lanes <= kMost) return lanes;
  throw Error("ERR_RANGE", "Expected an integer from 1 to " + std::to_string(kMost) +
                               " for TORCHVAE_GPU_LANES but received \"" + asked + "\"; leave it out for " +
                               std::to_string(kQueues));
}

// While it lives, work goes to one of several streams, beside each other. One stream is the thread's own.
class Lanes {
 public:
  Lanes(CudaPart& part, size_t count) : part_(part), count_(count) {
    if (isForked()) part_.fork(static_cast<int>(count_));
  }
  ~Lanes() {
    if (isForked()) part_.join();
  }
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  size_t count() const { return count_; }
  void enter(size_t lane) {
    if (isForked()) part_.enterLane(static_cast<int>(lane));
  }

 private:
  bool isForked() const { return count_ > 1; }

  CudaPart& part_;
  size_t count_;
};

}  // namespace

// Where a model's chunk stands. It goes in windows of steps: the host begins one, sends its steps off, and
// reads how far the device has come.
class GraphRun {
 public:
  explicit GraphRun(const GraphTask& task)
      : task_(task),
        executor_(task.executor),
        now_(stateBefore(task.chunk, task.step, task.executor.parameters_)),
        terms_(task.chunk.sums.terms) {
    terms_.resize(static_cast<size_t>(executor_.clock_.terms.numel()));
  }

  // Puts onto the device what the next steps start from. Returns false where the chunk has ended.
  bool begin() {
    const TrainChunk& chunk = task_.chunk;
    if (result_.steps == chunk.steps || result_.reason != StopReason::kDone) return false;
    executor_.data_ = &task_.data;
    executor_.team_ = &task_.team;
    if (result_.steps == 0) executor_.order_.copy_(task_.order);
    steps_ = std::min(chunk.steps - result_.steps, GraphExecutor::kScheduleRows);
    sent_ = 0;
    now_.index = 0;
    const size_t ofTerms = terms_.size() * sizeof(double);
    const size_t ofRows = static_cast<size_t>(steps_) * sizeof(ScheduleRow);
    std::vector<char> bytes(sizeof now_ + ofTerms + ofRows);
    std::memcpy(bytes.data(), &now_, sizeof now_);
    if (ofTerms > 0) std::memcpy(bytes.data() + sizeof now_, terms_.data(), ofTerms);
    std::memcpy(bytes.data() + sizeof now_ + ofTerms, chunk.schedule.data() + result_.steps, ofRows);
    const auto size = static_cast<int64_t>(bytes.size());
    executor_.shared_.narrow(0, 0, size)
        .copy_(at::from_blob(bytes.data(), {size}, c10::TensorOptions().dtype(c10::kByte)));
    isBegun_ = true;
    return true;
  }

  // Sends off some of the window's steps. Returns false where all are sent.
  bool send() {
    if (sent_ == steps_ || result_.reason != StopReason::kDone) return false;
    const TrainChunk& chunk = task_.chunk;
    if (!isAlone()) {
      // A replay waits for one some way behind it, by a call to the driver that nobody ends.
      if (++sends_ % kSendsAhead == 0) task_.team.await();
    } else if (chunk.abort != nullptr && chunk.abort->load(std::memory_order_relaxed)) {
      result_.reason = StopReason::kAborted;
      return false;
    }
    const int64_t wholeBatches = executor_.rows_ / executor_.batchSize_;
    const int64_t whole = wholeBatches - (chunk.firstStep + result_.steps + sent_);
    const int64_t ahead = chunk.steps - result_.steps - sent_;
    GraphExecutor::Shape& shape = whole > 0 ? executor_.whole_ : executor_.last_;
    if (chunk.observe && ahead == 1) {
      seen_ = &executor_.observe(shape);
      ++sent_;
      return true;
    }
    const int64_t alike = std::min(steps_ - sent_, ahead - (chunk.observe ? 1 : 0));
    sent_ += executor_.advance(shape, whole > 0 ? std::min(alike, whole) : 1);
    return true;
  }

  void doMeanwhile() {
    if (result_.steps + steps_ == task_.chunk.steps) task_.meanwhile();
  }

  // Waits for the device, and takes what it has come to.
  void end() {
    task_.team.await();
    read();
    result_.steps += now_.index;
    if (now_.stopped != 0) result_.reason = StopReason::kNonFinite;
  }

  // After a failure: updates that were sent off before are in the weights, so the count of steps must have
  // them too. A model of several ranks ends with them: nobody knows when its device is through.
  void giveUp() noexcept {
    if (!isBegun_ || !isAlone()) return;
    try {
      read();
    } catch (...) {
      // The first failure is the one to tell.
    }
  }

  // Once all steps are done, which took the device so long.
  TrainResult result(double seconds) {
    result_.seconds = seconds;
    takeSums(now_, result_);
    result_.sums.terms = terms_;
    if (now_.stopped != 0) {
      result_.faults = faults();
    } else if (seen_ != nullptr && seen_->skippedBefore.item<int64_t>() == now_.skipped) {
      result_.norms = seen_->observer.take();  // nothing is known of an update that was skipped
    }
    task_.team.settle(task_.chunk.sums, static_cast<int64_t>(terms_.size()), result_);
    return std::move(result_);
  }

 private:
  void read() {
    const size_t ofTerms = terms_.size() * sizeof(double);
    const at::Tensor bytes =
        executor_.shared_.narrow(0, 0, static_cast<int64_t>(sizeof now_ + ofTerms)).cpu();
    const char* from = static_cast<const char*>(bytes.const_data_ptr());
    std::memcpy(&now_, from, sizeof now_);
    if (ofTerms > 0) std::memcpy(terms_.data(), from + sizeof now_, ofTerms);
    task_.step = now_.step;
    noteAverage(now_, task_.chunk, executor_.parameters_);
  }

  // Of a batch that the device has refused: that batch again, with the weights as they are. What follows the
  // batches must not see it.
  std::vector<std::string> faults() {
    const int64_t first = now_.batch * executor_.batchSize_;
    const Share own = task_.team.shareOf(std::min(executor_.batchSize_, executor_.rows_ - first));
    const StepSchedule& schedule = task_.chunk.schedule[static_cast<size_t>(result_.steps)];
    std::vector<std::string> found;
    if (own.rows > 0) {
      executor_.keepBuffers();
      found = faultsAgain(executor_.step_,
                          {task_.data, task_.order, first + own.first, own.rows, schedule, executor_.seed_,
                           now_.step, own.first},
                          executor_.parameters_);
      executor_.putBuffersBack();
    }
    return isAlone() ? found : task_.team.unite(found);
  }

  bool isAlone() const { return task_.team.isAlone(); }

  // Fewer than CapturedWork::replay() lets the host be ahead.
  static constexpr int64_t kSendsAhead = 4;

  GraphTask task_;
  GraphExecutor& executor_;
  int64_t sends_ = 0;
  StepState now_;
  std::vector<double> terms_;
  TrainResult result_;
  int64_t steps_ = 0, sent_ = 0;  // of the window
  bool isBegun_ = false;          // whether the device has a state to read
  GraphExecutor::Observation* seen_ = nullptr;
};

namespace {

// A run with what has ended it.
struct Member {
  GraphRun run;
  std::optional<Error> error{};

  // Calls body(run) unless the member has failed; whether it answers that there is more.
  template <class Body>
  bool go(const Body& body) {
    if (error) return false;
    try {
      return body(run);
    } catch (...) {
      error = translatedError();
      return false;
    }
  }
};

// Sends off the window of each member, in lanes of one member after another. The host goes round the lanes, a
// graph at a time, so that all have work.
void sendInLanes(CudaPart& part, size_t most, const std::vector<Member*>& members) {
  Lanes lanes(part, std::min(most, members.size()));
  std::vector<size_t> next(lanes.count());  // the member that each lane is at
  for (size_t lane = 0; lane < next.size(); ++lane) next[lane] = lane;
  for (bool isMore = true; isMore;) {
    isMore = false;
    for (size_t lane = 0; lane < next.size(); ++lane) {
      if (next[lane] >= members.size()) continue;
      isMore = true;
      lanes.enter(lane);
      Member& member = *members[next[lane]];
      if (member.go([](GraphRun& run) { return run.send(); })) continue;
      member.go([](GraphRun& run) {
        run.doMeanwhile();
        return false;
      });
      next[lane] += lanes.count();
    }
  }
}

}  // namespace

std::vector<TrainOutcome> runGraphs(CudaPart& part, const std::vector<GraphTask>& tasks) {
  const size_t lanes = tasks.size() > 1 ? mostLanes() : 1;
  std::vector<Member> members;
  members.reserve(tasks.size());
  for (const GraphTask& task : tasks) members.push_back({GraphRun(task)});
  const std::unique_ptr<TimeMark> begin = part.mark();
  for (;;) {
    std::vector<Member*> begun;
    for (Member& member : members) {
      if (member.go([](GraphRun& run) { return run.begin(); })) begun.push_back(&member);
    }
    if (begun.empty()) break;
    sendInLanes(part, lanes, begun);
    for (Member* member : begun) {
      if (member->error) member->run.giveUp();
      member->go([](GraphRun& run) {
        run.end();
        return false;
      });
    }
  }
  // Nobody waits for the device where a rank is lost.
  const bool isSound = std::ranges::any_of(members, [](const Member& member) { return !member.error; });
  const double seconds = isSound ? part.mark()->since(*begin) : 0;
  std::vector<TrainOutcome> outcomes(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    members[i].go([&](GraphRun& run) {
      outcomes[i].result = run.result(seconds);
      return false;
    });
    outcomes[i].error = members[i].error;
  }
  return outcomes;
}

}  // namespace torchvae
