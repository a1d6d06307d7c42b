// Compiles the kernels' text, as the CUDA part holds it, with NVRTC; no GPU is needed.
//   nvrtc_check LIBNVRTC CAPABILITY...     such as /usr/lib/libnvrtc.so.13 80 90
// Prints a line a capability and type: the size of the machine code. Fails with the compiler's words.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuda/sources.h"

namespace {

using Program = void*;
void* library = nullptr;

// NVRTC's functions return 0 for success; its header is not at hand in a CPU build.
template <class... A>
int call(const char* name, A... arguments) {
  const auto function = reinterpret_cast<int (*)(A...)>(dlsym(library, name));
  if (function == nullptr) {
    std::fprintf(stderr, "no %s\n", name);
    std::exit(2);
  }
  return function(arguments...);
}

bool compile(const std::string& capability, const std::string& suffix, const std::string& type) {
  std::vector<const char*> names, texts;
  for (const torchvae::KernelSource& source : torchvae::kKernelHeaders) {
    names.push_back(source.name);
    texts.push_back(source.text);
  }
  Program program = nullptr;
  call("nvrtcCreateProgram", &program, torchvae::kKernelProgram, "torchvae.cu",
       static_cast<int>(names.size()), texts.data(), names.data());
  const std::string architecture = "--gpu-architecture=sm_" + capability;
  const std::string named = "-DTORCHVAE_SUFFIX=" + suffix, typed = "-DTORCHVAE_TYPE=" + type;
  const char* options[] = {architecture.c_str(), "--std=c++17", named.c_str(), typed.c_str(),
                           "--ptxas-options=-v"};
  const int status = call("nvrtcCompileProgram", program, 5, static_cast<const char* const*>(options));
  size_t size = 0;
  call("nvrtcGetProgramLogSize", program, &size);
  std::string log(size, '\0');
  call("nvrtcGetProgramLog", program, log.data());
  std::fputs(log.c_str(), stderr);
  if (status != 0 || call("nvrtcGetCUBINSize", program, &size) != 0) return false;
  std::vector<char> image(size);
  if (call("nvrtcGetCUBIN", program, image.data()) != 0) return false;
  // Every kernel that the engine asks for is in it.
  const std::string code(image.data(), size);
#define TORCHVAE_KERNEL(name, Arguments, threads) \
  if (code.find(".text." #name + suffix) == std::string::npos) return false;
#include "kernels/list.h"
  std::printf("sm_%s%s %zu bytes\n", capability.c_str(), suffix.c_str(), size);
  call("nvrtcDestroyProgram", &program);
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3 || (library = dlopen(arguments[1], RTLD_NOW)) == nullptr) {
    std::fprintf(stderr, "usage: nvrtc_check LIBNVRTC CAPABILITY...\n%s\n", count < 3 ? "" : dlerror());
    return 2;
  }
  int failed = 0;
  for (int i = 2; i < count; ++i) {
    failed += compile(arguments[i], "_f32", "float") ? 0 : 1;
    failed += compile(arguments[i], "_bf16", "Bf16") ? 0 : 1;
    failed += compile(arguments[i], "_f64", "double") ? 0 : 1;
  }
  return failed;
}
