// The few functions that are taken of NCCL, from the library that libtorch itself uses.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>

#include "cuda_part.h"

namespace torchvae {

// By which the processes of a communicator find each other.
struct NcclId {
  char bytes[128];
};

class Nccl {
 public:
  // Nothing where the library lacks one of the functions, or is too old.
  static std::optional<Nccl> find(CudaPart& part);

  // Such as "2.27.3".
  std::string version() const;
  NcclId newId() const;

 private:
  friend class Communicator;
  struct Config;
  using Result = int;
  using Comm = void*;

  // Throws std::runtime_error with NCCL's words.
  void check(Result result, const char* what, Comm comm = nullptr) const;

#define TORCHVAE_NCCL_FUNCTIONS(function)                                            \
  function(GetVersion, int*) function(GetUniqueId, NcclId*)                          \
      function(CommInitRankConfig, Comm*, int, NcclId, int, Config*)                 \
          function(AllReduce, const void*, void*, size_t, int, int, Comm, void*)     \
              function(Broadcast, const void*, void*, size_t, int, int, Comm, void*) \
                  function(CommGetAsyncError, Comm, Result*) function(CommAbort, Comm)
#define TORCHVAE_POINTER(name, ...) Result (*name##_)(__VA_ARGS__) = nullptr;
  TORCHVAE_NCCL_FUNCTIONS(TORCHVAE_POINTER)
#undef TORCHVAE_POINTER
  const char* (*GetErrorString_)(Result) = nullptr;
  const char* (*GetLastError_)(Comm) = nullptr;  // where there is one
};

// The processes that exchange what lies on their GPUs. Its calls are queued on the calling thread's stream,
// and throw std::runtime_error with NCCL's words.
class Communicator {
 public:
  // Waits until what it is given finds what it looks for, or throws.
  using Wait = std::function<void(const std::function<bool()>& glance)>;

  // All ranks call this at once, each for the calling thread's device.
  Communicator(const Nccl& nccl, CudaPart& part, const NcclId& id, int rank, int size, const Wait& wait);
  // Ends also what is under way on the device.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  void sum(const at::Tensor& tensor, const Wait& wait);
  // Of rank 0.
  void broadcast(const at::Tensor& tensor, const Wait& wait);
  // Waits for the device to have done this, and all else that was queued on the stream.
  void await(const Wait& wait);

 private:
  // NCCL queues work from a separate thread, so that a call ends though another rank does not answer.
  void settle(int result, const char* what, const Wait& wait);
  int state() const;

  Nccl nccl_;
  CudaPart& part_;
  std::unique_ptr<StreamPoint> point_;
  Nccl::Comm comm_ = nullptr;
};

}  // namespace torchvae
