#include "ranks/device_ranks.h"

#include <ATen/ops/ones.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "ranks/agreement.h"
#include "ranks/gloo.h"
#include "ranks/nccl.h"
#include "ranks/words.h"

namespace torchvae {
namespace {

// Whether steps shall go one by one where they could be captured. One rank that says so is enough.
bool asksForLoop() {
  const char* steps = std::getenv("TORCHVAE_RANKS_STEPS");
  if (steps == nullptr || std::strcmp(steps, "graphs") == 0) return false;
  if (std::strcmp(steps, "loop") == 0) return true;
  failRanks("Expected 'graphs' or 'loop' for the environment variable TORCHVAE_RANKS_STEPS but received '" +
            std::string(steps) + "'");
}

class DeviceRanks : public TensorRanks {
 public:
  DeviceRanks(const RanksSettings& settings, std::shared_ptr<HostRanks> host)
      : settings_(settings), host_(std::move(host)) {}

  int rank() const override { return settings_.rank; }
  int size() const override { return settings_.size; }

  std::vector<std::string> exchange(const std::string& text, const std::atomic<bool>& abort) override {
    return host_->exchange(text, abort);
  }

  std::string meetOn(const c10::Device& device, CudaPart* part, const std::atomic<bool>& abort) override {
    std::optional<Nccl> nccl = part == nullptr ? std::nullopt : Nccl::find(*part);
    Standing own;
    own.wanted = settings_.by;
    own.isInLoop = asksForLoop();
    if (part != nullptr) own.gpu = gpuAt(part->address());
    if (nccl) own.nccl = nccl->version();
    const std::vector<std::string> texts = host_->exchange(own.text(), abort);
    if (texts == met_) return words_;
    communicator_.reset();
    std::vector<Standing> standings;
    for (const std::string& text : texts) standings.push_back(Standing::of(text));
    const Agreement agreement = agree(settings_, standings);
    device_ = device;
    mayCapture_ = agreement.isInGraphs;
    if (agreement.isByNccl) connect(*nccl, *part, abort);
    met_ = texts;
    words_ = agreement.words;
    return words_;
  }

  void sum(at::Tensor tensor, const std::atomic<bool>& abort) override {
    if (!isForNccl(tensor)) return host_->sum(tensor, abort);
    byNccl([&] { communicator_->sum(tensor, waitFor(abort)); });
    isPending_ = true;
  }

  void broadcast(at::Tensor tensor, const std::atomic<bool>& abort) override {
    if (!isForNccl(tensor)) return host_->broadcast(tensor, abort);
    byNccl([&] { communicator_->broadcast(tensor, waitFor(abort)); });
    isPending_ = true;
  }

  void await(const std::atomic<bool>& abort) override {
    if (!isPending_) return;
    byNccl([&] { communicator_->await(waitFor(abort)); });
    isPending_ = false;
  }

  int64_t capturedWay() const override { return communicator_ != nullptr && mayCapture_ ? ways_ : 0; }
  void expectCaptured() override { isPending_ = true; }

 private:
  bool isForNccl(const at::Tensor& tensor) const {
    host_->vigil().requireWhole();
    return communicator_ != nullptr && tensor.device() == device_;
  }

  // What rank 0 says by exchange() in place of an id that it does not get is nothing: the others then find it
  // lost.
  void connect(const Nccl& nccl, CudaPart& part, const std::atomic<bool>& abort) {
    host_->postSentry();
    byNccl([&] {
      const NcclId own = rank() == 0 ? nccl.newId() : NcclId{};
      const std::string said(own.bytes, rank() == 0 ? sizeof(own.bytes) : 0);
      const std::string heard = host_->exchange(said, abort).front();
      NcclId id{};
      if (heard.size() != sizeof(id.bytes)) throw std::runtime_error("rank 0 gave no id");
      std::memcpy(id.bytes, heard.data(), sizeof(id.bytes));
      communicator_ = std::make_unique<Communicator>(nccl, part, id, rank(), size(), waitFor(abort));
      ++ways_;
      requireSum(abort);
    });
  }

  // By a first sum the ranks connect all the way, before anything depends on it.
  void requireSum(const std::atomic<bool>& abort) {
    const at::Tensor ones = at::ones({1}, c10::TensorOptions().dtype(c10::kFloat).device(device_));
    communicator_->sum(ones, waitFor(abort));
    communicator_->await(waitFor(abort));
    const auto sum = static_cast<int>(ones.item<float>());
    if (sum != size()) {
      throw std::runtime_error("NCCL's sum of ones came to " + std::to_string(sum) + " in place of " +
                               std::to_string(size()));
    }
  }

  // After a failure nothing may be left waiting on the device: whoever waits for it later would never end.
  template <class Work>
  void byNccl(const Work& work) {
    try {
      host_->vigil().together(work);
    } catch (...) {
      isPending_ = false;
      communicator_.reset();
      throw;
    }
  }

  Communicator::Wait waitFor(const std::atomic<bool>& abort) {
    return [&](const std::function<bool()>& glance) { host_->vigil().wait(glance, abort); };
  }

  RanksSettings settings_;
  std::shared_ptr<HostRanks> host_;
  std::vector<std::string> met_;  // where the ranks stand since they last met on their devices
  std::string words_;
  c10::Device device_ = c10::Device(c10::kCPU);
  std::unique_ptr<Communicator> communicator_;
  int64_t ways_ = 0;  // communicators so far
  bool mayCapture_ = false;
  bool isPending_ = false;  // whether the device may still be at what was asked of it
};

}  // namespace

std::shared_ptr<TensorRanks> joinRanks(const RanksSettings& settings, const std::atomic<bool>& abort) {
  // Never destroyed: at its end a process cannot wait for others.
  return {new DeviceRanks(settings, joinByGloo(settings, abort)), [](TensorRanks*) {}};
}

}  // namespace torchvae
