// What is taken of NCCL, with the library in its place: two threads as two ranks.
#include "ranks/nccl.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "check.h"
#include "error.h"
#include "part.h"

namespace torchvae::check {
namespace {

// Without one of the functions.
class Lacking : public twin::TwinPart {
 public:
  explicit Lacking(std::string name) : name_(std::move(name)) {}
  void* ncclFunction(const char* name) override {
    return name == name_ ? nullptr : TwinPart::ncclFunction(name);
  }

 private:
  std::string name_;
};

void waitOut(const std::function<bool()>& glance) {
  while (!glance()) continue;
}

// Calls body(communicator, rank) in a thread for each of two ranks.
template <class Body>
void inTwoRanks(const Body& body) {
  twin::TwinPart part;
  const Nccl nccl = *Nccl::find(part);
  const NcclId id = nccl.newId();
  std::array<std::string, 2> errors;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        Communicator communicator(nccl, part, id, rank, 2, waitOut);
        body(communicator, rank);
      } catch (const Failure& failure) {
        errors[static_cast<size_t>(rank)] = failure.why;
      } catch (const std::exception& error) {
        errors[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& error : errors) {
    if (!error.empty()) throw Failure{error};
  }
}

void exchangesEachType() {
  inTwoRanks([](Communicator& communicator, int rank) {
    for (const auto type : {c10::kFloat, c10::kDouble, c10::kBFloat16, c10::kLong, c10::kInt, c10::kByte}) {
      // More than the library passes on at a time.
      const at::Tensor values = at::zeros({100003}, c10::TensorOptions().dtype(type));
      values.fill_(rank == 0 ? 5 : 90);
      communicator.sum(values, waitOut);
      communicator.await(waitOut);
      EXPECT(values.eq(95).all().item<bool>());
      values.fill_(rank == 0 ? 7 : 8);
      communicator.broadcast(values, waitOut);
      communicator.await(waitOut);
      EXPECT(values.eq(7).all().item<bool>());
    }
  });
}

template <class Body>
bool isRefused(const Body& body) {
  try {
    body();
    return false;
  } catch (const Error&) {
    return true;
  }
}

void refusesWhatItCannotSend() {
  inTwoRanks([](Communicator& communicator, int /*rank*/) {
    const at::Tensor square = at::zeros({3, 4});
    EXPECT(isRefused([&] { communicator.sum(square.t(), waitOut); }));
    const at::Tensor flags = at::zeros({3}, c10::TensorOptions().dtype(c10::kBool));
    EXPECT(isRefused([&] { communicator.broadcast(flags, waitOut); }));
  });
}

void findsAWholeLibrary() {
  twin::TwinPart part;
  EXPECT(Nccl::find(part)->version() == "2.27.3");
  for (const char* name :
       {"ncclGetVersion", "ncclCommInitRankConfig", "ncclAllReduce", "ncclCommAbort", "ncclGetErrorString"}) {
    Lacking lacking(name);
    EXPECT(!Nccl::find(lacking).has_value());
  }
  Lacking lacking("ncclGetLastError");
  EXPECT(Nccl::find(lacking).has_value());
}

}  // namespace

void checkNccl() {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  setenv("TORCHVAE_TWIN_NCCL", (folder / "libfake_nccl.so").c_str(), 0);
  test("NCCL is found whole or not at all", findsAWholeLibrary);
  test("NCCL sums and sends each type of tensor", exchangesEachType);
  test("NCCL refuses tensors that it cannot send", refusesWhatItCannotSend);
}

}  // namespace torchvae::check
