// Ranks that meet by c10d's store and talk by its Gloo, both of the libtorch that was found.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "ranks/vigil.h"

namespace torchvae {

// Ranks that exchange by way of the host whatever lies wherever. See Ranks and TensorRanks.
class HostRanks {
 public:
  virtual ~HostRanks() = default;
  virtual std::vector<std::string> exchange(const std::string& text, const std::atomic<bool>& abort) = 0;
  virtual void sum(at::Tensor tensor, const std::atomic<bool>& abort) = 0;
  virtual void broadcast(at::Tensor tensor, const std::atomic<bool>& abort) = 0;
  // By which the ranks wait for each other; where it sees one lost, all are at their end.
  virtual Vigil& vigil() = 0;
  // From here on the vigil also notices a process that ends while nobody waits for a message of it.
  virtual void postSentry() = 0;
};

// See Engine::join.
std::shared_ptr<HostRanks> joinByGloo(const RanksSettings& settings, const std::atomic<bool>& abort);

}  // namespace torchvae
