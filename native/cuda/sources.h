// The text of the kernels, which the build copies into the library.
#pragma once

#include <vector>

namespace torchvae {

struct KernelSource {
  const char* name;
  const char* text;
};

extern const std::vector<KernelSource> kKernelPrograms;  // .cu
extern const std::vector<KernelSource> kKernelHeaders;
extern const char* const kKernelDigest;  // SHA-256 of all of them

}  // namespace torchvae
