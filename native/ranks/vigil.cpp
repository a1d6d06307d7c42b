#include "ranks/vigil.h"

#include <chrono>

namespace torchvae {
namespace {

using Clock = std::chrono::steady_clock;

// How long a rank that was aborted waits for the others, which abort with it at the next chance.
constexpr std::chrono::seconds kFarewell{5};
// How often a rank that waits asks whether others are lost.
constexpr std::chrono::seconds kDoubt{1};

}  // namespace

void Vigil::wait(const std::function<bool()>& glance, const std::atomic<bool>& abort) {
  auto farewell = Clock::time_point::max();
  auto doubt = Clock::now() + kDoubt;
  while (!glance()) {
    if (Clock::now() > doubt) {
      requireOthers_();
      doubt = Clock::now() + kDoubt;
    }
    if (!abort.load()) continue;
    if (farewell == Clock::time_point::max()) farewell = Clock::now() + kFarewell;
    if (Clock::now() < farewell) continue;
    lost_ = name_ + " was aborted, and the other ranks did not answer";
    failRanks(lost_);
  }
}

void Vigil::lose(const std::string& because) {
  lost_ = name_ + " lost " + whomLost_() + ": " + because +
          ". Look at the errors there; start all ranks anew to go on from the last checkpoint";
  failRanks(lost_);
}

}  // namespace torchvae
