#pragma once

namespace torchvae {

// Sums in sixteen lanes: one order of addition whatever the instruction set, and a loop that vectorizes.
struct LaneSum {
  float lane[16] = {};

  double total() const {
    double sum = 0;
    for (float value : lane) sum += value;
    return sum;
  }
};

}  // namespace torchvae
