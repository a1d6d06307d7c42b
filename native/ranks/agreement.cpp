#include "ranks/agreement.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "ranks/words.h"

namespace torchvae {
namespace {

template <class Is>
std::vector<int> ranksThat(const std::vector<Standing>& ranks, const Is& is) {
  std::vector<int> found;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (is(ranks[i])) found.push_back(static_cast<int>(i));
  }
  return found;
}

std::string verb(const std::vector<int>& ranks, const char* one, const char* several) {
  return inWords(ranks) + " " + (ranks.size() == 1 ? one : several);
}

// Why NCCL cannot serve them; empty where it can.
std::string obstacleOf(const std::vector<Standing>& ranks) {
  const auto onCpu = ranksThat(ranks, [](const Standing& rank) { return rank.gpu.empty(); });
  if (!onCpu.empty()) return verb(onCpu, "computes", "compute") + " on the CPU";
  for (const Standing& rank : ranks) {
    const auto there = ranksThat(ranks, [&](const Standing& other) { return other.gpu == rank.gpu; });
    if (there.size() > 1) return inWords(there) + " share one GPU";
  }
  const auto without = ranksThat(ranks, [](const Standing& rank) { return rank.nccl.empty(); });
  if (!without.empty()) return verb(without, "has", "have") + " no NCCL of version 2.14 or newer";
  const auto other = ranksThat(ranks, [&](const Standing& rank) { return rank.nccl != ranks.front().nccl; });
  if (other.empty()) return "";
  return "rank 0 has NCCL " + ranks.front().nccl + " and rank " + std::to_string(other.front()) + " " +
         ranks[static_cast<size_t>(other.front())].nccl;
}

}  // namespace

std::string Standing::text() const {
  return std::to_string(static_cast<int>(wanted)) + "\n" + gpu + "\n" + nccl + "\n" +
         (isInLoop ? "loop" : "graphs");
}

Standing Standing::of(const std::string& text) {
  Standing standing;
  std::istringstream lines(text);
  std::string wanted;
  std::getline(lines, wanted);
  standing.wanted = static_cast<RanksBy>(std::stoi(wanted));
  std::getline(lines, standing.gpu);
  std::getline(lines, standing.nccl);
  std::string steps;
  std::getline(lines, steps);
  standing.isInLoop = steps == "loop";
  return standing;
}

Agreement agree(const RanksSettings& settings, const std::vector<Standing>& ranks) {
  const auto wanting = [&](RanksBy by) {
    return ranksThat(ranks, [&](const Standing& rank) { return rank.wanted == by; });
  };
  const std::vector<int> forNccl = wanting(RanksBy::kNccl), forGloo = wanting(RanksBy::kGloo);
  const std::string obstacle = obstacleOf(ranks);
  if (!forNccl.empty() && (!forGloo.empty() || !obstacle.empty())) {
    failRanks(nameOf(settings) + " cannot exchange by NCCL, as TORCHVAE_RANKS_BY of " + inWords(forNccl) +
              " says, since " +
              (obstacle.empty() ? "that of " + verb(forGloo, "says", "say") + " gloo" : obstacle) +
              "; leave the variable out to go by way of the host where NCCL cannot serve");
  }
  if (!forGloo.empty()) return {false, false, "Gloo by way of the host, as TORCHVAE_RANKS_BY says"};
  const bool isOnCpu =
      std::all_of(ranks.begin(), ranks.end(), [](const Standing& rank) { return rank.gpu.empty(); });
  if (isOnCpu) return {false, false, "Gloo"};
  if (!obstacle.empty()) return {false, false, "Gloo by way of the host, since " + obstacle};
  const auto inLoop = ranksThat(ranks, [](const Standing& rank) { return rank.isInLoop; });
  const std::string way = "NCCL " + ranks.front().nccl;
  if (inLoop.empty()) return {true, true, way};
  return {true, false, way + ", step by step, as TORCHVAE_RANKS_STEPS of " + inWords(inLoop) + " says"};
}

std::string gpuAt(const std::string& address) {
  // Of a machine and of its containers, which may have names that others have too.
  std::string machine;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> machine;
  if (machine.empty()) {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    machine = name.data();
  }
  return machine + "/" + address;
}

}  // namespace torchvae
