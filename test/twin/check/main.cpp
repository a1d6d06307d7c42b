// Runs all checks; fails if one did.
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include "check.h"

int main() {
  using namespace torchvae::check;
  const c10::NoGradGuard noGrad;
  at::set_num_threads(1);
  checkKernels();
  checkExecutor();
  checkConv();
  checkPerceptron();
  checkBlock();
  checkLanes();
  checkEngine();
  checkNccl();
  return failures == 0 ? 0 : 1;
}
