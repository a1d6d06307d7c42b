// How ranks come to one mind on whether they exchange what lies on their GPUs by NCCL.
#pragma once

#include <string>
#include <vector>

#include "engine.h"

namespace torchvae {

// What a rank says of itself to the others.
struct Standing {
  RanksBy wanted = RanksBy::kAuto;
  std::string gpu;        // of all GPUs there are; empty for the CPU
  std::string nccl;       // its version; empty where there is none
  bool isInLoop = false;  // whether steps shall not be captured

  std::string text() const;
  static Standing of(const std::string& text);
};

// What all ranks make of the same standings.
struct Agreement {
  bool isByNccl = false;
  bool isInGraphs = false;  // whether NCCL's sums may be captured with the steps
  std::string words;        // the way that is taken, and why not the other
};

// Throws ERR_DISTRIBUTED, in all ranks, where what some want cannot be had.
Agreement agree(const RanksSettings& settings, const std::vector<Standing>& ranks);

// Names the GPU at this address of the machine as no other machine does.
std::string gpuAt(const std::string& address);

}  // namespace torchvae
