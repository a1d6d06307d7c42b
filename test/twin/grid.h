// A grid of CUDA threads on one thread of the CPU: each is a fiber that runs until a barrier and then lets
// the others go on. Blocks run one after another, so that __shared__ may be static.
#pragma once

#include <cstddef>
#include <functional>
#include <map>

namespace torchvae::twin {

struct Dim {
  unsigned x = 0, y = 0, z = 0;
};

// Of the fiber that runs.
extern Dim threadIdx, blockIdx, blockDim, gridDim;

// `sharedBytes` are for each block, beside what is declared in the kernel.
void runGrid(unsigned blocks, unsigned threads, size_t sharedBytes, const std::function<void()>& kernel);

// Whether blocks, and a block's warps, run the last first. What comes out must be the same bits.
extern bool isBackward;

// Of global memory: bytes from there on.
using Ranges = std::map<const char*, size_t>;
// Where what threads copy before they wait for the grid before theirs is noted; null for nowhere.
extern Ranges* earlyReads;
void noteRead(const void* from, size_t bytes);
// The fiber that runs waits for the grid before.
void noteWait();

// All threads of the block; all of the warp.
void blockBarrier();
void warpBarrier();
// How many of the warp's barriers were passed.
unsigned warpGeneration();
// Two slots of 8 bytes for each thread of the block, through which the lanes of a warp exchange values.
void* exchangeSlot(unsigned thread, unsigned side);
// A place of `bytes` that the warp's lanes share until its next barrier but one.
void* warpPlace(size_t bytes);

// The block's shared memory; each block finds NaN there.
float* dynamicShared();

}  // namespace torchvae::twin
