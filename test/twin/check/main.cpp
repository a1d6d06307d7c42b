// Runs the checks that are named, such as `twin_test conv block`, or all; fails if one did.
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <set>

#include "check.h"

namespace torchvae::check {
namespace {

struct Group {
  const char* name;
  void (*run)();
};
constexpr Group kGroups[] = {
    {"kernels", checkKernels},
    {"executor", checkExecutor},
    {"following", checkFollowing},
    {"conv", checkConv},
    {"perceptron", checkPerceptron},
    {"block", checkBlock},
    {"lanes", checkLanes},
    {"engine", checkEngine},
    {"nccl", checkNccl},
    {"kept-programs", checkKeptPrograms},
};

}  // namespace
}  // namespace torchvae::check

int main(int count, char** arguments) {
  using namespace torchvae::check;
  const c10::NoGradGuard noGrad;
  at::set_num_threads(1);
  std::set<std::string> asked(arguments + 1, arguments + count);
  const bool isAll = asked.empty();
  for (const Group& group : kGroups) {
    if (isAll || asked.erase(group.name) > 0) group.run();
  }
  for (const std::string& name : asked) std::fprintf(stderr, "no check is named %s\n", name.c_str());
  return failures == 0 && asked.empty() ? 0 : 1;
}
